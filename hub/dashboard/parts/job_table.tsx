/// <reference lib="dom" />
/**
 * Jobs with what was asked of them and what they do.
 *
 * @module
 */
import type { JobSummary } from "@shared/api.ts";
import { hrefOf } from "../router.ts";
import { jobMark, rowClass, statusMark } from "./health.ts";
import { Age, Badge } from "./marks.tsx";
import { Table } from "./table.tsx";

export function JobTable(props: { readonly jobs: readonly JobSummary[]; readonly empty: string }) {
  return (
    <Table<JobSummary>
      caption="Jobs"
      isCaptionHidden
      rows={props.jobs}
      rowKey={(job) => job.id}
      rowClass={(job) => rowClass(jobMark(job.status))}
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
        { header: "State", cell: (job) => <Badge mark={jobMark(job.status)} /> },
        { header: "Wanted", cell: (job) => job.desiredState },
        {
          header: "Regions",
          isNumeric: true,
          cell: (job) => `${job.regionsRunning} of ${job.regionsTotal}`,
        },
        { header: "Last checkpoint", cell: (job) => <LastCheckpoint job={job} /> },
        { header: "Active alarms", isNumeric: true, cell: (job) => job.activeAlarms },
        { header: "Created", cell: (job) => <Age at={job.createdAt} /> },
      ]}
    />
  );
}

function LastCheckpoint(props: { readonly job: JobSummary }) {
  const last = props.job.lastCheckpoint;
  if (last === null) return <span class="muted">none yet</span>;
  const mark = statusMark(last.status);
  return (
    <span class="inline">
      <span>{last.id}</span>
      <Age at={last.endedAt} />
      {mark.tone === "calm" ? null : <Badge mark={mark} />}
    </span>
  );
}
