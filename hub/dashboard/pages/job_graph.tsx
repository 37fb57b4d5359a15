/// <reference lib="dom" />
/**
 * What a job does now: its figures, its graph, the worst subtasks first, and the same over time.
 *
 * @module
 */
import type { JobDetail } from "@shared/job_api.ts";
import { durationText, plural, rateText } from "../format.ts";
import { Choice } from "../parts/choice.tsx";
import { Section } from "../parts/frame.tsx";
import { GraphView } from "../parts/graph_view.tsx";
import { jobMark } from "../parts/health.ts";
import { JobFacts } from "../parts/job_facts.tsx";
import { Age, Badge, Figure } from "../parts/marks.tsx";
import { RegionTable } from "../parts/region_table.tsx";
import {
  type OperatorFigures,
  operatorFigures,
  rankSubtasks,
  SORTS,
  type SubtaskFigures,
  subtaskFigures,
  type SubtaskSort,
} from "../parts/subtask_figures.ts";
import { SubtaskTable } from "../parts/subtask_table.tsx";
import { useMoment } from "../parts/time_range.tsx";
import { hrefOf } from "../router.ts";
import { useServices } from "../state/services.ts";
import { JobSeries, metricOf, usePast } from "./job_series.tsx";

const TOP = 10;

export function JobGraphTab(props: { readonly job: JobDetail }) {
  const { router } = useServices();
  const { job } = props;
  const subtasks = useSubtasks(job);
  const figures = operatorFigures(job.graph, subtasks);
  const named = router.route.value.query["operator"] ?? null;
  const opened = job.graph.operators.some(({ uid }) => uid === named) ? named : null;
  return (
    <>
      <JobFigures job={job} figures={figures} subtasks={subtasks} />
      <Section title="Graph">
        <GraphView
          graph={job.graph}
          figures={figures}
          opened={opened}
          onOpen={(uid) => router.choose({ operator: uid })}
        />
      </Section>
      {opened === null
        ? null
        : <OperatorSubtasks job={job} subtasks={subtasks} operatorUid={opened} />}
      <WorstSubtasks job={job} subtasks={subtasks} />
      <JobSeries job={job} />
      <JobFacts job={job} />
      <Section title="Regions">
        <RegionTable job={job} subtasks={subtasks} />
      </Section>
    </>
  );
}

/** The newest that is known of each subtask; moves with the stream and with the clock. */
export function useSubtasks(job: JobDetail): SubtaskFigures[] {
  return subtaskFigures(job, useMoment());
}

/** Records that the sources of a job take in. */
export function sourceRate(
  job: Pick<JobDetail, "graph">,
  figures: ReadonlyMap<string, OperatorFigures>,
): number | null {
  const rates = job.graph.operators
    .filter((node) => node.kind === "source")
    .map(({ uid }) => figures.get(uid))
    .map((one) => one?.inPerSecond ?? one?.outPerSecond ?? null)
    .filter((rate) => rate !== null);
  return rates.length === 0 ? null : rates.reduce((sum, rate) => sum + rate, 0);
}

function JobFigures(
  props: {
    readonly job: JobDetail;
    readonly figures: ReadonlyMap<string, OperatorFigures>;
    readonly subtasks: readonly SubtaskFigures[];
  },
) {
  const { job, figures } = props;
  const mark = jobMark(job.status);
  const { asked, given } = job.guarantee;
  const worst = rankSubtasks(job.graph, props.subtasks, "worst")[0];
  const isOdd = (worst?.reasons.length ?? 0) > 0;
  const lags = [...figures.values()].flatMap(({ lagMs }) => lagMs ?? []);
  return (
    <dl class="figures" aria-label="The job now">
      <Figure
        label="Actual state"
        value={<Badge mark={mark} />}
        note={`wanted: ${job.desiredState} · ${job.regionsRunning} of ${
          plural(job.regionsTotal, "region")
        } running`}
        tone={mark.tone}
      />
      <Figure
        label="Guarantee given"
        value={given}
        note={given === asked ? "as asked" : `asked: ${asked}`}
        tone={given === asked ? "calm" : "warn"}
      />
      <Figure
        label="Records in"
        value={rateText(sourceRate(job, figures))}
        note={lags.length === 0
          ? "no watermark yet"
          : `${durationText(Math.max(...lags))} behind at most`}
      />
      <Figure
        label="Worst subtask"
        value={worst === undefined || !isOdd ? "none" : worst.subtaskId}
        note={isOdd ? worst!.reasons[0] : "nothing stands out"}
        tone={isOdd ? "warn" : "calm"}
      />
      <Figure
        label="Last checkpoint"
        value={job.lastCheckpoint === null ? "none yet" : <Age at={job.lastCheckpoint.endedAt} />}
        note={job.lastCheckpoint === null
          ? `every ${durationText(job.checkpointIntervalMs)}`
          : `${job.lastCheckpoint.id}, ${job.lastCheckpoint.status}`}
        href={hrefOf({ kind: "job", jobId: job.id, tab: "checkpoints" })}
      />
      <Figure
        label="Active alarms"
        value={job.activeAlarms}
        href={hrefOf({ kind: "alarms" }, { state: "active", job: job.id })}
        tone={job.activeAlarms > 0 ? "bad" : "calm"}
      />
    </dl>
  );
}

function OperatorSubtasks(
  props: {
    readonly job: JobDetail;
    readonly subtasks: readonly SubtaskFigures[];
    readonly operatorUid: string;
  },
) {
  const { router } = useServices();
  const { job, operatorUid } = props;
  const ranked = rankSubtasks(job.graph, props.subtasks, "worst")
    .filter((subtask) => subtask.operatorUids.includes(operatorUid));
  return (
    <Section
      title={`Subtasks of ${operatorUid}`}
      actions={
        <button type="button" onClick={() => router.choose({ operator: null })}>Close</button>
      }
    >
      <SubtaskTable
        caption={`Subtasks of ${operatorUid}, worst first`}
        subtasks={ranked}
        past={null}
        empty="It has no subtask yet."
      />
    </Section>
  );
}

const SORT_TEXT: Readonly<Record<SubtaskSort, string>> = {
  worst: "Worst",
  backpressure: "Held up",
  busy: "Busy",
  lag: "Behind",
  queue: "Queue",
};

function WorstSubtasks(
  props: { readonly job: JobDetail; readonly subtasks: readonly SubtaskFigures[] },
) {
  const { router } = useServices();
  const { job, subtasks } = props;
  const { query } = router.route.value;
  const sort = SORTS.find((one) => one === query["sort"]) ?? "worst";
  const isAll = query["subtasks"] === "all";
  const past = usePast(job.id, metricOf(sort));
  const ranked = rankSubtasks(job.graph, subtasks, sort);
  return (
    <Section
      title="Worst subtasks first"
      actions={
        <Choice<SubtaskSort>
          legend="Order"
          name="subtask-sort"
          options={SORTS.map((value) => ({ value, text: SORT_TEXT[value] }))}
          chosen={sort}
          onChoose={(value) => router.choose({ sort: value === "worst" ? null : value })}
        />
      }
    >
      <SubtaskTable
        caption="Subtasks, worst first"
        subtasks={isAll ? ranked : ranked.slice(0, TOP)}
        past={past}
        empty="The job has no subtasks yet."
      />
      {ranked.length <= TOP ? null : (
        <button
          type="button"
          class="more"
          onClick={() => router.choose({ subtasks: isAll ? null : "all" })}
        >
          {isAll ? `Show the worst ${TOP}` : `Show all ${ranked.length}`}
        </button>
      )}
    </Section>
  );
}
