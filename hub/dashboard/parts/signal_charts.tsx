/// <reference lib="dom" />
/**
 * One signal: its newest value and how old it is, its line with what was expected, its score below.
 *
 * @module
 */
import { useMemo, useState } from "preact/hooks";
import type { EquipmentView, SampleSeries } from "@shared/plant_api.ts";
import { durationText, valueText } from "../format.ts";
import { hrefOf } from "../router.ts";
import type { LiveSample } from "../state/sample_stream.ts";
import { type Band, Chart, type Instant } from "./chart.tsx";
import { FreshnessMark } from "./freshness_mark.tsx";
import { append, newestOf, newestRows, type Series, type SeriesPoint } from "./series.ts";
import { Table } from "./table.tsx";
import { instantText, type Span, type Zone } from "./time_span.ts";

const SCORE_HEIGHT_PX = 104;
const TABLE_ROWS_MAX = 100;
/** Younger than this it came with the stream just now, whatever the last answer said. */
const LIVE_MS = 10_000;

export interface SignalChartsProps {
  readonly series: SampleSeries;
  /** Null where nobody asked for it. */
  readonly view: EquipmentView | null;
  /** What the stream brought since; empty where the span does not reach to now. */
  readonly tail: readonly LiveSample[];
  readonly span: Span;
  readonly nowMs: number;
  readonly zone: Zone;
  readonly bands: readonly Band[];
  readonly instants: readonly Instant[];
  /** Score at which an alarm rings; null when no alarm told it yet. */
  readonly threshold: number | null;
  readonly group: string;
  readonly onZoom: (span: Span) => void;
  readonly onZoomOut: () => void;
}

export function SignalCharts(props: SignalChartsProps) {
  const { series, span, tail } = props;
  const drawn = useMemo(
    () => append(series, tail, Number.NEGATIVE_INFINITY),
    [series, tail, tail.length, tail.at(-1)?.atMs],
  );
  const hasRange = drawn.low.some((value) => value !== null);
  const hasScore = drawn.score.some((value) => value !== null);
  const shared = {
    at: drawn.at,
    fromMs: span.fromMs,
    toMs: span.toMs,
    bands: props.bands,
    instants: props.instants,
    group: props.group,
    zone: props.zone,
    onZoom: props.onZoom,
    onZoomOut: props.onZoomOut,
  };
  return (
    <div class="signal">
      <SignalHead {...props} />
      <Chart
        {...shared}
        title="Value"
        values={drawn.value}
        limit={null}
        {...hasRange ? { low: drawn.low, high: drawn.high } : {}}
      />
      {hasScore
        ? (
          <Chart
            {...shared}
            title="Anomaly score"
            values={drawn.score}
            limit={props.threshold}
            heightPx={SCORE_HEIGHT_PX}
          />
        )
        : null}
      <SampleDetails name={series.operatorUid} series={drawn} zone={props.zone} />
    </div>
  );
}

function SignalHead(props: SignalChartsProps) {
  const { series, view, nowMs } = props;
  const { jobId, operatorUid } = series;
  const newest = newestNow(props);
  const ageMs = newest === null ? null : Math.max(0, nowMs - newest.atMs);
  const freshness = ageMs !== null && ageMs < LIVE_MS ? "good" : view?.freshness ?? "unknown";
  return (
    <div class="signal-head">
      <h3>
        {operatorUid} <a href={hrefOf({ kind: "job", jobId, tab: "graph" })}>job</a>
      </h3>
      <dl class="signal-now">
        <NowFigure name="Value" value={valueText(newest?.value ?? null)} />
        <NowFigure name="Expected" value={expectedText(newest)} />
        <NowFigure
          name="Score"
          value={valueText(newest?.score ?? null) +
            (props.threshold === null ? "" : ` of ${valueText(props.threshold)}`)}
          isAbnormal={props.threshold !== null && (newest?.score ?? 0) >= props.threshold}
        />
      </dl>
      <FreshnessMark
        freshness={freshness}
        age={ageMs === null ? "never heard" : `data is ${ageText(ageMs)} old`}
      />
    </div>
  );
}

/** Whole seconds, so that the text does not dance. */
function ageText(ageMs: number): string {
  return ageMs < 1_000
    ? "under 1 s"
    : durationText(Math.floor(ageMs / 1_000) * 1_000).replace(".0", "");
}

/** The newest that is known of the signal, whatever span is drawn. */
function newestNow(props: SignalChartsProps): SeriesPoint | null {
  const { view } = props;
  const streamed = props.tail.at(-1) ?? null;
  const viewed = view === null || view.lastAt === null
    ? newestOf(props.series)
    : { ...view, atMs: Date.parse(view.lastAt) };
  if (streamed === null || viewed === null) return streamed ?? viewed;
  return streamed.atMs >= viewed.atMs ? streamed : viewed;
}

/** `4.1 – 6.3`, `up to 6.3`, `from 4.1`. */
export function expectedText(
  range: { readonly low: number | null; readonly high: number | null } | null,
): string {
  const low = range?.low ?? null;
  const high = range?.high ?? null;
  if (low !== null && high !== null) return `${valueText(low)} – ${valueText(high)}`;
  if (high !== null) return `up to ${valueText(high)}`;
  return low === null ? valueText(null) : `from ${valueText(low)}`;
}

function NowFigure(
  props: { readonly name: string; readonly value: string; readonly isAbnormal?: boolean },
) {
  return (
    <div class={props.isAbnormal === true ? "is-abnormal" : ""}>
      <dt>{props.name}</dt>
      <dd>{props.value}</dd>
    </div>
  );
}

interface SampleTableProps {
  readonly series: Series;
  readonly zone: Zone;
}

/** The table is made when it is asked for: the chart is what a person waits for. */
function SampleDetails(props: SampleTableProps & { readonly name: string }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details class="alternative" onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>Values of {props.name} as a table</summary>
      {isOpen ? <SampleTable series={props.series} zone={props.zone} /> : null}
    </details>
  );
}

function SampleTable(props: SampleTableProps) {
  const rows = newestRows(props.series, TABLE_ROWS_MAX);
  return (
    <Table<SeriesPoint>
      caption={`Newest ${rows.length} points of the span`}
      rows={rows}
      rowKey={(row) => String(row.atMs)}
      empty="No sample."
      columns={[
        { header: "Time", cell: (row) => instantText(row.atMs, props.zone) },
        { header: "Value", isNumeric: true, cell: (row) => valueText(row.value) },
        { header: "Expected", isNumeric: true, cell: (row) => expectedText(row) },
        { header: "Score", isNumeric: true, cell: (row) => valueText(row.score) },
      ]}
    />
  );
}
