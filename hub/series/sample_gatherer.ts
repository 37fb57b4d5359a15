/**
 * Gathers samples in memory, by series and span of ten seconds, until they are written.
 *
 * Pure but for what it holds.
 *
 *   gathering ──span over──▶ taken ──written──▶ gone
 *                               └──not written──▶ gathering
 *
 * Invariants:
 *  1. What was not confirmed as written is still here, up to `CHUNKS_MAX` spans; beyond that the oldest go,
 *     and are counted.
 *  2. A sample that is too old or too far in the future is not kept, and is counted.
 *
 * @module
 */
import type { SeriesName } from "../db/series_store.ts";
import { CHUNK_MS, PointBuffer } from "../db/signal_points.ts";

/** Spans that wait in memory; a database that is away for longer costs the oldest. */
export const CHUNKS_MAX = 100_000;
/** How far a gateway's clock may be ahead. */
export const FUTURE_MAX_MS = 60_000;

/** A series that has something to be written, or had it lately. */
export interface GatheredSeries {
  readonly name: SeriesName;
  /** Null until it was written for the first time. */
  id: number | null;
}

export interface GatheredChunk {
  readonly series: GatheredSeries;
  readonly atMs: number;
  readonly points: PointBuffer;
}

export interface GatheredSample {
  readonly atMs: number;
  readonly value: number | null;
  readonly score?: number | null | undefined;
  readonly low?: number | null | undefined;
  readonly high?: number | null | undefined;
}

/** Samples that were not kept, since the start. */
export interface DropCounts {
  readonly tooOld: number;
  readonly tooNew: number;
  /** More than a span holds, or than memory holds while the database is away. */
  readonly overflow: number;
}

export class SampleGatherer {
  readonly #series = new Map<string, GatheredSeries & { open: GatheredChunk | null }>();
  /** By start of their span. */
  readonly #spans = new Map<number, Map<GatheredSeries, GatheredChunk>>();
  /** Taken and not confirmed. */
  readonly #taken = new Set<GatheredChunk>();
  #chunkCount = 0;
  readonly #drops = { tooOld: 0, tooNew: 0, overflow: 0 };

  /** @param keptFromMs Older samples are not kept. */
  add(name: SeriesName, sample: GatheredSample, nowMs: number, keptFromMs: number): void {
    const { atMs } = sample;
    if (atMs < keptFromMs) return void this.#drops.tooOld++;
    if (atMs > nowMs + FUTURE_MAX_MS) return void this.#drops.tooNew++;
    const startMs = Math.floor(atMs / CHUNK_MS) * CHUNK_MS;
    const series = this.#seriesOf(name);
    const chunk = series.open?.atMs === startMs ? series.open : this.#chunkOf(series, startMs);
    const outcome = chunk.points.put(
      Math.floor(atMs - startMs),
      sample.value ?? NaN,
      sample.score ?? NaN,
      sample.low ?? NaN,
      sample.high ?? NaN,
    );
    if (outcome === "full") this.#drops.overflow++;
  }

  /** The series is known by this number, so that nobody has to ask for it. */
  learn(name: SeriesName, id: number): void {
    this.#seriesOf(name).id = id;
  }

  /** Gives its number up. @returns False when something of it waits to be written, and it stays. */
  forget(name: SeriesName): boolean {
    const key = keyOf(name);
    const series = this.#series.get(key);
    if (series === undefined) return true;
    const isBusy = [...this.#spans.values()].some((span) => span.has(series)) ||
      [...this.#taken].some((chunk) => chunk.series === series);
    if (!isBusy) this.#series.delete(key);
    return !isBusy;
  }

  /** Takes up to `limit` chunks whose span ended before `endedBeforeMs`, oldest span first. */
  take(endedBeforeMs: number, limit: number): GatheredChunk[] {
    const chunks: GatheredChunk[] = [];
    for (const startMs of [...this.#spans.keys()].sort((a, b) => a - b)) {
      if (startMs + CHUNK_MS > endedBeforeMs) break;
      for (const chunk of this.#spans.get(startMs)!.values()) {
        if (chunks.length >= limit) return chunks;
        this.#remove(chunk);
        this.#taken.add(chunk);
        chunks.push(chunk);
      }
    }
    return chunks;
  }

  written(chunks: readonly GatheredChunk[]): void {
    for (const chunk of chunks) this.#taken.delete(chunk);
  }

  /** They wait again; merged with what came meanwhile. */
  notWritten(chunks: readonly GatheredChunk[]): void {
    for (const chunk of chunks) {
      this.#taken.delete(chunk);
      const series = this.#seriesOf(chunk.series.name);
      const meanwhile = this.#chunkOf(series, chunk.atMs);
      const later = meanwhile.points;
      const overwritten = new PointBuffer();
      overwritten.merge(later);
      later.merge(chunk.points);
      later.merge(overwritten);
    }
  }

  /** What waits or is being written of the series that `isWanted` takes. */
  waiting(isWanted: (series: GatheredSeries) => boolean): GatheredChunk[] {
    const found: GatheredChunk[] = [];
    for (const chunks of [this.#taken, ...this.#spans.values()]) {
      for (const chunk of chunks.values()) if (isWanted(chunk.series)) found.push(chunk);
    }
    return found;
  }

  get chunkCount(): number {
    return this.#chunkCount;
  }

  get drops(): DropCounts {
    return this.#drops;
  }

  #seriesOf(name: SeriesName): GatheredSeries & { open: GatheredChunk | null } {
    const key = keyOf(name);
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { name, id: null, open: null };
      this.#series.set(key, series);
    }
    return series;
  }

  #chunkOf(series: GatheredSeries & { open: GatheredChunk | null }, startMs: number) {
    const known = this.#spans.get(startMs)?.get(series);
    if (known !== undefined) return known;
    if (this.#chunkCount >= CHUNKS_MAX) this.#dropOldest();
    let span = this.#spans.get(startMs);
    if (span === undefined) this.#spans.set(startMs, span = new Map());
    const chunk = { series, atMs: startMs, points: new PointBuffer() };
    span.set(series, chunk);
    this.#chunkCount++;
    if (series.open === null || startMs > series.open.atMs) series.open = chunk;
    return chunk;
  }

  #remove(chunk: GatheredChunk): void {
    const span = this.#spans.get(chunk.atMs)!;
    span.delete(chunk.series);
    if (span.size === 0) this.#spans.delete(chunk.atMs);
    this.#chunkCount--;
    const series = this.#series.get(keyOf(chunk.series.name));
    if (series?.open === chunk) series.open = null;
  }

  #dropOldest(): void {
    const startMs = Math.min(...this.#spans.keys());
    for (const chunk of this.#spans.get(startMs)!.values()) {
      this.#drops.overflow += chunk.points.n;
      this.#remove(chunk);
      return;
    }
  }
}

function keyOf({ jobId, kind, source, subject }: SeriesName): string {
  return `${kind}/${jobId}/${source}/${subject}`;
}
