/// <reference lib="dom" />
/**
 * What a rollback would do, as the hub planned it: the loss first, then state, alarms, checkpoints.
 *
 * @module
 */
import type { GapPlan, JobDetail, RollbackPlan } from "@shared/job_api.ts";
import { bytesText, countText, durationText, NONE, plural } from "../format.ts";
import { hrefOf } from "../router.ts";
import { Time } from "./marks.tsx";
import { agentsText } from "./region_table.tsx";
import { Table } from "./table.tsx";

type RegionPlan = RollbackPlan["regions"][number];
type OperatorPlan = RollbackPlan["operators"][number];
type AlarmPlan = RollbackPlan["alarmsConcerned"][number];

export function RollbackPlanView(
  props: { readonly job: JobDetail; readonly plan: RollbackPlan },
) {
  const { job, plan } = props;
  const agentsFor = (regionId: string) => {
    const region = job.regions.find((one) => one.regionId === regionId);
    return region === undefined ? "none" : agentsText(region);
  };
  return (
    <>
      <GapNotice plan={plan} />
      <Table<RegionPlan>
        caption="State to be replaced"
        rows={plan.regions}
        rowKey={(row) => row.regionId}
        empty="No region is concerned."
        columns={[
          { header: "Region", isWide: true, cell: (row) => <strong>{row.regionId}</strong> },
          { header: "Agents", cell: (row) => agentsFor(row.regionId) },
          {
            header: "Attempt",
            isNumeric: true,
            cell: (row) => `${row.currentAttempt} → ${row.currentAttempt + 1}`,
          },
          {
            header: "Entries now → then",
            isNumeric: true,
            cell: (row) => `${countText(row.entriesNow)} → ${countText(row.entriesThen)}`,
          },
          { header: "To restore", isNumeric: true, cell: (row) => bytesText(row.bytesToRestore) },
        ]}
      />
      <Operators operators={plan.operators} />
      <Alarms alarms={plan.alarmsConcerned} />
      <p>
        {plan.abandonedCheckpointIds.length === 0
          ? "No checkpoint is given up."
          : `${
            plural(plan.abandonedCheckpointIds.length, "checkpoint")
          } taken since and still kept will never again be restored from: ${
            idSpans(plan.abandonedCheckpointIds)
          }.`}
      </p>
    </>
  );
}

function GapNotice(props: { readonly plan: RollbackPlan }) {
  const { gaps, checkpointId } = props.plan;
  if (gaps.length === 0) {
    return (
      <p class="notice tone-calm">
        Back to checkpoint {checkpointId} without a gap: no record is lost.
      </p>
    );
  }
  const records = gapRecords(props.plan);
  return (
    <div class="notice tone-warn">
      <p>
        <strong>
          Gap of {plural(records, "record")}
          {spanText(gaps)}.
        </strong>{" "}
        The brokers no longer hold them: they were acknowledged after the savepoint.
      </p>
      <Table<GapPlan>
        caption="Gaps"
        rows={gaps}
        rowKey={(row) => `${row.regionId}/${row.sourceUid}/${row.splitIndex}`}
        empty=""
        columns={[
          { header: "Region", isWide: true, cell: (row) => row.regionId },
          { header: "Source", cell: (row) => `${row.sourceUid} split ${row.splitIndex}` },
          { header: "Records", isNumeric: true, cell: (row) => countText(row.records) },
          {
            header: "Positions",
            isNumeric: true,
            cell: (row) => `${countText(row.fromPosition)} to ${countText(row.toPosition)}`,
          },
          { header: "From", cell: (row) => <Time at={row.fromAt} /> },
          { header: "To", cell: (row) => <Time at={row.toAt} /> },
        ]}
      />
    </div>
  );
}

/** Records that the plan gives up, over all splits. */
export function gapRecords(plan: Pick<RollbackPlan, "gaps">): number {
  return plan.gaps.reduce((sum, gap) => sum + gap.records, 0);
}

/** `, over 4 min 10 s`, from the earliest to the latest known end; empty when no time is known. */
export function spanText(gaps: readonly Pick<GapPlan, "fromAt" | "toAt">[]): string {
  const starts = gaps.flatMap((gap) => gap.fromAt === null ? [] : [Date.parse(gap.fromAt)]);
  const ends = gaps.flatMap((gap) => gap.toAt === null ? [] : [Date.parse(gap.toAt)]);
  if (starts.length === 0 || ends.length === 0) return "";
  return `, over ${durationText(Math.max(...ends) - Math.min(...starts))}`;
}

/** `3–5, 8`: runs of ids in short. */
export function idSpans(ids: readonly number[]): string {
  const sorted = [...ids].sort((a, b) => a - b);
  const spans: { from: number; to: number }[] = [];
  for (const id of sorted) {
    const last = spans.at(-1);
    if (last !== undefined && id === last.to + 1) last.to = id;
    else spans.push({ from: id, to: id });
  }
  return spans.map((span) => span.from === span.to ? `${span.from}` : `${span.from}–${span.to}`)
    .join(", ");
}

function Operators(props: { readonly operators: readonly OperatorPlan[] }) {
  const changed = props.operators.filter((one) => one.compatibility !== "as-is");
  if (changed.length === 0) return <p>The state of every operator is restored as it is.</p>;
  return (
    <Table<OperatorPlan>
      caption="Operators whose state is not restored as it is"
      rows={changed}
      rowKey={(row) => row.uid}
      rowClass={(row) => row.compatibility === "incompatible" ? "row-bad" : ""}
      empty=""
      columns={[
        { header: "Operator", cell: (row) => row.uid },
        { header: "State", cell: (row) => row.compatibility },
        { header: "Reason", isWide: true, cell: (row) => row.reason || NONE },
      ]}
    />
  );
}

function Alarms(props: { readonly alarms: readonly AlarmPlan[] }) {
  if (props.alarms.length === 0) return <p>No alarm was raised since the savepoint.</p>;
  return (
    <Table<AlarmPlan>
      caption="Alarms raised since the savepoint; replayed ones keep their ids and do not ring again"
      rows={props.alarms}
      rowKey={(row) => row.id}
      empty=""
      columns={[
        {
          header: "Equipment",
          cell: (row) => (
            <a href={hrefOf({ kind: "equipment", equipment: row.equipment })}>{row.equipment}</a>
          ),
        },
        { header: "Alarm", isWide: true, cell: (row) => row.text },
        { header: "Raised", cell: (row) => <Time at={row.raisedAt} /> },
      ]}
    />
  );
}
