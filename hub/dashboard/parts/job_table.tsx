/// <reference lib="dom" />
/**
 * Jobs with what was asked of them and what they do; those that need a look come first.
 *
 * @module
 */
import type { JobDetail, JobSummary } from "@shared/job_api.ts";
import { durationText, NONE, rateText } from "../format.ts";
import { hrefOf } from "../router.ts";
import { jobMark, rowClass, statusMark } from "./health.ts";
import { Age, Badge } from "./marks.tsx";
import type { OperatorFigures, RankedSubtask } from "./subtask_figures.ts";
import { Table } from "./table.tsx";

/** A job with what is known beyond its summary; null until it was fetched. */
export interface JobRow extends JobSummary {
  readonly more: {
    readonly guarantee: JobDetail["guarantee"];
    readonly inPerSecond: number | null;
    readonly lagMs: number | null;
    readonly worst: RankedSubtask | null;
  } | null;
}

export function JobTable(props: { readonly jobs: readonly JobRow[]; readonly empty: string }) {
  return (
    <Table<JobRow>
      caption="Jobs"
      isCaptionHidden
      rows={props.jobs}
      rowKey={(job) => job.id}
      rowClass={(job) =>
        rowClass(jobMark(job.status)) ||
        ((job.more?.worst?.reasons.length ?? 0) > 0 ? "row-warn" : "")}
      empty={props.empty}
      columns={[
        {
          header: "Job",
          isWide: true,
          cell: (job) => (
            <a class="strong" href={hrefOf({ kind: "job", jobId: job.id, tab: "graph" })}>
              {job.name}
            </a>
          ),
        },
        { header: "Actual", cell: (job) => <Badge mark={jobMark(job.status)} /> },
        { header: "Wanted", cell: (job) => job.desiredState },
        { header: "Guarantee", cell: (job) => <Guarantee job={job} /> },
        {
          header: "Regions",
          isNumeric: true,
          cell: (job) => `${job.regionsRunning} of ${job.regionsTotal}`,
        },
        {
          header: "Records in",
          isNumeric: true,
          cell: (job) => rateText(job.more?.inPerSecond ?? null),
        },
        {
          header: "Behind",
          isNumeric: true,
          cell: (job) => durationText(job.more?.lagMs ?? null),
        },
        { header: "Worst subtask", isWide: true, cell: (job) => <Worst job={job} /> },
        { header: "Last checkpoint", cell: (job) => <LastCheckpoint job={job} /> },
        {
          header: "Active alarms",
          isNumeric: true,
          cell: (job) =>
            job.activeAlarms === 0
              ? 0
              : (
                <a href={hrefOf({ kind: "alarms" }, { state: "active", job: job.id })}>
                  {job.activeAlarms}
                </a>
              ),
        },
        { header: "Created", cell: (job) => <Age at={job.createdAt} /> },
      ]}
    />
  );
}

/** How far the furthest operator is behind. */
export function greatestLag(figures: ReadonlyMap<string, OperatorFigures>): number | null {
  const lags = [...figures.values()].flatMap(({ lagMs }) => lagMs ?? []);
  return lags.length === 0 ? null : Math.max(...lags);
}

function Guarantee(props: { readonly job: JobRow }) {
  const { more } = props.job;
  if (more === null) return <span>{NONE}</span>;
  const { asked, given } = more.guarantee;
  if (asked === given) return <span>{given}</span>;
  return (
    <span class="stack-tight">
      <Badge mark={{ tone: "warn", text: given }} />
      <span class="muted">asked: {asked}</span>
    </span>
  );
}

function Worst(props: { readonly job: JobRow }) {
  const worst = props.job.more?.worst ?? null;
  if (worst === null || worst.reasons.length === 0) {
    return <span class="muted">{props.job.more === null ? NONE : "none stands out"}</span>;
  }
  return (
    <span class="stack-tight">
      <span>{worst.subtaskId}</span>
      <strong class="why">{worst.reasons[0]}</strong>
    </span>
  );
}

function LastCheckpoint(props: { readonly job: JobSummary }) {
  const last = props.job.lastCheckpoint;
  if (last === null) return <span class="muted">none yet</span>;
  const mark = statusMark(last.status);
  return (
    <span class="inline">
      <a
        href={hrefOf({ kind: "job", jobId: props.job.id, tab: "checkpoints" }, {
          checkpoint: String(last.id),
        })}
      >
        {last.id}
      </a>
      <Age at={last.endedAt} />
      {mark.tone === "calm" ? null : <Badge mark={mark} />}
    </span>
  );
}
