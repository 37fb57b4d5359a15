/// <reference lib="dom" />
/**
 * One figure of the subtasks of a job over time: all in grey, the chosen one strong; gaps as gaps.
 *
 * Touches a canvas through uPlot. What it shows, a table beside it shows too.
 *
 * @module
 */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { MetricSeries } from "@shared/job_api.ts";
import { useServices } from "../state/services.ts";
import { dateOf } from "./chart_paint.ts";
import type { Zone } from "./time_span.ts";

export interface MetricChartProps {
  readonly title: string;
  readonly series: readonly MetricSeries[];
  /** Subtask that is drawn strong; null for the one that peaks highest. */
  readonly chosen: string | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly zone: Zone;
  readonly format: (value: number | null) => string;
}

const HEIGHT = 200;

export function MetricChart(props: MetricChartProps) {
  const { theme } = useServices();
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  latest.current = props;
  const plot = useRef<uPlot | null>(null);
  const strong = props.chosen ?? peakOf(props.series);
  const names = props.series.map((one) => one.subtaskId).join("|");
  useEffect(() => {
    const element = host.current!;
    const made = new uPlot(
      optionsOf(() => latest.current, strong, element.clientWidth),
      columnsOf(latest.current.series),
      element,
    );
    plot.current = made;
    const watcher = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [names, strong, props.title, props.zone, theme.shown.value]);
  useEffect(() => plot.current?.setData(columnsOf(props.series)), [props.series, props.toMs]);
  return (
    <figure class="chart metric-chart">
      <figcaption>
        {props.title}
        {strong === null ? "" : props.series.length > 1 ? ` · ${strong} is the strong line` : ""}
      </figcaption>
      <div ref={host} class="chart-host" aria-hidden="true" />
    </figure>
  );
}

/** The subtask whose highest value is the highest of all; null when there are no values. */
export function peakOf(series: readonly MetricSeries[]): string | null {
  let found: string | null = null;
  let highest = -Infinity;
  for (const one of series) {
    for (const value of one.value) {
      if (value === null || value <= highest) continue;
      highest = value;
      found = one.subtaskId;
    }
  }
  return found;
}

function columnsOf(series: readonly MetricSeries[]): uPlot.AlignedData {
  if (series.length === 0) return [[], []];
  return uPlot.join(
    series.map((one): uPlot.AlignedData => [one.at.map((atMs) => atMs / 1000), [...one.value]]),
    // A null is a gap in its own series, also between times that only others have.
    series.map(() => [1, 2]),
  );
}

function optionsOf(
  current: () => MetricChartProps,
  strong: string | null,
  width: number,
): uPlot.Options {
  const style = globalThis.getComputedStyle(globalThis.document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour("--text-muted"),
    font: "12px system-ui, sans-serif",
    grid: { stroke: colour("--chart-grid"), width: 1 },
    ticks: { stroke: colour("--chart-grid"), width: 1, size: 4 },
  };
  const { series, format, zone } = current();
  return {
    width,
    height: HEIGHT,
    padding: [8, 12, 0, 0],
    tzDate: (seconds) => dateOf(seconds, zone),
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: {
      x: { time: true, range: () => [current().fromMs / 1000, current().toMs / 1000] },
      y: { range: (_plot, low, high) => rangeFor(low, high) },
    },
    axes: [
      {
        ...axis,
        space: 64,
        size: 32,
        values: (_plot, splits, _axis, _space, step) => clockLabels(splits, step, zone),
      },
      { ...axis, size: 68, values: (_plot, splits) => splits.map(format) },
    ],
    series: [
      {},
      ...series.map((one): uPlot.Series => ({
        label: one.subtaskId,
        stroke: colour(one.subtaskId === strong ? "--chart-line" : "--line-strong"),
        width: one.subtaskId === strong ? 2 : 1,
        points: { show: false },
        spanGaps: false,
      })),
    ],
  };
}

/** From zero up: all these figures count from there. */
function rangeFor(low: number | null, high: number | null): [number, number] {
  const top = high ?? 1;
  return [Math.min(0, low ?? 0), top <= 0 ? 1 : top * 1.08];
}

const CLOCK = uPlot.fmtDate("{HH}:{mm}");
const CLOCK_SECONDS = uPlot.fmtDate("{HH}:{mm}:{ss}");
const DAY = uPlot.fmtDate("{MM}-{DD} {HH}:{mm}");

function clockLabels(splits: readonly number[], step: number, zone: Zone): string[] {
  const format = step < 60 ? CLOCK_SECONDS : step < 21_600 ? CLOCK : DAY;
  return splits.map((seconds) => format(dateOf(seconds, zone)));
}
