/// <reference lib="dom" />
/**
 * One line over time, live or past: gaps as gaps, what is expected as a band, alarms as shaded spans.
 *
 * Touches a canvas through uPlot. What it shows, a table beside it shows too. Dragging over it chooses a
 * span, a double click goes back.
 *
 * @module
 */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { valueText } from "../format.ts";
import { useServices } from "../state/services.ts";
import {
  type Band,
  dateOf,
  type Ink,
  inkOfTheme,
  type Instant,
  paddedRange,
  paintBands,
  paintInstants,
  paintLimit,
  within,
} from "./chart_paint.ts";
import type { Span, Zone } from "./time_span.ts";

export type { Band, Instant } from "./chart_paint.ts";

export interface ChartProps {
  readonly title: string;
  /** Epoch ms, ascending. */
  readonly at: readonly number[];
  readonly values: readonly (number | null)[];
  /** Expected range; both or none. */
  readonly low?: readonly (number | null)[];
  readonly high?: readonly (number | null)[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly bands: readonly Band[];
  readonly instants?: readonly Instant[];
  readonly limit: number | null;
  /** Charts of one group share their cursor. */
  readonly group: string;
  readonly zone?: Zone;
  readonly heightPx?: number;
  readonly onZoom?: (span: Span) => void;
  readonly onZoomOut?: () => void;
}

/** Width of the scale at the left, and the room at the right; lanes beside a chart keep to them. */
export const CHART_LEFT_PX = 58;
export const CHART_RIGHT_PX = 12;

const HEIGHT_PX = 180;
/** Shorter drags are clicks. */
const DRAG_MIN_PX = 6;

export function Chart(props: ChartProps) {
  const { theme } = useServices();
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const shownTheme = theme.shown.value;
  const heightPx = props.heightPx ?? HEIGHT_PX;
  const hasRange = props.low !== undefined && props.high !== undefined;
  const madeOf = useRef<ChartProps | null>(null);
  useEffect(() => {
    const element = host.current!;
    const made = new uPlot(
      optionsOf(element.clientWidth, () => latest.current),
      columnsOf(latest.current),
      element,
    );
    plot.current = made;
    madeOf.current = latest.current;
    const watcher = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: heightPx });
    });
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [props.title, props.group, props.zone, heightPx, hasRange, shownTheme]);
  const { at, values, fromMs, toMs, bands, instants, limit } = props;
  useEffect(() => {
    // A plot just made has these already.
    if (madeOf.current !== props) plot.current?.setData(columnsOf(props));
  }, [at, values, fromMs, toMs, bands, instants, limit]);
  return (
    <figure class="chart">
      <figcaption>{props.title}</figcaption>
      <div
        ref={host}
        class="chart-host"
        aria-hidden="true"
        style={{ minHeight: `${heightPx}px` }}
      />
    </figure>
  );
}

function columnsOf(props: ChartProps): uPlot.AlignedData {
  const seconds = props.at.map((atMs) => atMs / 1000);
  const { low, high } = props;
  return low === undefined || high === undefined
    ? [seconds, [...props.values]]
    : [seconds, [...props.values], [...low], [...high]];
}

function optionsOf(width: number, current: () => ChartProps): uPlot.Options {
  const ink = inkOfTheme();
  const first = current();
  const hasRange = first.low !== undefined && first.high !== undefined;
  return {
    width,
    height: first.heightPx ?? HEIGHT_PX,
    padding: [8, CHART_RIGHT_PX, 0, 0],
    legend: { show: true, live: true },
    tzDate: (seconds) => dateOf(seconds, current().zone ?? "local"),
    cursor: {
      sync: { key: first.group },
      drag: { x: first.onZoom !== undefined, y: false, setScale: false, dist: DRAG_MIN_PX },
      bind: { dblclick: () => () => (current().onZoomOut?.(), null) },
    },
    scales: {
      x: { time: true, range: () => [current().fromMs / 1000, current().toMs / 1000] },
      y: { range: (_plot, low, high) => paddedRange(low, high, current().limit) },
    },
    axes: axesOf(ink, first.zone ?? "local"),
    series: seriesOf(first, hasRange, ink),
    bands: hasRange ? [{ series: [3, 2], fill: ink.expected }] : [],
    hooks: {
      drawClear: [(plot) =>
        within(plot, () => {
          const { bands, instants, toMs } = current();
          paintBands(plot, bands, toMs, ink);
          paintInstants(plot, instants ?? [], ink);
        })],
      draw: [(plot) => within(plot, () => paintLimit(plot, current().limit, ink))],
      setSelect: [(plot) => chosen(plot, current())],
    },
  };
}

function seriesOf(props: ChartProps, hasRange: boolean, ink: Ink): uPlot.Series[] {
  const value = (_plot: uPlot, raw: number | null) => valueText(raw);
  const edge = { width: 0, points: { show: false }, spanGaps: false, value };
  const time = props.zone === "utc" ? "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss} UTC" : TIME_FORMAT;
  return [
    { label: "Time", value: time },
    {
      label: props.title,
      stroke: ink.line,
      width: 1.5,
      points: { show: false },
      spanGaps: false,
      value,
    },
    ...hasRange ? [{ ...edge, label: "Expected from" }, { ...edge, label: "to" }] : [],
  ];
}

const TIME_FORMAT = "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}";

function axesOf(ink: Ink, zone: Zone): uPlot.Axis[] {
  const axis: uPlot.Axis = {
    stroke: ink.text,
    font: "12px system-ui, sans-serif",
    grid: { stroke: ink.grid, width: 1 },
    ticks: { stroke: ink.grid, width: 1, size: 4 },
  };
  const labels = (_plot: uPlot, splits: number[], _axis: number, _space: number, step: number) =>
    splits.map((seconds) => labelOf(dateOf(seconds, zone), step));
  return [
    { ...axis, space: 64, size: 32, values: labels },
    { ...axis, size: CHART_LEFT_PX, space: 22, values: (_plot, splits) => splits.map(valueText) },
  ];
}

const DAY_SECONDS = 86_400;
const DAY = uPlot.fmtDate("{MM}-{DD}");
const CLOCK = uPlot.fmtDate("{HH}:{mm}");
const CLOCK_SECONDS = uPlot.fmtDate("{HH}:{mm}:{ss}");

/** A day where a day begins, else the time as fine as the steps are. */
function labelOf(at: Date, step: number): string {
  if (step >= DAY_SECONDS) return DAY(at);
  if (step < 60) return CLOCK_SECONDS(at);
  return at.getHours() === 0 && at.getMinutes() === 0 ? DAY(at) : CLOCK(at);
}

function chosen(plot: uPlot, props: ChartProps): void {
  const { left, width } = plot.select;
  if (width < DRAG_MIN_PX || props.onZoom === undefined) return;
  const toMs = (px: number) => plot.posToVal(px, "x") * 1000;
  const span = { fromMs: toMs(left), toMs: toMs(left + width) };
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  props.onZoom(span);
}
