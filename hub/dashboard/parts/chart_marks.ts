/**
 * Decides what is drawn beside a line: markers that stand together, and what state equipment was in when.
 *
 * Pure.
 *
 * 1. A span in which nothing was heard is unknown, never normal.
 * 2. The states of a span follow each other without a hole from its start to its end.
 *
 * @module
 */
import type { ChartMarker } from "@shared/plant_api.ts";
import { gapLimitMs, type Series } from "./series.ts";
import type { Span } from "./time_span.ts";

export interface PlacedMarkers {
  /** Where it stands, 0..1 of the span. */
  readonly share: number;
  readonly markers: readonly ChartMarker[];
}

/** Room that a view leaves beside its lanes. */
const BESIDE_PX = 140;

/** Part of a lane that `px` are, in a window of this width. */
export function laneShare(px: number, windowPx: number): number {
  return px / Math.max(px, windowPx - BESIDE_PX);
}

/** Order of importance: of markers that stand together the first of these is drawn. */
const KINDS: readonly ChartMarker["kind"][] = [
  "alarm",
  "rollback",
  "restore",
  "deploy",
  "savepoint",
  "acknowledged",
  "cleared",
];

export const MARKER_TEXT: Readonly<Record<ChartMarker["kind"], string>> = {
  alarm: "alarm",
  acknowledged: "acknowledged",
  cleared: "alarm over",
  deploy: "job deployed",
  savepoint: "savepoint",
  restore: "restored",
  rollback: "rolled back",
};

/**
 * The markers within `span`, those nearer than `nearShare` to the first of their group together, most
 * important first.
 */
export function placedMarkers(
  markers: readonly ChartMarker[],
  span: Span,
  nearShare: number,
): PlacedMarkers[] {
  const lengthMs = span.toMs - span.fromMs;
  const placed = markers
    .map((marker) => ({ marker, share: (Date.parse(marker.at) - span.fromMs) / lengthMs }))
    .filter(({ share }) => share >= 0 && share <= 1)
    .sort((a, b) => a.share - b.share);
  const groups: { share: number; markers: ChartMarker[] }[] = [];
  for (const { marker, share } of placed) {
    const last = groups.at(-1);
    if (last !== undefined && share - last.share < nearShare) last.markers.push(marker);
    else groups.push({ share, markers: [marker] });
  }
  for (const group of groups) {
    group.markers.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
  }
  return groups;
}

/** The kinds that occur, most important first. */
export function kindsIn(markers: readonly ChartMarker[]): ChartMarker["kind"][] {
  return KINDS.filter((kind) => markers.some((marker) => marker.kind === kind));
}

export type PlantState = "normal" | "alarm" | "unknown";

export interface StateSpan extends Span {
  readonly state: PlantState;
}

/** The states of one equipment over `span`; an alarm stands above what is unknown. */
export function stateSpans(
  span: Span,
  alarms: readonly Span[],
  heard: readonly Span[],
): StateSpan[] {
  const edges = new Set([span.fromMs, span.toMs]);
  const add = (atMs: number) => {
    if (atMs > span.fromMs && atMs < span.toMs) edges.add(atMs);
  };
  for (const one of [...alarms, ...heard]) {
    add(one.fromMs);
    add(one.toMs);
  }
  const sorted = [...edges].sort((a, b) => a - b);
  const states: { fromMs: number; toMs: number; state: PlantState }[] = [];
  for (let index = 1; index < sorted.length; index++) {
    const fromMs = sorted[index - 1]!;
    const toMs = sorted[index]!;
    const holds = (one: Span) => one.fromMs <= fromMs && one.toMs >= toMs;
    const state = alarms.some(holds) ? "alarm" : heard.some(holds) ? "normal" : "unknown";
    const last = states.at(-1);
    if (last?.state === state) last.toMs = toMs;
    else states.push({ fromMs, toMs, state });
  }
  return states;
}

/**
 * Spans in which any of `all` had values. A first sample that comes within its signal's rhythm of `fromMs`
 * had one before it, which was not asked for.
 *
 * @param resolutionMs How long one point stands for, where points are roll-ups.
 */
export function heardSpans(
  all: readonly { readonly series: Series; readonly resolutionMs: number }[],
  fromMs: number,
): Span[] {
  const spans = all.flatMap(({ series, resolutionMs }) => heardOf(series, resolutionMs, fromMs));
  return merged(spans);
}

function heardOf(series: Series, resolutionMs: number, fromMs: number): Span[] {
  const spans: { fromMs: number; toMs: number }[] = [];
  const lastsMs = Math.max(resolutionMs, gapLimitMs(series.at));
  let open: { fromMs: number; toMs: number } | null = null;
  series.at.forEach((atMs, index) => {
    if ((series.value[index] ?? series.score[index] ?? null) === null) {
      open = null;
    } else if (open === null) {
      open = { fromMs: atMs, toMs: atMs + resolutionMs };
      spans.push(open);
    } else {
      open.toMs = atMs + resolutionMs;
    }
  });
  const first = spans[0];
  if (first !== undefined && first.fromMs - fromMs < lastsMs) first.fromMs = fromMs;
  // The newest sample holds until it should have been followed by another.
  const last = spans.at(-1);
  if (open !== null && last !== undefined) {
    last.toMs = Math.max(last.toMs, series.at.at(-1)! + lastsMs);
  }
  return spans;
}

/** `spans` in order, those that touch as one. */
export function merged(spans: readonly Span[]): Span[] {
  const result: { fromMs: number; toMs: number }[] = [];
  for (const span of [...spans].sort((a, b) => a.fromMs - b.fromMs)) {
    const last = result.at(-1);
    if (last !== undefined && span.fromMs <= last.toMs) {
      last.toMs = Math.max(last.toMs, span.toMs);
    } else result.push({ ...span });
  }
  return result;
}
