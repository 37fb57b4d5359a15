/// <reference lib="dom" />
/**
 * Who did what, when, why and with which outcome; whether the log is whole; and a copy to take along.
 *
 * @module
 */
import type { AuditView } from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import { NONE } from "../format.ts";
import { auditCsv } from "../parts/audit_export.ts";
import { SearchField } from "../parts/alarm_filters.tsx";
import { PageHead } from "../parts/frame.tsx";
import { LoadedRows } from "../parts/loaded_rows.tsx";
import { Badge, Time, Who } from "../parts/marks.tsx";
import { type VirtualColumn, VirtualTable } from "../parts/virtual_table.tsx";
import type { PagedWorld } from "../state/paged_list.ts";
import { usePaged } from "../state/paged_resource.ts";
import { from, until, useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

const PAGE_LIMIT = "200";
const OUTCOMES = ["done", "accepted", "refused"] as const;
const TEXTS = ["action", "subject", "principal", "from", "to"] as const;

export function AuditPage() {
  const { hub, router } = useServices();
  const { query } = router.route.value;
  const outcome = OUTCOMES.find((one) => one === query["outcome"]);
  const texts: Partial<Record<typeof TEXTS[number], string>> = Object.fromEntries(
    TEXTS.map((name) => [name, query[name] ?? ""]).filter(([, value]) => value !== ""),
  );
  const asked = { ...texts, ...outcome === undefined ? {} : { outcome } };
  const world: PagedWorld<AuditView> = {
    load: (cursor, signal) =>
      read(hub.audit.$get(
        { query: { limit: PAGE_LIMIT, ...asked, ...from(cursor) } },
        until(signal),
      )),
    keyOf: ({ id }) => String(id),
    order: (a, b) => b.id - a.id,
  };
  const list = usePaged(JSON.stringify(asked), world, []);
  return (
    <>
      <PageHead title="Audit">
        <ChainBadge />
      </PageHead>
      <section class="section" aria-label="Audit log">
        <Filters />
        <div class="row bulk">
          <button type="button" onClick={list.reload}>Refresh</button>
          <Export items={list.items} hasMore={list.hasMore} />
        </div>
        <LoadedRows list={list}>
          <VirtualTable<AuditView>
            label="Audit log, newest first"
            rows={list.items}
            rowKey={world.keyOf}
            columns={COLUMNS}
            empty="Nothing in the log is like that."
            cardPx={168}
            hasMore={list.hasMore}
            onMore={list.more}
            onSpan={list.seen}
          />
        </LoadedRows>
      </section>
    </>
  );
}

/** Whether each row follows from the one before it: a row changed later would show. */
function ChainBadge() {
  const { hub } = useServices();
  const verdict = useAnswer(hub.audit.verify, {}, []);
  if (verdict.value === null) {
    const text = verdict.failure === null ? "checking the chain…" : "chain not checked";
    return <Badge mark={{ tone: "unknown", text }} />;
  }
  const { isIntact, rows, firstBrokenId } = verdict.value;
  return isIntact
    ? <Badge mark={{ tone: "active", text: `chain verified, ${rows} rows` }} />
    : <Badge mark={{ tone: "bad", text: `chain broken at row ${firstBrokenId}` }} />;
}

function Filters() {
  const { router } = useServices();
  const { query } = router.route.value;
  const field = (name: string, label: string, placeholder: string) => (
    <SearchField
      label={label}
      value={query[name] ?? ""}
      placeholder={placeholder}
      onSearch={(value) => router.choose({ [name]: value })}
    />
  );
  return (
    <div class="filters">
      {field("action", "Action", "job.stop, alarm.*")}
      {field("subject", "Subject", "job:…")}
      {field("principal", "Who", "token:…")}
      <label class="filter">
        <span>Outcome</span>
        <select
          value={query["outcome"] ?? ""}
          onChange={(event) => router.choose({ outcome: event.currentTarget.value })}
        >
          <option value="">any</option>
          {OUTCOMES.map((outcome) => <option key={outcome} value={outcome}>{outcome}</option>)}
        </select>
      </label>
      <DayField name="from" label="From" />
      <DayField name="to" label="Before" />
    </div>
  );
}

/** A day of the browser's calendar, in the address as an instant. */
function DayField(props: { readonly name: "from" | "to"; readonly label: string }) {
  const { router } = useServices();
  const at = router.route.value.query[props.name] ?? "";
  return (
    <label class="filter">
      <span>{props.label}</span>
      <input
        type="datetime-local"
        value={at === "" ? "" : localText(at)}
        onChange={(event) => {
          const ms = new Date(event.currentTarget.value).getTime();
          router.choose({ [props.name]: Number.isNaN(ms) ? null : new Date(ms).toISOString() });
        }}
      />
    </label>
  );
}

function localText(at: string): string {
  const time = new Date(at);
  const shifted = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return Number.isNaN(time.getTime()) ? "" : shifted.toISOString().slice(0, 16);
}

function Export(props: { readonly items: readonly AuditView[]; readonly hasMore: boolean }) {
  const { items, hasMore } = props;
  const count = `${items.length}${hasMore ? " loaded" : ""}`;
  return (
    <>
      <button
        type="button"
        disabled={items.length === 0}
        onClick={() => save("audit.csv", "text/csv", auditCsv(items))}
      >
        Export CSV ({count})
      </button>
      <button
        type="button"
        disabled={items.length === 0}
        onClick={() => save("audit.json", "application/json", JSON.stringify(items, null, 2))}
      >
        Export JSON ({count})
      </button>
    </>
  );
}

function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = globalThis.document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

const COLUMNS: readonly VirtualColumn<AuditView>[] = [
  { key: "at", header: "When", width: "160px", cell: ({ at }) => <Time at={at} /> },
  {
    key: "who",
    header: "Who",
    width: "minmax(180px, 1fr)",
    cell: (row) => (
      <span title={row.principal}>
        <Who principal={row.principal} name={row.principalName} /> ({row.role})
      </span>
    ),
  },
  {
    key: "action",
    header: "Action",
    width: "180px",
    cell: ({ action }) => <strong>{action}</strong>,
  },
  {
    key: "subject",
    header: "Subject",
    width: "minmax(160px, 1fr)",
    cell: ({ subject }) => <span title={subject}>{subject}</span>,
  },
  {
    key: "reason",
    header: "Reason",
    width: "minmax(160px, 1.4fr)",
    cell: ({ reason }) => reason === null ? NONE : <span title={reason}>{reason}</span>,
  },
  {
    key: "outcome",
    header: "Outcome",
    width: "104px",
    cell: ({ outcome }) => (
      <Badge mark={{ tone: outcome === "refused" ? "warn" : "calm", text: outcome }} />
    ),
  },
];
