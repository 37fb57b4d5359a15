/// <reference lib="dom" />
/**
 * All jobs: wanted and actual state, guarantee, rates, the worst subtask of each.
 *
 * @module
 */
import type { JobDetail, JobSummary } from "@shared/job_api.ts";
import { read } from "@shared/hub_client.ts";
import { Choice } from "../parts/choice.tsx";
import { LoadedList, PageHead, Section } from "../parts/frame.tsx";
import { greatestLag, type JobRow, JobTable } from "../parts/job_table.tsx";
import {
  type Moment,
  operatorFigures,
  rankSubtasks,
  subtaskFigures,
} from "../parts/subtask_figures.ts";
import { useMoment } from "../parts/time_range.tsx";
import { until, useAnswers, useResource } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { sourceRate } from "./job_graph.tsx";

/** Jobs whose figures are shown; the others show what the list says of them. */
const DETAILS_MAX = 40;
const LOOK_AGAIN_MS = 15_000;

const STATES = [
  { value: "all", text: "All", query: {} },
  { value: "running", text: "Wanted running", query: { state: "running" } },
  { value: "stopped", text: "Stopped", query: { state: "stopped" } },
  { value: "cancelled", text: "Cancelled", query: { state: "cancelled" } },
] as const;
type State = typeof STATES[number]["value"];

export function JobsPage() {
  const { hub, router } = useServices();
  const state = STATES.find(({ value }) => value === router.route.value.query["state"]) ??
    STATES[0];
  const family = ["job", "region", "checkpoint", "alarm"];
  const jobs = useAnswers(hub.jobs, { query: { limit: "50", ...state.query } }, family);
  const details = useDetails(jobs.value?.items ?? []);
  const moment = useMoment();
  return (
    <>
      <PageHead title="Jobs" />
      <Section
        title="All jobs"
        actions={
          <Choice<State>
            legend="Which"
            name="job-state"
            options={STATES}
            chosen={state.value}
            onChoose={(value) => router.choose({ state: value === "all" ? null : value })}
          />
        }
      >
        <LoadedList list={jobs}>
          {(items) => (
            <JobTable
              jobs={items.map((job) => rowOf(job, details.get(job.id) ?? null, moment))
                .sort(worstJobsFirst)}
              empty={state.value === "all"
                ? "No job yet. Deploy one with: penstock jobs deploy FILE.ts"
                : "No job is like that."}
            />
          )}
        </LoadedList>
      </Section>
    </>
  );
}

function useDetails(jobs: readonly JobSummary[]): ReadonlyMap<string, JobDetail> {
  const { hub } = useServices();
  const ids = jobs.filter(({ desiredState }) => desiredState === "running")
    .slice(0, DETAILS_MAX).map(({ id }) => id);
  const details = useResource<readonly JobDetail[]>(
    ids.length === 0 ? null : ids.join(","),
    (signal) =>
      Promise.all(ids.map((id) => read(hub.jobs[":id"].$get({ param: { id } }, until(signal))))),
    ["region", "job"],
    LOOK_AGAIN_MS,
  );
  return new Map((details.value ?? []).map((job) => [job.id, job]));
}

function rowOf(job: JobSummary, detail: JobDetail | null, moment: Moment): JobRow {
  if (detail === null) return { ...job, more: null };
  const subtasks = subtaskFigures(detail, moment);
  const figures = operatorFigures(detail.graph, subtasks);
  return {
    ...job,
    more: {
      guarantee: detail.guarantee,
      inPerSecond: sourceRate(detail, figures),
      lagMs: greatestLag(figures),
      worst: rankSubtasks(detail.graph, subtasks, "worst")[0] ?? null,
    },
  };
}

const STATUS_ORDER = ["restarting", "degraded", "starting", "stopping", "running"];

/** What needs a look first, what has ended last; newest first among alike. */
function worstJobsFirst(a: JobRow, b: JobRow): number {
  const place = ({ status }: JobRow) => {
    const at = STATUS_ORDER.indexOf(status);
    return at < 0 ? STATUS_ORDER.length : at;
  };
  return place(a) - place(b) || (a.createdAt < b.createdAt ? 1 : -1);
}
