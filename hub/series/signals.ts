/**
 * The hub's signals: what is known of them now, where their equipment stands, and their history.
 *
 * Touches the database. What agents say goes in here; routes read from here.
 *
 *  1. After a start the newest value of every signal is what was stored last.
 *  2. Of the places that agents repeat at each start only news is written.
 *  3. A time or a key that cannot be stored keeps nothing else from being known and stored.
 *
 * @module
 */
import type { JobId } from "@shared/ids.ts";
import type { EquipmentPlace, SignalSample } from "@shared/messages.ts";
import type { SignalLevel } from "../db/signal_partitions.ts";
import { latestChunks } from "../db/signal_store.ts";
import { equipmentOf } from "../db/equipment_paths.ts";
import { readPlaces, writePlaces } from "../db/plant_store.ts";
import type { MutableLiveState } from "../live_state.ts";
import type { HubContext, LiveMetrics } from "../ports.ts";
import { type DropCounts, FUTURE_MAX_MS } from "./sample_gatherer.ts";
import { SignalHistory } from "./signal_history.ts";
import { SignalRecorder } from "./signal_recorder.ts";

/** A figure of a subtask is kept this often. */
const METRIC_INTERVAL_MS = 5_000;
/** Subtasks whose last point is remembered. */
const SUBTASKS_MAX = 20_000;

/** Figures of a subtask that have a history. */
export const METRIC_NAMES = [
  "recordsInPerSecond",
  "recordsOutPerSecond",
  "busyRatio",
  "backpressuredRatio",
  "idleRatio",
  "eventTimeLagMs",
  "sourceLagMs",
  "windowUsed",
  "stateEntries",
  "inputQueued",
] as const;
export type MetricName = typeof METRIC_NAMES[number];

/** Where a piece of equipment stands: its path, and the job that said so. */
export interface KnownPlace {
  readonly path: readonly string[];
  readonly jobId: string;
}

export interface Signals {
  readonly history: SignalHistory;
  readonly places: ReadonlyMap<string, KnownPlace>;
  /** Samples that were not kept, since the start. */
  readonly drops: DropCounts;
  /** Resolves when there is room for more; what was said is known at once. */
  recordSamples(jobId: JobId, samples: readonly SignalSample[]): Promise<void>;
  recordMetrics(metrics: LiveMetrics): void;
  recordPlaces(jobId: JobId, places: readonly EquipmentPlace[]): Promise<void>;
  /** Everything gathered is stored when it resolves. */
  flush(): Promise<void>;
  /** What the recorder does every few seconds, now. */
  runRound(): Promise<void>;
  stop(): Promise<void>;
}

type SignalsContext =
  & Pick<HubContext, "db" | "clock" | "logger" | "hubTerm" | "settings">
  & { readonly live: MutableLiveState };

/** Goes on with what is stored. */
export async function openSignals(ctx: SignalsContext): Promise<Signals> {
  const { db, clock, live, settings } = ctx;
  const retention = (): Readonly<Record<SignalLevel, number>> => {
    const { sampleRetentionMs, minuteRetentionMs, hourRetentionMs } = settings.current();
    return { chunk: sampleRetentionMs, minute: minuteRetentionMs, hour: hourRetentionMs };
  };
  const recorder = new SignalRecorder({ ...ctx, retention });
  const history = new SignalHistory({ db, recorder, nowMs: () => clock.nowMs(), retention });
  const places = new Map<string, KnownPlace>(await readPlaces(db));
  await restore(ctx, recorder, clock.nowMs() - retention().chunk);
  const noteMetrics = metricNotes(recorder);
  return {
    history,
    places,
    get drops() {
      return recorder.drops;
    },
    recordSamples(jobId, said) {
      const samples = said.map(named);
      const untilMs = clock.nowMs() + FUTURE_MAX_MS;
      for (const sample of samples) {
        // A newest value from the future would stay the newest until then.
        if (sample.atMs >= 0 && sample.atMs <= untilMs) live.recordSample(jobId, sample);
      }
      return recorder.recordSignals(jobId, samples);
    },
    recordMetrics: noteMetrics,
    async recordPlaces(jobId, said) {
      const news = said.map(named).filter(({ key, path }) => {
        const known = places.get(key);
        return known?.jobId !== jobId || known.path.join("\n") !== path.join("\n");
      });
      if (news.length === 0) return;
      await writePlaces(db, jobId, news, clock.nowMs());
      for (const { key, path } of news) places.set(key, { path, jobId });
    },
    flush: () => recorder.flush(),
    runRound: () => recorder.runRound(),
    stop: () => recorder.stop(),
  };
}

/** Under the name that can be stored; nearly always what it is. */
function named<T extends { readonly key: string }>(said: T): T {
  const key = equipmentOf(said.key);
  return key === said.key ? said : { ...said, key };
}

async function restore(
  { db, live }: SignalsContext,
  recorder: SignalRecorder,
  fromMs: number,
): Promise<void> {
  const known = await recorder.start();
  const latest = new Map((await latestChunks(db, fromMs)).map((one) => [one.seriesId, one]));
  for (const { id, jobId, kind, source, subject } of known) {
    if (kind !== "signal") continue;
    const chunk = latest.get(id);
    const point = chunk?.points.point(chunk.points.n - 1);
    live.restoreSignal(jobId as JobId, {
      operatorUid: source,
      key: subject,
      atMs: chunk === undefined ? null : chunk.atMs + point!.offsetMs,
      value: orNull(point?.value),
      score: orNull(point?.score),
      low: orNull(point?.low),
      high: orNull(point?.high),
    });
  }
}

/** Keeps one point of each figure and interval. */
function metricNotes(recorder: SignalRecorder): (metrics: LiveMetrics) => void {
  const notedMs = new Map<string, number>();
  return (metrics) => {
    const { jobId, subtaskId, receivedAtMs } = metrics;
    const key = `${jobId}/${subtaskId}`;
    if (receivedAtMs - (notedMs.get(key) ?? -Infinity) < METRIC_INTERVAL_MS) return;
    if (notedMs.size >= SUBTASKS_MAX) notedMs.clear();
    notedMs.set(key, receivedAtMs);
    for (const name of METRIC_NAMES) {
      const value = metrics[name];
      if (value === null || value === undefined) continue;
      const series = { jobId, kind: "metric", source: subtaskId, subject: name } as const;
      recorder.record(series, { atMs: receivedAtMs, value });
    }
  };
}

function orNull(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}
