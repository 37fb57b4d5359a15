/**
 * Makes alarms of signals that fall silent: no data is neither normal nor the alarm of a limit.
 *
 * Touches the database. A silence has an id made of job, sink, equipment and the last sample before it, so
 * that looking again, or a hub that was started anew, never rings twice for one silence. The next sample
 * ends it, and so does the end of the job.
 *
 * Silence counts from when the hub heard the signal, by its own clock, and never from before the job, or
 * the hub, was there to hear it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { JobId, RegionId } from "@shared/ids.ts";
import type { AlarmEdge } from "@shared/messages.ts";
import { type SilenceRule, silenceRulesOf } from "./coordinator/alarm_rules.ts";
import { openSilences, runningGraphs } from "./db/alarm_silence.ts";
import { type AlarmNews, NO_NEWS, recordEdges } from "./db/alarm_store.ts";
import type { HubContext } from "./ports.ts";

interface Heard {
  readonly atMs: number;
  /** By the clock of the hub. */
  readonly heardMs: number;
}

interface Watched {
  readonly sinceMs: number;
  readonly rules: readonly SilenceRule[];
}

export class SilenceWatch {
  readonly #ctx: Pick<HubContext, "db" | "clock" | "live">;
  readonly #heard = new Map<string, Heard>();
  #jobs: ReadonlyMap<string, Watched> = new Map();

  constructor(ctx: Pick<HubContext, "db" | "clock" | "live">) {
    this.#ctx = ctx;
  }

  /** Looks at every signal once. @returns What came of it. */
  async look(): Promise<AlarmNews> {
    const { db, clock } = this.#ctx;
    const nowMs = clock.nowMs();
    await this.#lookAtJobs(nowMs);
    const open = await openSilences(db);
    if (this.#jobs.size === 0 && open.length === 0) return NO_NEWS;
    const newest = this.#listen(nowMs);
    const edges: AlarmEdge[] = [];
    for (const [key, { signal, rule, sinceMs }] of newest) {
      const heard = this.#heard.get(key)!;
      const silentMs = nowMs - Math.max(heard.heardMs, sinceMs);
      if (silentMs < rule.afterMs) continue;
      edges.push(silenceEdge(signal, rule, heard.atMs, { isActive: true, atMs: nowMs }));
    }
    const known = new Set(open.map(({ id }) => id));
    const fresh = edges.filter(({ alarmId }) => !known.has(alarmId));
    const silent = new Set(edges.map(({ alarmId }) => alarmId));
    const over = open.filter(({ id }) => !silent.has(id)).flatMap((alarm) => {
      const signal = newest.get(JSON.stringify([alarm.jobId, alarm.sinkUid, alarm.equipment]));
      // A signal that is not known any more is still silent, as long as its job runs.
      if (signal === undefined && this.#jobs.has(alarm.jobId)) return [];
      const heardMs = signal === undefined ? nowMs : this.#heard.get(keyOf(signal))!.atMs;
      return isEndOf(alarm, signal, heardMs) ? [endOf(alarm, heardMs)] : [];
    });
    return await recordEdges(db, [...fresh, ...over], nowMs, "no-data");
  }

  /** Jobs that run and have a sink that asks for it; a job is watched from when it is first seen. */
  async #lookAtJobs(nowMs: number): Promise<void> {
    const jobs = new Map<string, Watched>();
    for (const { id, graph } of await runningGraphs(this.#ctx.db)) {
      const known = this.#jobs.get(id);
      jobs.set(id, known ?? { sinceMs: nowMs, rules: silenceRulesOf(graph) });
    }
    this.#jobs = jobs;
  }

  /** Notes when each watched signal was heard; by job, sink and equipment, its freshest operator. */
  #listen(nowMs: number): Map<string, WatchedSignal> {
    const newest = new Map<string, WatchedSignal>();
    for (const { jobId, operatorUid, key: equipment, atMs } of this.#ctx.live.samples.values()) {
      const job = this.#jobs.get(jobId);
      if (job === undefined || atMs === null) continue;
      for (const rule of job.rules) {
        if (!rule.operatorUids.includes(operatorUid)) continue;
        const watched = {
          signal: { jobId, operatorUid, equipment },
          rule,
          sinceMs: job.sinceMs,
          atMs,
        };
        const key = keyOf(watched);
        const known = newest.get(key);
        if (known === undefined || known.atMs < atMs) newest.set(key, watched);
      }
    }
    for (const [key, { atMs }] of newest) {
      const known = this.#heard.get(key);
      if (known === undefined || known.atMs !== atMs) {
        this.#heard.set(key, { atMs, heardMs: nowMs });
      }
    }
    for (const key of this.#heard.keys()) if (!newest.has(key)) this.#heard.delete(key);
    return newest;
  }
}

interface WatchedSignal {
  readonly signal: {
    readonly jobId: JobId;
    readonly operatorUid: string;
    readonly equipment: string;
  };
  readonly rule: SilenceRule;
  readonly sinceMs: number;
  readonly atMs: number;
}

type OpenSilence = Awaited<ReturnType<typeof openSilences>>[number];

function keyOf({ signal, rule }: WatchedSignal): string {
  return JSON.stringify([signal.jobId, rule.sinkUid, signal.equipment]);
}

/** Over when a sample came behind the one it began with, or its job is over. */
function isEndOf(alarm: OpenSilence, signal: WatchedSignal | undefined, heardMs: number): boolean {
  if (signal === undefined) return true;
  return alarm.id !== silenceId(signal.signal, signal.rule, heardMs);
}

function endOf(alarm: OpenSilence, atMs: number): AlarmEdge {
  return {
    ...edgeOf(alarm, alarm.operatorUid),
    edgeId: `${alarm.id}-end`,
    alarmId: alarm.id,
    isActive: false,
    priority: alarm.priority,
    text: "",
    response: "",
    atMs: Math.max(atMs, alarm.raisedAtMs),
  };
}

function silenceEdge(
  signal: WatchedSignal["signal"],
  rule: SilenceRule,
  lastMs: number,
  { isActive, atMs }: { readonly isActive: boolean; readonly atMs: number },
): AlarmEdge {
  const alarmId = silenceId(signal, rule, lastMs);
  return {
    ...edgeOf({ ...signal, sinkUid: rule.sinkUid }, signal.operatorUid),
    edgeId: `${alarmId}-begin`,
    alarmId,
    isActive,
    priority: rule.priority,
    text: `No data for ${spanText(rule.afterMs)}`,
    response: rule.response,
    atMs,
  };
}

function edgeOf(
  about: { readonly jobId: string; readonly sinkUid: string; readonly equipment: string },
  operatorUid: string,
): Omit<AlarmEdge, "edgeId" | "alarmId" | "isActive" | "priority" | "text" | "response" | "atMs"> {
  return {
    jobId: about.jobId as JobId,
    regionId: "" as RegionId,
    operatorUid,
    sinkUid: about.sinkUid,
    key: about.equipment,
    value: null,
    score: null,
    threshold: null,
  };
}

function silenceId(
  signal: WatchedSignal["signal"],
  { sinkUid }: SilenceRule,
  lastMs: number,
): string {
  const text = JSON.stringify(["no-data", signal.jobId, sinkUid, signal.equipment, lastMs]);
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

function spanText(ms: number): string {
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000} h`;
  if (ms % 60_000 === 0) return `${ms / 60_000} min`;
  return `${ms / 1_000} s`;
}
