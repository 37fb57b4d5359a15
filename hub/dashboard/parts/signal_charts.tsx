/// <reference lib="dom" />
/**
 * Value and anomaly score of one signal, one above the other, with the alarms of its equipment.
 *
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import type { AlarmView, SampleSeries } from "@shared/api.ts";
import { hrefOf } from "../router.ts";
import { timeText, valueText } from "../format.ts";
import { signalKey } from "../state/live_state.ts";
import { useServices } from "../state/services.ts";
import { type Band, Chart } from "./chart.tsx";
import { append, type Series, withGaps } from "./series.ts";
import { Table } from "./table.tsx";

export interface SignalChartsProps {
  readonly series: SampleSeries;
  readonly spanMs: number;
  /** Whether samples of the stream are added to what was fetched. */
  readonly isLive: boolean;
  readonly alarms: readonly AlarmView[];
}

export function SignalCharts(props: SignalChartsProps) {
  const { now } = useServices();
  const series = useGrowing(props);
  const toMs = now.value;
  const fromMs = toMs - props.spanMs;
  const drawn = withGaps(series);
  const bands = props.alarms.map(bandOf);
  const limit = props.alarms.find((alarm) => alarm.threshold !== null)?.threshold ?? null;
  const { jobId, operatorUid } = props.series;
  const shared = { at: drawn.at, fromMs, toMs, bands, group: operatorUid };
  return (
    <div class="signal">
      <h3>
        {operatorUid} <a href={hrefOf({ kind: "job", jobId, tab: "graph" })}>job</a>
      </h3>
      <p class="muted">
        Newest value <strong>{valueText(series.value.at(-1) ?? null)}</strong>, score{" "}
        <strong>{valueText(series.score.at(-1) ?? null)}</strong>. Shaded: alarm active. Dashed:
        limit of the score. A break in the line: no signal.
      </p>
      <Chart {...shared} title="Value" values={drawn.value} limit={null} />
      <Chart {...shared} title="Anomaly score" values={drawn.score} limit={limit} />
      <details class="alternative">
        <summary>Newest samples as a table</summary>
        <SampleTable series={series} />
      </details>
    </div>
  );
}

function bandOf(alarm: AlarmView): Band {
  return {
    fromMs: Date.parse(alarm.raisedAt),
    toMs: alarm.clearedAt === null ? null : Date.parse(alarm.clearedAt),
    label: alarm.text,
  };
}

/** The fetched series with every streamed sample since. */
function useGrowing(props: SignalChartsProps): Series {
  const { live, now } = useServices();
  const { jobId, operatorUid, equipment } = props.series;
  const [series, setSeries] = useState<Series>(props.series);
  useEffect(() => setSeries(props.series), [props.series]);
  const sample = live.samples.value.get(signalKey(jobId, operatorUid, equipment));
  useEffect(() => {
    if (!props.isLive || sample === undefined) return;
    setSeries((grown) => append(grown, sample, now.peek() - props.spanMs));
  }, [sample, props.isLive, props.spanMs]);
  return series;
}

interface SampleRow {
  readonly atMs: number;
  readonly value: number | null;
  readonly score: number | null;
}

const TABLE_ROWS_MAX = 60;

function SampleTable(props: { readonly series: Series }) {
  const { at, value, score } = props.series;
  const rows = at.map((atMs, index): SampleRow => ({
    atMs,
    value: value[index] ?? null,
    score: score[index] ?? null,
  })).slice(-TABLE_ROWS_MAX).reverse();
  return (
    <Table<SampleRow>
      caption={`Newest ${rows.length} samples`}
      rows={rows}
      rowKey={(row) => String(row.atMs)}
      empty="No sample."
      columns={[
        { header: "Time", cell: (row) => timeText(new Date(row.atMs).toISOString()) },
        { header: "Value", isNumeric: true, cell: (row) => valueText(row.value) },
        { header: "Score", isNumeric: true, cell: (row) => valueText(row.score) },
      ]}
    />
  );
}
