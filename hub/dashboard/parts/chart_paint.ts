/// <reference lib="dom" />
/**
 * Paints onto a chart what is not a line: spans of alarms, limits, instants.
 *
 * Touches the canvas of the plot it is given, within its plotting area.
 *
 * @module
 */
import uPlot from "uplot";
import { merged } from "./chart_marks.ts";
import type { Span, Zone } from "./time_span.ts";

export interface Band {
  readonly fromMs: number;
  /** Null while the alarm is active. */
  readonly toMs: number | null;
  readonly label: string;
}

/** Something that happened: a thin line through the chart. */
export interface Instant {
  readonly atMs: number;
  readonly isAlarm: boolean;
}

export interface Ink {
  readonly text: string;
  readonly grid: string;
  readonly line: string;
  readonly band: string;
  readonly expected: string;
  readonly alarm: string;
}

/** The colours of the theme that is shown. */
export function inkOfTheme(): Ink {
  const style = globalThis.getComputedStyle(globalThis.document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: colour("--text-muted"),
    grid: colour("--chart-grid"),
    line: colour("--chart-line"),
    band: colour("--chart-band"),
    expected: colour("--chart-expected"),
    alarm: colour("--bad"),
  };
}

/** Draws with the plotting area as clip, and leaves the context as it was. */
export function within(plot: uPlot, draw: () => void): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw();
  ctx.restore();
}

/** Shades the spans in which any of `bands` is active; two alarms at once are shaded once. */
export function paintBands(plot: uPlot, bands: readonly Band[], nowMs: number, ink: Ink): void {
  const { ctx, bbox } = plot;
  const spans: Span[] = bands.map(({ fromMs, toMs }) => ({ fromMs, toMs: toMs ?? nowMs }));
  ctx.fillStyle = ink.band;
  for (const span of merged(spans)) {
    const left = toX(plot, span.fromMs);
    ctx.fillRect(left, bbox.top, Math.max(2, toX(plot, span.toMs) - left), bbox.height);
  }
  const instants = bands.map(({ fromMs }) => ({ atMs: fromMs, isAlarm: true }));
  paintInstants(plot, instants, ink);
}

export function paintInstants(plot: uPlot, instants: readonly Instant[], ink: Ink): void {
  const { ctx, bbox } = plot;
  const unit = globalThis.devicePixelRatio;
  ctx.lineWidth = unit;
  for (const { atMs, isAlarm } of instants) {
    const x = Math.round(toX(plot, atMs)) + unit / 2;
    ctx.strokeStyle = isAlarm ? ink.alarm : ink.text;
    ctx.setLineDash(isAlarm ? [] : [2 * unit, 3 * unit]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
}

export function paintLimit(plot: uPlot, limit: number | null, ink: Ink): void {
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

function toX(plot: uPlot, atMs: number): number {
  return plot.valToPos(atMs / 1000, "x", true);
}

/** The instant as a date whose local fields are those of `zone`. */
export function dateOf(seconds: number, zone: Zone): Date {
  const date = new Date(seconds * 1000);
  return zone === "utc" ? uPlot.tzDate(date, "Etc/UTC") : date;
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
