/// <reference lib="dom" />
/**
 * Why a job was restarted, and what it is known to have lost.
 *
 * @module
 */
import type { AttemptView, GapView, JobDetail } from "@shared/api.ts";
import { countText, durationText, NONE } from "../format.ts";
import { LoadedList, Section } from "../parts/frame.tsx";
import { statusMark } from "../parts/health.ts";
import { Badge, Time } from "../parts/marks.tsx";
import { Table } from "../parts/table.tsx";
import { useList } from "../state/resource.ts";

export function JobHistory(props: { readonly job: JobDetail }) {
  const path = `/jobs/${encodeURIComponent(props.job.id)}`;
  const attempts = useList<AttemptView>(`${path}/attempts`, ["region", "attempt", "rollback"]);
  const gaps = useList<GapView>(`${path}/gaps`, ["gap", "region", "rollback"]);
  return (
    <>
      <Section title="Attempts">
        <LoadedList list={attempts}>{(items) => <AttemptTable attempts={items} />}</LoadedList>
      </Section>
      <Section title="Gaps">
        <LoadedList list={gaps}>{(items) => <GapTable gaps={items} />}</LoadedList>
      </Section>
    </>
  );
}

function AttemptTable(props: { readonly attempts: readonly AttemptView[] }) {
  return (
    <Table<AttemptView>
      caption="Attempts, newest first"
      isCaptionHidden
      rows={props.attempts}
      rowKey={(row) => `${row.regionId}/${row.attempt}`}
      empty="No attempt was started yet."
      columns={[
        { header: "Region", isWide: true, cell: (row) => <strong>{row.regionId}</strong> },
        { header: "Attempt", isNumeric: true, cell: (row) => row.attempt },
        { header: "Cause", cell: (row) => row.cause },
        { header: "Agent", cell: (row) => row.agentName ?? row.agentId },
        {
          header: "Restored from",
          isNumeric: true,
          cell: (row) => row.restoredFromId === null ? "nothing" : row.restoredFromId,
        },
        { header: "Started", cell: (row) => <Time at={row.startedAt} /> },
        { header: "Running after", isNumeric: true, cell: (row) => runningAfter(row) },
        { header: "Ended", cell: (row) => <AttemptEnd attempt={row} /> },
      ]}
    />
  );
}

function runningAfter(attempt: AttemptView): string {
  if (attempt.runningAt === null) return NONE;
  return durationText(Date.parse(attempt.runningAt) - Date.parse(attempt.startedAt));
}

function AttemptEnd(props: { readonly attempt: AttemptView }) {
  const { endedAt, endReason, runningAt } = props.attempt;
  if (endedAt === null) {
    return <Badge mark={statusMark(runningAt === null ? "restoring" : "running")} />;
  }
  return (
    <span class="stack-tight">
      <Time at={endedAt} />
      {endReason === null ? null : <span class="muted">{endReason}</span>}
    </span>
  );
}

function GapTable(props: { readonly gaps: readonly GapView[] }) {
  return (
    <Table<GapView>
      caption="Gaps: spans of records known lost"
      isCaptionHidden
      rows={props.gaps}
      rowKey={(row) => row.id}
      empty="No records are known to be lost."
      columns={[
        { header: "Region", isWide: true, cell: (row) => <strong>{row.regionId}</strong> },
        { header: "Source", cell: (row) => `${row.sourceUid} split ${row.splitIndex}` },
        { header: "Cause", cell: (row) => row.cause },
        {
          header: "Records",
          isNumeric: true,
          cell: (row) => row.records === null ? "unknown" : countText(row.records),
        },
        { header: "From", cell: (row) => <Time at={row.fromAt} /> },
        { header: "To", cell: (row) => <Time at={row.toAt} /> },
        { header: "Noted", cell: (row) => <Time at={row.createdAt} /> },
      ]}
    />
  );
}
