/// <reference lib="dom" />
/**
 * What happened to a job: why its regions were restarted and where, what it is known to have lost, what
 * was asked of it, and what the hub and its agents said.
 *
 * @module
 */
import type { OperationView } from "@shared/api.ts";
import type { AttemptView, GapView, JobDetail } from "@shared/job_api.ts";
import { countText, durationText, NONE } from "../format.ts";
import { LoadedList, Section } from "../parts/frame.tsx";
import { rowClass, statusMark } from "../parts/health.ts";
import { LogLines } from "../parts/log_lines.tsx";
import { Badge, Time, Who } from "../parts/marks.tsx";
import { Table } from "../parts/table.tsx";
import { hrefOf } from "../router.ts";
import { useAnswers } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

export function JobHistory(props: { readonly job: JobDetail }) {
  const { job } = props;
  const { hub } = useServices();
  const of = { param: { id: job.id } };
  const attempts = useAnswers(hub.jobs[":id"].attempts, of, ["region", "rollback", "agent"]);
  const gaps = useAnswers(hub.jobs[":id"].gaps, of, ["gap", "region", "rollback"]);
  const operations = useAnswers(hub.operations, { query: { jobId: job.id } }, ["operation"]);
  return (
    <>
      <Section title="Attempts and what ended them">
        <LoadedList list={attempts}>{(items) => <AttemptTable attempts={items} />}</LoadedList>
      </Section>
      <Section title="Gaps">
        <LoadedList list={gaps}>{(items) => <GapTable gaps={items} />}</LoadedList>
      </Section>
      <Section title="Operations">
        <LoadedList list={operations}>
          {(items) => <OperationTable jobId={job.id} operations={items} />}
        </LoadedList>
      </Section>
      <Section title="Log of this job">
        <LogLines scope={{ jobId: job.id }} />
      </Section>
    </>
  );
}

/** Ends that nobody asked for. */
const CALM_CAUSES = /rollback|rescale|rebalance|stop|cancel|drain|deploy/;

function AttemptTable(props: { readonly attempts: readonly AttemptView[] }) {
  return (
    <Table<AttemptView>
      caption="Attempts, newest first"
      isCaptionHidden
      rows={props.attempts}
      rowKey={(row) => `${row.regionId}/${row.attempt}`}
      rowClass={(row) => isException(row) ? "row-warn" : ""}
      empty="No attempt was started yet."
      columns={[
        { header: "Region", isWide: true, cell: (row) => <strong>{row.regionId}</strong> },
        { header: "Attempt", isNumeric: true, cell: (row) => row.attempt },
        { header: "Started because", cell: (row) => row.cause },
        { header: "Agents", isWide: true, cell: (row) => <AttemptAgents attempt={row} /> },
        {
          header: "Restored from",
          isNumeric: true,
          cell: (row) => row.restoredFromId === null ? "nothing" : row.restoredFromId,
        },
        { header: "Started", cell: (row) => <Time at={row.startedAt} /> },
        { header: "Running after", isNumeric: true, cell: (row) => runningAfter(row) },
        { header: "Ended", isWide: true, cell: (row) => <AttemptEnd attempt={row} /> },
      ]}
    />
  );
}

function isException(attempt: AttemptView): boolean {
  return attempt.endReason !== null && !CALM_CAUSES.test(attempt.endReason);
}

function AttemptAgents(props: { readonly attempt: AttemptView }) {
  const { attempt } = props;
  if (attempt.subtasks.length === 0) return <span>{attempt.agentName ?? attempt.agentId}</span>;
  const byAgent = new Map<string, string[]>();
  for (const one of attempt.subtasks) {
    const name = one.agentName ?? one.agentId;
    byAgent.set(name, [...byAgent.get(name) ?? [], one.subtaskId]);
  }
  return (
    <ul class="plain">
      {[...byAgent].sort().map(([name, subtasks]) => (
        <li key={name}>
          {name} <span class="muted">{subtasks.join(", ")}</span>
        </li>
      ))}
    </ul>
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

function OperationTable(
  props: { readonly jobId: string; readonly operations: readonly OperationView[] },
) {
  const job = { kind: "job", jobId: props.jobId, tab: "history" } as const;
  return (
    <Table<OperationView>
      caption="Operations, newest first"
      isCaptionHidden
      rows={props.operations}
      rowKey={(row) => row.id}
      rowClass={(row) => rowClass(statusMark(row.status))}
      empty="Nothing was asked of this job that the hub still remembers."
      columns={[
        {
          header: "Operation",
          cell: (row) => (
            <a class="strong" href={hrefOf(job, { operation: row.id })}>
              {row.kind}
              <span class="visually-hidden">{row.id}</span>
            </a>
          ),
        },
        { header: "Status", cell: (row) => <Badge mark={statusMark(row.status)} /> },
        {
          header: "By",
          cell: (row) => <Who principal={row.createdBy} name={row.createdByName} />,
        },
        { header: "Asked", cell: (row) => <Time at={row.createdAt} /> },
        {
          header: "Took",
          isNumeric: true,
          cell: (row) => durationText(Date.parse(row.updatedAt) - Date.parse(row.createdAt)),
        },
        { header: "Failed because", isWide: true, cell: (row) => row.error?.detail ?? NONE },
      ]}
    />
  );
}
