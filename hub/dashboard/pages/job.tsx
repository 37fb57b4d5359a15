/// <reference lib="dom" />
/**
 * One job: its head, what may be done to it, and its tabs.
 *
 * @module
 */
import type { JobDetail } from "@shared/job_api.ts";
import { Loaded, PageHead } from "../parts/frame.tsx";
import { jobMark } from "../parts/health.ts";
import { Badge } from "../parts/marks.tsx";
import { hrefOf, type JobTab } from "../router.ts";
import { useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { JobActions, JobOperation } from "./job_actions.tsx";
import { JobCheckpoints } from "./job_checkpoints.tsx";
import { JobGraphTab } from "./job_graph.tsx";
import { JobHistory } from "./job_history.tsx";
import { JobSavepoints } from "./job_savepoints.tsx";

const TABS: readonly (readonly [JobTab, string])[] = [
  ["graph", "Graph"],
  ["checkpoints", "Checkpoints"],
  ["savepoints", "Savepoints"],
  ["history", "History"],
];
/** What other families of events do not tell of, such as a lease that runs out. */
const LOOK_AGAIN_MS = 15_000;

export function JobPage(props: { readonly jobId: string; readonly tab: JobTab }) {
  const { hub } = useServices();
  const family = ["job", "region", "rollback", "savepoint", "operation.ended", "agent"];
  const job = useAnswer(hub.jobs[":id"], { param: { id: props.jobId } }, family, LOOK_AGAIN_MS);
  const name = job.value?.name ?? "Job";
  const trail = [{ text: "Jobs", href: hrefOf({ kind: "jobs" }) }];
  return (
    <>
      <PageHead title={name} trail={trail}>
        {job.value === null ? null : (
          <>
            <Badge mark={jobMark(job.value.status)} />
            <span class="grow" />
            <JobActions job={job.value} />
          </>
        )}
      </PageHead>
      <nav class="tabs" aria-label={`Parts of ${name}`}>
        {TABS.map(([tab, text]) => (
          <a
            key={tab}
            href={hrefOf({ kind: "job", jobId: props.jobId, tab })}
            aria-current={tab === props.tab ? "page" : undefined}
          >
            {text}
          </a>
        ))}
      </nav>
      <JobOperation jobId={props.jobId} />
      <Loaded resource={job}>{(detail) => <JobTabView job={detail} tab={props.tab} />}</Loaded>
    </>
  );
}

function JobTabView(props: { readonly job: JobDetail; readonly tab: JobTab }) {
  switch (props.tab) {
    case "graph":
      return <JobGraphTab job={props.job} />;
    case "checkpoints":
      return <JobCheckpoints job={props.job} />;
    case "savepoints":
      return <JobSavepoints job={props.job} />;
    case "history":
      return <JobHistory job={props.job} />;
  }
}
