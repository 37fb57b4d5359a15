/// <reference lib="dom" />
/**
 * One signal over time, live or past: gaps as gaps, alarms as bands with a marker, a limit as a line.
 *
 * Touches a canvas through uPlot. What it shows, a table beside it shows too.
 *
 * @module
 */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { useServices } from "../state/services.ts";

export interface Band {
  readonly fromMs: number;
  /** Null while the alarm is active. */
  readonly toMs: number | null;
  readonly label: string;
}

export interface ChartProps {
  readonly title: string;
  /** Epoch ms, ascending. */
  readonly at: readonly number[];
  readonly values: readonly (number | null)[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly bands: readonly Band[];
  readonly limit: number | null;
  /** Charts of one group share their cursor. */
  readonly group: string;
}

const HEIGHT = 180;

export function Chart(props: ChartProps) {
  const { theme } = useServices();
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const shownTheme = theme.shown.value;
  useEffect(() => {
    const element = host.current!;
    const made = new uPlot(
      optionsOf(props.title, props.group, element.clientWidth, () => latest.current),
      columnsOf(latest.current),
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
  }, [props.title, props.group, shownTheme]);
  useEffect(() => {
    plot.current?.setData(columnsOf(props));
  }, [props.at, props.values, props.toMs, props.bands, props.limit]);
  return (
    <figure class="chart">
      <figcaption>{props.title}</figcaption>
      <div ref={host} class="chart-host" aria-hidden="true" />
    </figure>
  );
}

function columnsOf(props: ChartProps): uPlot.AlignedData {
  return [props.at.map((atMs) => atMs / 1000), [...props.values]];
}

function optionsOf(
  title: string,
  group: string,
  width: number,
  current: () => ChartProps,
): uPlot.Options {
  const ink = colours();
  const axis: uPlot.Axis = {
    stroke: ink.text,
    font: "12px system-ui, sans-serif",
    grid: { stroke: ink.grid, width: 1 },
    ticks: { stroke: ink.grid, width: 1, size: 4 },
  };
  return {
    width,
    height: HEIGHT,
    padding: [8, 12, 0, 0],
    legend: { show: true, live: true },
    cursor: { sync: { key: group }, drag: { x: false, y: false } },
    scales: {
      x: { time: true, range: () => [current().fromMs / 1000, current().toMs / 1000] },
      y: { range: (_plot, low, high) => paddedRange(low, high, current().limit) },
    },
    axes: [{ ...axis, space: 64, size: 32, values: clockLabels }, { ...axis, size: 54 }],
    series: [
      { label: "Time", value: "{HH}:{mm}:{ss}" },
      { label: title, stroke: ink.line, width: 1.5, points: { show: false }, spanGaps: false },
    ],
    hooks: {
      drawClear: [(plot) => within(plot, () => drawBands(plot, current(), ink))],
      draw: [(plot) => within(plot, () => drawLimit(plot, current().limit, ink))],
    },
  };
}

const CLOCK = uPlot.fmtDate("{HH}:{mm}");
const CLOCK_SECONDS = uPlot.fmtDate("{HH}:{mm}:{ss}");

function clockLabels(_plot: uPlot, splits: number[], _axis: number, _space: number, step: number) {
  const format = step < 60 ? CLOCK_SECONDS : CLOCK;
  return splits.map((seconds) => format(new Date(seconds * 1000)));
}

/** The scale holds the data and the limit with some room; a flat line gets a height of one. */
export function paddedRange(
  low: number | null,
  high: number | null,
  limit: number | null,
): [number, number] {
  const known = [low, high, limit].filter((value) => value !== null);
  if (known.length === 0) return [0, 1];
  const lowest = Math.min(...known);
  const highest = Math.max(...known);
  const room = highest === lowest ? 0.5 : (highest - lowest) * 0.08;
  return [lowest - room, highest + room];
}

interface Colours {
  readonly text: string;
  readonly grid: string;
  readonly line: string;
  readonly band: string;
  readonly alarm: string;
}

function colours(): Colours {
  const style = globalThis.getComputedStyle(globalThis.document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: colour("--text-muted"),
    grid: colour("--chart-grid"),
    line: colour("--chart-line"),
    band: colour("--chart-band"),
    alarm: colour("--bad"),
  };
}

/** Draws with the plotting area as clip, and leaves the context as it was. */
function within(plot: uPlot, draw: () => void): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw();
  ctx.restore();
}

function drawBands(plot: uPlot, props: ChartProps, ink: Colours): void {
  const { ctx, bbox } = plot;
  const toX = (atMs: number) => plot.valToPos(atMs / 1000, "x", true);
  ctx.fillStyle = ink.band;
  for (const span of mergedSpans(props.bands, props.toMs)) {
    const left = toX(span.fromMs);
    ctx.fillRect(left, bbox.top, Math.max(2, toX(span.toMs) - left), bbox.height);
  }
  ctx.fillStyle = ink.alarm;
  for (const band of props.bands) {
    const left = toX(band.fromMs);
    ctx.fillRect(left, bbox.top, globalThis.devicePixelRatio, bbox.height);
    drawMarker(ctx, left, bbox.top);
  }
}

/** The spans in which any of `bands` is active, so that two alarms are not shaded twice. */
export function mergedSpans(
  bands: readonly Band[],
  nowMs: number,
): { fromMs: number; toMs: number }[] {
  const merged: { fromMs: number; toMs: number }[] = [];
  for (const band of [...bands].sort((a, b) => a.fromMs - b.fromMs)) {
    const toMs = band.toMs ?? nowMs;
    const last = merged.at(-1);
    if (last !== undefined && band.fromMs <= last.toMs) last.toMs = Math.max(last.toMs, toMs);
    else merged.push({ fromMs: band.fromMs, toMs });
  }
  return merged;
}

function drawLimit(plot: uPlot, limit: number | null, ink: Colours): void {
  if (limit === null) return;
  const { ctx, bbox } = plot;
  const y = plot.valToPos(limit, "y", true);
  const unit = globalThis.devicePixelRatio;
  ctx.strokeStyle = ink.alarm;
  ctx.lineWidth = 1.5 * unit;
  ctx.setLineDash([6 * unit, 4 * unit]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
}

/** A small triangle at the top: the alarm was raised here. */
function drawMarker(ctx: CanvasRenderingContext2D, x: number, top: number): void {
  const size = 6 * globalThis.devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x - size, top);
  ctx.lineTo(x + size, top);
  ctx.lineTo(x, top + size * 1.4);
  ctx.closePath();
  ctx.fill();
}
