/**
 * Keeps the history of signals and of subtasks' figures: gathers, writes, rolls up, lets go of what is old.
 *
 * Touches the database. One loop does one thing at a time, so nothing is rolled up while it is written.
 *
 *   round (every 2 s): write spans that are over ─▶ roll up minutes and hours that are over ─▶ (every 10 min)
 *   partitions ahead, old ones dropped, series without anything forgotten
 *
 * Invariants:
 *  1. A kill loses what was gathered since the last round: at most a span of 10 s and the round itself.
 *     An orderly stop writes everything.
 *  2. What is due to be rolled up is stored with what made it due; after a restart it is rolled up for every
 *     series, because nobody remembers which ones changed.
 *  3. While the database is away samples wait in memory, bounded, and are written when it is back.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { messageOf } from "@shared/errors.ts";
import type { HubTerm } from "@shared/ids.ts";
import type { Logger } from "@shared/logger.ts";
import type { SignalSample } from "@shared/messages.ts";
import type { Db } from "../db/client.ts";
import { withReign } from "../db/hub_state_store.ts";
import {
  deleteSeries,
  emptySeries,
  listSeries,
  numberSeries,
  type SeriesName,
  type SeriesRecord,
} from "../db/series_store.ts";
import {
  dropPartitions,
  makePartition,
  PARTITION_MS,
  partitionStart,
  SIGNAL_LEVELS,
  type SignalLevel,
} from "../db/signal_partitions.ts";
import {
  clearDue,
  listDue,
  markDue,
  rollUp,
  ROLLUP_MS,
  type RollupLevel,
  writeChunks,
} from "../db/signal_store.ts";
import {
  type DropCounts,
  FUTURE_MAX_MS,
  type GatheredChunk,
  type GatheredSample,
  type GatheredSeries,
  SampleGatherer,
} from "./sample_gatherer.ts";

const ROUND_INTERVAL_MS = 2_000;
/** How long after its end a span is left open for what is on its way. */
const LATENESS_MS = 1_500;
/** A roll-up waits this long, so that it is rarely made twice. */
const ROLLUP_DELAY_MS = 15_000;
const CHUNKS_PER_WRITE = 1_000;
const SERIES_PER_ROLLUP = 2_000;
const HOUSEKEEPING_INTERVAL_MS = 600_000;
const EMPTY_SERIES_PER_ROUND = 5_000;
/** Spans in memory beyond which who brings more has to wait for the database. */
const CHUNKS_CALM_MAX = 50_000;

export interface RecorderContext {
  readonly db: Db;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hubTerm: HubTerm;
  /** Asked anew in each round. */
  retention(): Readonly<Record<SignalLevel, number>>;
}

export class SignalRecorder {
  readonly #ctx: RecorderContext;
  readonly #gatherer = new SampleGatherer();
  readonly #partitions = new Set<string>();
  /** Due roll-ups, and the series that changed. */
  readonly #due: Record<RollupLevel, Map<number, Set<number>>> = {
    minute: new Map(),
    hour: new Map(),
  };
  #round: Promise<void> = Promise.resolve();
  #cancel: () => void = () => {};
  #housekeptMs = -Infinity;
  #isStopped = false;

  constructor(ctx: RecorderContext) {
    this.#ctx = ctx;
  }

  /** Goes on where an earlier hub was killed, and keeps rounds from now on. @returns Every series. */
  async start(): Promise<readonly SeriesRecord[]> {
    const known = await listSeries(this.#ctx.db);
    for (const { id, ...name } of known) this.#gatherer.learn(name, id);
    for (const { level, atMs } of await listDue(this.#ctx.db)) {
      this.#due[level].set(atMs, new Set(known.map(({ id }) => id)));
    }
    this.#arm();
    return known;
  }

  /** Resolves when there is room for more: a gateway that sends its past waits for the database. */
  async recordSignals(jobId: string, samples: readonly SignalSample[]): Promise<void> {
    const { nowMs, keptFromMs } = this.#limits();
    for (const sample of samples) {
      const name = {
        jobId,
        kind: "signal",
        source: sample.operatorUid,
        subject: sample.key,
      } as const;
      this.#gatherer.add(name, sample, nowMs, keptFromMs);
    }
    if (this.#gatherer.chunkCount <= CHUNKS_CALM_MAX) return;
    await this.#next(() => this.#write(nowMs - LATENESS_MS)).catch((thrown) =>
      this.#ctx.logger.warn("Samples were not stored, trying again", { error: messageOf(thrown) })
    );
  }

  record(name: SeriesName, sample: GatheredSample): void {
    const { nowMs, keptFromMs } = this.#limits();
    this.#gatherer.add(name, sample, nowMs, keptFromMs);
  }

  #limits(): { nowMs: number; keptFromMs: number } {
    const nowMs = this.#ctx.clock.nowMs();
    return { nowMs, keptFromMs: nowMs - this.#ctx.retention().chunk };
  }

  /** Points that are not stored yet. */
  waiting(isWanted: (series: GatheredSeries) => boolean): GatheredChunk[] {
    return this.#gatherer.waiting(isWanted);
  }

  /** From when on the roll-ups of `level` are not complete yet. */
  completeUntilMs(level: RollupLevel): number {
    const spanMs = ROLLUP_MS[level];
    const nowMs = Math.floor(this.#ctx.clock.nowMs() / spanMs) * spanMs;
    const oldest = [...this.#due[level].keys()].reduce((a, b) => Math.min(a, b), nowMs);
    // An hour is not complete before its minutes are.
    return level === "minute"
      ? oldest
      : Math.min(oldest, Math.floor(this.completeUntilMs("minute") / spanMs) * spanMs);
  }

  get drops(): DropCounts {
    return this.#gatherer.drops;
  }

  /** Writes what is gathered, open spans as well. */
  flush(): Promise<void> {
    return this.#next(() => this.#write(Infinity));
  }

  /** Everything that a round does, now. */
  runRound(): Promise<void> {
    return this.#next(() => this.#work());
  }

  /** Everything gathered is written when this resolves, or the database is away. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.flush().catch((thrown) =>
      this.#ctx.logger.warn("Samples were not stored", { error: messageOf(thrown) })
    );
  }

  #arm(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#ctx.clock.after(ROUND_INTERVAL_MS, () => {
      this.runRound().catch((thrown) =>
        this.#ctx.logger.warn("Samples were not stored, trying again", { error: messageOf(thrown) })
      ).finally(() => this.#arm());
    });
  }

  /** One after the other. */
  #next(work: () => Promise<void>): Promise<void> {
    const next = this.#round.then(work);
    this.#round = next.catch(() => {});
    return next;
  }

  async #work(): Promise<void> {
    const nowMs = this.#ctx.clock.nowMs();
    await this.#write(nowMs - LATENESS_MS);
    await this.#rollUp("minute", nowMs);
    await this.#rollUp("hour", nowMs);
    if (nowMs - this.#housekeptMs >= HOUSEKEEPING_INTERVAL_MS) {
      await this.#keepHouse(nowMs);
      this.#housekeptMs = nowMs;
    }
  }

  async #write(endedBeforeMs: number): Promise<void> {
    while (true) {
      const chunks = this.#gatherer.take(endedBeforeMs, CHUNKS_PER_WRITE);
      if (chunks.length === 0) return;
      try {
        await this.#number(chunks.map(({ series }) => series));
        await this.#ensurePartitions("chunk", chunks.map(({ atMs }) => atMs));
        const written = await withReign(
          this.#ctx.db,
          this.#ctx.hubTerm,
          (tx) =>
            writeChunks(tx, chunks.map((chunk) => ({ ...chunk, seriesId: chunk.series.id! }))),
        );
        for (const { seriesId, atMs } of written) this.#note("minute", atMs, seriesId);
        this.#gatherer.written(chunks);
      } catch (thrown) {
        this.#gatherer.notWritten(chunks);
        this.#partitions.clear();
        throw thrown;
      }
    }
  }

  async #number(series: readonly GatheredSeries[]): Promise<void> {
    const unnumbered = [...new Set(series)].filter(({ id }) => id === null);
    if (unnumbered.length === 0) return;
    const ids = await numberSeries(this.#ctx.db, unnumbered.map(({ name }) => name));
    unnumbered.forEach((one, i) => one.id = ids[i]!);
  }

  #note(level: RollupLevel, atMs: number, seriesId: number): void {
    const startMs = Math.floor(atMs / ROLLUP_MS[level]) * ROLLUP_MS[level];
    const known = this.#due[level].get(startMs);
    if (known === undefined) this.#due[level].set(startMs, new Set([seriesId]));
    else known.add(seriesId);
  }

  async #rollUp(level: RollupLevel, nowMs: number): Promise<void> {
    const due = [...this.#due[level]].sort(([a], [b]) => a - b);
    for (const [atMs, series] of due) {
      if (atMs + ROLLUP_MS[level] + ROLLUP_DELAY_MS > nowMs) continue;
      await this.#rollUpOne(level, atMs, series);
    }
  }

  async #rollUpOne(level: RollupLevel, atMs: number, series: Set<number>): Promise<void> {
    const { db, hubTerm } = this.#ctx;
    await this.#ensurePartitions(level, [atMs]);
    const ids = [...series].sort((a, b) => a - b);
    for (let i = 0; i < ids.length; i += SERIES_PER_ROLLUP) {
      const some = ids.slice(i, i + SERIES_PER_ROLLUP);
      await withReign(db, hubTerm, (tx) => rollUp(tx, level, atMs, some));
    }
    await withReign(db, hubTerm, async (tx) => {
      if (level === "minute") await markDue(tx, "hour", [atMs]);
      await clearDue(tx, level, atMs);
    });
    this.#due[level].delete(atMs);
    if (level === "minute") { for (const id of ids) this.#note("hour", atMs, id); }
  }

  async #ensurePartitions(level: SignalLevel, times: readonly number[]): Promise<void> {
    for (const startMs of new Set(times.map((atMs) => partitionStart(level, atMs)))) {
      const key = `${level}/${startMs}`;
      if (this.#partitions.has(key)) continue;
      await makePartition(this.#ctx.db, level, startMs);
      this.#partitions.add(key);
    }
  }

  async #keepHouse(nowMs: number): Promise<void> {
    const { db, hubTerm, logger } = this.#ctx;
    const retention = this.#ctx.retention();
    for (const level of SIGNAL_LEVELS) {
      await this.#ensurePartitions(level, [
        nowMs,
        nowMs + FUTURE_MAX_MS,
        nowMs + PARTITION_MS[level] / 2,
      ]);
      const dropped = await dropPartitions(db, level, nowMs - retention[level]);
      for (const startMs of dropped) this.#partitions.delete(`${level}/${startMs}`);
      if (dropped.length > 0) {
        logger.info("Old partitions were dropped", { level, partitions: dropped.length });
      }
    }
    const empty = await emptySeries(db, EMPTY_SERIES_PER_ROUND);
    const unused = empty.filter((series) => this.#gatherer.forget(series));
    await withReign(db, hubTerm, (tx) => deleteSeries(tx, unused.map(({ id }) => id)));
  }
}
