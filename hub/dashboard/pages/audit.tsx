/// <reference lib="dom" />
/** Who did what, when and why. @module */
import type { AuditView } from "@shared/api.ts";
import { NONE } from "../format.ts";
import { LoadedList, PageHead, Section } from "../parts/frame.tsx";
import { Time, Who } from "../parts/marks.tsx";
import { Table } from "../parts/table.tsx";
import { useList } from "../state/resource.ts";

export function AuditPage() {
  const audit = useList<AuditView>("/audit", []);
  return (
    <>
      <PageHead title="Audit" />
      <Section
        title="Changes, newest first"
        actions={<button type="button" onClick={() => audit.reload()}>Refresh</button>}
      >
        <LoadedList list={audit}>
          {(items) => (
            <Table<AuditView>
              caption="Audit log"
              isCaptionHidden
              rows={items}
              rowKey={(row) => String(row.id)}
              empty="Nothing was changed yet."
              columns={[
                { header: "When", cell: (row) => <Time at={row.at} /> },
                {
                  header: "Who",
                  cell: (row) => (
                    <>
                      <Who principal={row.principal} name={row.principalName} /> ({row.role})
                    </>
                  ),
                },
                { header: "Action", cell: (row) => <strong>{row.action}</strong> },
                { header: "Subject", cell: (row) => row.subject },
                { header: "Reason", isWide: true, cell: (row) => row.reason ?? NONE },
                { header: "Outcome", cell: (row) => row.outcome },
              ]}
            />
          )}
        </LoadedList>
      </Section>
    </>
  );
}
