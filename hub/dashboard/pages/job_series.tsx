/// <reference lib="dom" />
/**
 * Figures of a job's subtasks over time: one chosen figure as a chart, with a table of the same.
 *
 * @module
 */
import type { JobDetail, MetricSeries } from "@shared/job_api.ts";
import { read } from "@shared/hub_client.ts";
import { countText, durationText, percentText, plural, rateText } from "../format.ts";
import { Loaded, Section } from "../parts/frame.tsx";
import { MetricChart } from "../parts/metric_chart.tsx";
import type { SubtaskSort } from "../parts/subtask_figures.ts";
import { Table } from "../parts/table.tsx";
import { TimeRangePicker, useTimeRange } from "../parts/time_range.tsx";
import { instantsOf, type Span, type Zone } from "../parts/time_span.ts";
import { until, useResource } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

interface Metric {
  readonly name: string;
  readonly text: string;
  readonly format: (value: number | null) => string;
}

export const METRICS = [
  { name: "recordsInPerSecond", text: "Records in", format: rateText },
  { name: "busyRatio", text: "Busy", format: percentText },
  { name: "backpressuredRatio", text: "Held up", format: percentText },
  { name: "eventTimeLagMs", text: "Behind event time", format: durationText },
  { name: "sourceLagMs", text: "Newest record behind", format: durationText },
  { name: "inputQueued", text: "Records queued", format: countText },
  { name: "windowUsed", text: "Unacknowledged messages", format: countText },
  { name: "stateEntries", text: "State entries", format: countText },
] as const satisfies readonly Metric[];
type MetricName = typeof METRICS[number]["name"];

const POINTS = 400;
const PAST_MS = 15 * 60_000;
const PAST_POINTS = 60;
const LOOK_AGAIN_MS = 15_000;

/** The figure that stands for an order of subtasks. */
export function metricOf(sort: SubtaskSort): MetricName {
  switch (sort) {
    case "worst":
    case "busy":
      return "busyRatio";
    case "backpressure":
      return "backpressuredRatio";
    case "lag":
      return "eventTimeLagMs";
    case "queue":
      return "inputQueued";
  }
}

interface SeriesAnswer {
  readonly items: readonly MetricSeries[];
}

/** The last quarter of an hour of one figure by subtask; null until the hub has told. */
export function usePast(jobId: string, metric: MetricName) {
  const { hub, now } = useServices();
  const resource = useResource<SeriesAnswer>(
    `${jobId}/${metric}`,
    (signal) => {
      const toMs = now.peek();
      const asked = seriesOf(jobId, metric, { fromMs: toMs - PAST_MS, toMs }, PAST_POINTS);
      return read(hub.jobs[":id"].series.$get(asked, until(signal)));
    },
    [],
    LOOK_AGAIN_MS,
  );
  if (resource.value === null) return null;
  return {
    title: `${METRICS.find(({ name }) => name === metric)!.text}, 15 min`,
    bySubtask: new Map(resource.value.items.map((one) => [one.subtaskId, one])),
  };
}

function seriesOf(jobId: string, metric: MetricName, span: Span, points: number) {
  return {
    param: { id: jobId },
    query: { metric, ...instantsOf(span), points: String(points) },
  };
}

interface Shown {
  readonly fromMs: number;
  readonly toMs: number;
  readonly items: readonly MetricSeries[];
}

export function JobSeries(props: { readonly job: JobDetail }) {
  const { hub, now, router } = useServices();
  const { job } = props;
  const time = useTimeRange("1h");
  const { query } = router.route.value;
  const metric = METRICS.find(({ name }) => name === query["metric"]) ?? METRICS[0];
  const shown = useResource<Shown>(
    `${job.id}/${metric.name}/${time.key}`,
    async (signal) => {
      const span = time.spanAt(now.peek());
      const asked = seriesOf(job.id, metric.name, span, POINTS);
      return { ...span, ...await read(hub.jobs[":id"].series.$get(asked, until(signal))) };
    },
    [],
    time.range.kind === "relative" ? LOOK_AGAIN_MS : null,
  );
  return (
    <Section title="Over time">
      <div class="row">
        <label class="field inline">
          <span>Figure</span>
          <select
            value={metric.name}
            onChange={(event) => router.choose({ metric: event.currentTarget.value })}
          >
            {METRICS.map(({ name, text }) => <option key={name} value={name}>{text}</option>)}
          </select>
        </label>
        <SubtaskChoice job={job} />
      </div>
      <TimeRangePicker time={time} onRefresh={shown.reload} />
      <Loaded resource={shown}>
        {(found) => (
          <SeriesView
            metric={metric}
            shown={found}
            chosen={query["subtask"] ?? null}
            zone={time.zone}
          />
        )}
      </Loaded>
    </Section>
  );
}

function SubtaskChoice(props: { readonly job: JobDetail }) {
  const { router } = useServices();
  const ids = props.job.regions.flatMap((region) => region.subtasks.map((one) => one.subtaskId));
  return (
    <label class="field inline">
      <span>Strong line</span>
      <select
        value={router.route.value.query["subtask"] ?? ""}
        onChange={(event) => router.choose({ subtask: event.currentTarget.value })}
      >
        <option value="">the highest</option>
        {ids.map((id) => <option key={id} value={id}>{id}</option>)}
      </select>
    </label>
  );
}

function SeriesView(
  props: {
    readonly metric: Metric;
    readonly shown: Shown;
    readonly chosen: string | null;
    readonly zone: Zone;
  },
) {
  const { metric, shown } = props;
  if (shown.items.length === 0) {
    return (
      <p class="empty">
        Nothing was recorded in this span. Figures are kept from the first report on.
      </p>
    );
  }
  return (
    <>
      <MetricChart
        title={metric.text}
        series={shown.items}
        chosen={props.chosen}
        fromMs={shown.fromMs}
        toMs={shown.toMs}
        zone={props.zone}
        format={metric.format}
      />
      <details class="alternative">
        <summary>As a table: {plural(shown.items.length, "subtask")}</summary>
        <SeriesTable metric={metric} series={shown.items} />
      </details>
    </>
  );
}

function SeriesTable(props: { readonly metric: Metric; readonly series: readonly MetricSeries[] }) {
  const { format } = props.metric;
  const rows = props.series.map((one) => ({ id: one.subtaskId, ...extremesOf(one.value) }));
  return (
    <Table<typeof rows[number]>
      caption={`${props.metric.text} by subtask`}
      isCaptionHidden
      rows={rows}
      rowKey={(row) => row.id}
      empty=""
      columns={[
        { header: "Subtask", isWide: true, cell: (row) => row.id },
        { header: "Lowest", isNumeric: true, cell: (row) => format(row.low) },
        { header: "Mean", isNumeric: true, cell: (row) => format(row.mean) },
        { header: "Highest", isNumeric: true, cell: (row) => format(row.high) },
        { header: "Last", isNumeric: true, cell: (row) => format(row.last) },
      ]}
    />
  );
}

/** Of the values there are; null where there are none. */
export function extremesOf(values: readonly (number | null)[]) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return { low: null, mean: null, high: null, last: null };
  return {
    low: Math.min(...known),
    mean: known.reduce((sum, value) => sum + value, 0) / known.length,
    high: Math.max(...known),
    last: known.at(-1)!,
  };
}
