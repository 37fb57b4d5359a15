/**
 * Reads the history of signals and of subtasks' figures for charts.
 *
 * Touches the database and what the recorder has not written yet.
 *
 *   hours, as far as they are complete ─▶ minutes ─▶ packed points ─▶ what waits in memory
 *
 * What waits is looked at first: what is written meanwhile is seen twice then, instead of not at all. Many
 * series are read and cut down some at a time, so that a question takes bounded memory.
 *
 * A long span is read from the coarsest level that still gives each bucket of the chart a roll-up, or from
 * the finest that reaches back that far; where that level is not complete yet, the next finer one goes on.
 *
 * @module
 */
import type { MetricSeries } from "@shared/job_api.ts";
import type { SampleSeries } from "@shared/plant_api.ts";
import type { Db } from "../db/client.ts";
import { listSeries, type SeriesName, type SeriesRecord } from "../db/series_store.ts";
import type { SignalLevel } from "../db/signal_partitions.ts";
import type { PointBuffer } from "../db/signal_points.ts";
import { readChunks, readRollups, ROLLUP_MS, type RollupRow } from "../db/signal_store.ts";
import { type Curve, decimate, POINTS_PER_BUCKET, type Stretch } from "./decimate.ts";
import type { SignalRecorder } from "./signal_recorder.ts";

/** How much of a span is read from a finer level because the coarser one is not complete. */
const TAIL_MAX_MS = { minute: 2 * 3_600_000, hour: 48 * 3_600_000 } as const;

/** Points that are in memory at once, of signals that come once a second. */
const POINTS_PER_READ = 100_000;

export interface CurveSpan {
  readonly fromMs: number;
  readonly toMs: number;
  /** Most points of one series in the answer. */
  readonly pointsMax: number;
}

export interface SignalHistoryContext {
  readonly db: Db;
  readonly recorder: SignalRecorder;
  nowMs(): number;
  retention(): Readonly<Record<SignalLevel, number>>;
}

export class SignalHistory {
  readonly #ctx: SignalHistoryContext;

  constructor(ctx: SignalHistoryContext) {
    this.#ctx = ctx;
  }

  /** Each signal of the equipment; those without a sample in the span are left out. */
  async samples(
    which: { readonly equipment: string; readonly jobId?: string; readonly operatorUid?: string },
    span: CurveSpan,
  ): Promise<SampleSeries[]> {
    const found = await this.#read({
      kind: "signal",
      subject: which.equipment,
      ...(which.jobId === undefined ? {} : { jobId: which.jobId }),
      ...(which.operatorUid === undefined ? {} : { source: which.operatorUid }),
    }, span);
    return found.map(({ name, curve, resolutionMs }) => ({
      jobId: name.jobId,
      operatorUid: name.source,
      equipment: name.subject,
      ...curve,
      resolutionMs,
    }));
  }

  /** These figures of a job's subtasks. */
  async metrics(
    which: { readonly jobId: string; readonly metrics: readonly string[]; subtaskId?: string },
    span: CurveSpan,
  ): Promise<MetricSeries[]> {
    const found = await this.#read(
      {
        kind: "metric",
        jobId: which.jobId,
        ...(which.subtaskId === undefined ? {} : { source: which.subtaskId }),
      },
      span,
      (name) => which.metrics.includes(name.subject),
    );
    return found.map(({ name, curve, resolutionMs }) => ({
      subtaskId: name.source,
      metric: name.subject,
      at: curve.at,
      value: curve.value,
      resolutionMs,
    }));
  }

  /** The coarsest level that gives each bucket a roll-up, or the finest that reaches back to `fromMs`. */
  levelOf({ fromMs, toMs, pointsMax }: CurveSpan): SignalLevel {
    const bucketMs = (toMs - fromMs) * POINTS_PER_BUCKET / pointsMax;
    const ageMs = this.#ctx.nowMs() - fromMs;
    const retention = this.#ctx.retention();
    if (bucketMs >= ROLLUP_MS.hour || ageMs > retention.minute) return "hour";
    return bucketMs >= ROLLUP_MS.minute || ageMs > retention.chunk ? "minute" : "chunk";
  }

  async #read(
    filter: Partial<SeriesName>,
    span: CurveSpan,
    isWanted: (name: SeriesName) => boolean = () => true,
  ): Promise<{ name: SeriesName; curve: Curve; resolutionMs: number }[]> {
    const waiting = this.#waiting(filter, isWanted);
    const known = (await listSeries(this.#ctx.db, filter)).filter(isWanted);
    const level = this.levelOf(span);
    const resolutionMs = level === "chunk" ? 0 : ROLLUP_MS[level];
    const curves: { name: SeriesName; curve: Curve; resolutionMs: number }[] = [];
    const cut = (name: SeriesName, stored: readonly Stretch[]) => {
      const rows = inTime([...stored, ...waiting.get(keyOf(name))?.rows ?? []], span);
      waiting.delete(keyOf(name));
      curves.push({ name, curve: decimate(rows, span, span.pointsMax), resolutionMs });
    };
    const perRead = seriesPerRead(span, resolutionMs);
    for (let i = 0; i < known.length; i += perRead) {
      const some = known.slice(i, i + perRead);
      const stretches = await this.#stored(some, level, span);
      for (const one of some) cut(one, stretches.get(one.id)!);
    }
    for (const { name } of [...waiting.values()]) cut(name, []);
    return curves.filter(({ curve }) => curve.at.length > 0);
  }

  /** By number of the series. */
  async #stored(
    known: readonly SeriesRecord[],
    level: SignalLevel,
    span: CurveSpan,
  ): Promise<Map<number, Stretch[]>> {
    const { db, recorder } = this.#ctx;
    const stretches = new Map(known.map((one) => [one.id, [] as Stretch[]]));
    const ids = [...stretches.keys()];
    let fromMs = span.fromMs;
    for (const coarse of ["hour", "minute"] as const) {
      if (level === "chunk" || (coarse === "hour" && level === "minute")) continue;
      const untilMs = Math.max(
        recorder.completeUntilMs(coarse),
        Math.floor((span.toMs - TAIL_MAX_MS[coarse]) / ROLLUP_MS[coarse]) * ROLLUP_MS[coarse],
      );
      const toMs = Math.min(span.toMs, untilMs);
      if (toMs <= fromMs) continue;
      const startMs = Math.floor(fromMs / ROLLUP_MS[coarse]) * ROLLUP_MS[coarse];
      for (const row of await readRollups(db, coarse, ids, { fromMs: startMs, toMs })) {
        stretches.get(row.seriesId)!.push(stretchOf(row, ROLLUP_MS[coarse]));
      }
      fromMs = toMs;
    }
    if (fromMs < span.toMs) {
      for (const chunk of await readChunks(db, ids, fromMs, span.toMs)) {
        const rows = samplesOf(chunk.points, chunk.atMs);
        stretches.get(chunk.seriesId)!.push(...rows.filter(({ atMs }) => atMs >= fromMs));
      }
    }
    return stretches;
  }

  /** By key of the series. */
  #waiting(
    filter: Partial<SeriesName>,
    isWanted: (name: SeriesName) => boolean,
  ): Map<string, { readonly name: SeriesName; readonly rows: Stretch[] }> {
    const wanted = Object.entries(filter) as [keyof SeriesName, string][];
    const found = new Map<string, { readonly name: SeriesName; readonly rows: Stretch[] }>();
    const chunks = this.#ctx.recorder.waiting(({ name }) =>
      wanted.every(([field, value]) => name[field] === value) && isWanted(name)
    );
    for (const { series: { name }, atMs, points } of chunks) {
      const rows = found.get(keyOf(name))?.rows ?? [];
      rows.push(...samplesOf(points, atMs));
      found.set(keyOf(name), { name, rows });
    }
    return found;
  }
}

function seriesPerRead({ fromMs, toMs }: CurveSpan, resolutionMs: number): number {
  const points = (toMs - fromMs) / Math.max(resolutionMs, 1_000);
  return Math.max(1, Math.floor(POINTS_PER_READ / points));
}

/** Ascending; a moment that came twice, stored and waiting, once. */
function inTime(rows: readonly Stretch[], { fromMs, toMs }: CurveSpan): Stretch[] {
  const within = rows.filter(({ atMs, spanMs }) => atMs + spanMs >= fromMs && atMs < toMs);
  within.sort((a, b) => a.atMs - b.atMs);
  return within.filter((one, i) => one.atMs !== within[i + 1]?.atMs);
}

function samplesOf(points: PointBuffer, startMs: number): Stretch[] {
  return Array.from({ length: points.n }, (_, i) => {
    const { offsetMs, value, score, low, high } = points.point(i);
    return {
      atMs: startMs + offsetMs,
      spanMs: 0,
      lowest: orNull(value),
      highest: orNull(value),
      score: orNull(score),
      low: orNull(low),
      high: orNull(high),
    };
  });
}

function stretchOf({ atMs, lowest, highest, score, low, high }: RollupRow, spanMs: number) {
  return { atMs, spanMs, lowest, highest, score, low, high };
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

function keyOf({ jobId, kind, source, subject }: SeriesName): string {
  return `${kind}/${jobId}/${source}/${subject}`;
}
