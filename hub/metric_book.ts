/**
 * What Prometheus wants counted over the life of this hub: records, checkpoints, gaps, steps of alarms.
 *
 * Touches nothing; listens to the hub's events. Invariant: a count never goes back while the hub runs. Agents
 * count from the beginning of an attempt, so a new attempt of one subtask adds to what the others had. Labels
 * are bounded by the plans of jobs, and by lists that are closed.
 *
 * @module
 */
import { Counter, Histogram, Registry } from "prom-client";
import type { SubtaskMetrics } from "@shared/messages.ts";
import type { EventFeed, HubEvent } from "./ports.ts";

/** Jobs whose counts are kept; the one that was silent longest goes first. */
const JOBS_MAX = 1_000;
/** Bounds of the durations, seconds. */
const DURATION_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
/** Steps that are shown at 0 from the start. */
const ALARM_KINDS = ["raised", "cleared", "acknowledged", "re-alarmed", "shelved", "suppressed"];
const ALARM_EVENT = /^alarm\.([a-z-]+)$/;

/** Counts of one job. */
export interface JobTotals {
  readonly operators: Map<string, { recordsIn: number; recordsOut: number }>;
  readonly dropped: Map<string, number>;
}

interface Seen {
  readonly attempt: number;
  readonly operators: ReadonlyMap<
    string,
    { readonly recordsIn: number; readonly recordsOut: number }
  >;
  readonly dropped: ReadonlyMap<string, number>;
}

export class MetricBook {
  readonly registry: Registry = new Registry();
  readonly #jobs = new Map<string, JobTotals>();
  readonly #names = new Map<string, string>();
  /** Last report of each subtask, by job. */
  readonly #seen = new Map<string, Map<string, Seen>>();
  readonly #duration = new Histogram({
    name: "penstock_checkpoint_duration_seconds",
    help: "Completed checkpoints: total, and by phase the subtask that took longest",
    labelNames: ["job", "phase"],
    buckets: DURATION_BUCKETS,
    registers: [this.registry],
  });
  readonly #checkpoints = this.#counter(
    "checkpoints_total",
    "Checkpoints and savepoints that ended",
    [
      "job",
      "result",
    ],
  );
  readonly #gaps = this.#counter("mqtt_sequence_gaps_total", "Spans of records known lost", [
    "job",
  ]);
  readonly #transitions = this.#counter("alarm_transitions_total", "Steps of alarms", ["kind"]);

  constructor(events: Pick<EventFeed, "subscribe">) {
    for (const kind of ALARM_KINDS) this.#transitions.inc({ kind }, 0);
    events.subscribe((event) => this.#on(event));
  }

  /** What a job is called: events of gaps name its id alone. Its counters show from now on, at 0. */
  nameJob(jobId: string, job: string): void {
    this.#names.set(jobId, job);
    if (this.#names.size > JOBS_MAX) this.#names.delete(this.#names.keys().next().value!);
    this.#gaps.inc({ job }, 0);
    for (const result of ["completed", "degraded", "aborted"]) {
      this.#checkpoints.inc({ job, result }, 0);
    }
  }

  /** Null before the first report. */
  ofJob(jobId: string): JobTotals | null {
    return this.#jobs.get(jobId) ?? null;
  }

  #counter(name: string, help: string, labelNames: string[]): Counter<string> {
    return new Counter({ name: `penstock_${name}`, help, labelNames, registers: [this.registry] });
  }

  #on({ type, body, jobId }: HubEvent): void {
    if (type === "metrics") {
      for (const report of body["subtasks"] as readonly SubtaskMetrics[]) this.#take(report);
      return;
    }
    if (/^(checkpoint|savepoint)\.(completed|aborted)$/.test(type)) return this.#onEnd(body);
    if (type === "gap.recorded" && jobId !== null) {
      const jobName = body["jobName"];
      this.#gaps.inc({
        job: typeof jobName === "string" ? jobName : this.#names.get(jobId) ?? jobId,
      });
      return;
    }
    const [, kind] = ALARM_EVENT.exec(type) ?? [];
    if (kind === undefined) return;
    // Steps of many alarms at once come as one event.
    const { count } = body;
    this.#transitions.inc({ kind }, typeof count === "number" ? count : 1);
  }

  #onEnd(body: HubEvent["body"]): void {
    const job = body["jobName"];
    const result = body["status"];
    if (typeof job !== "string" || typeof result !== "string") return;
    this.#checkpoints.inc({ job, result });
    if (result === "aborted") return;
    const phases = body["phasesMs"] as Readonly<Record<string, number>> | undefined;
    for (const [phase, ms] of Object.entries({ ...phases, total: body["durationMs"] })) {
      if (typeof ms === "number") this.#duration.observe({ job, phase }, ms / 1000);
    }
  }

  #take(report: SubtaskMetrics): void {
    const { jobId, regionId, subtaskId, attempt } = report;
    const subtasks = this.#seen.get(jobId) ?? new Map<string, Seen>();
    const totals = this.#jobs.get(jobId) ?? { operators: new Map(), dropped: new Map() };
    this.#touch(jobId, totals, subtasks);
    const key = `${regionId}/${subtaskId}`;
    const before = subtasks.get(key);
    // A report of an attempt that is over says nothing new.
    if (before !== undefined && before.attempt > attempt) return;
    const base = before?.attempt === attempt ? before : null;
    const now: Seen = {
      attempt,
      operators: new Map(report.operators.map(({ uid, ...counts }) => [uid, counts])),
      dropped: new Map(Object.entries(droppedOf(report))),
    };
    subtasks.set(key, now);
    for (const [uid, counts] of now.operators) {
      const sum = totals.operators.get(uid) ?? { recordsIn: 0, recordsOut: 0 };
      const was = base?.operators.get(uid);
      sum.recordsIn += Math.max(0, counts.recordsIn - (was?.recordsIn ?? 0));
      sum.recordsOut += Math.max(0, counts.recordsOut - (was?.recordsOut ?? 0));
      totals.operators.set(uid, sum);
    }
    for (const [reason, count] of now.dropped) {
      const added = Math.max(0, count - (base?.dropped.get(reason) ?? 0));
      totals.dropped.set(reason, (totals.dropped.get(reason) ?? 0) + added);
    }
  }

  /** The job spoke last. */
  #touch(jobId: string, totals: JobTotals, subtasks: Map<string, Seen>): void {
    this.#jobs.delete(jobId);
    this.#jobs.set(jobId, totals);
    this.#seen.set(jobId, subtasks);
    if (this.#jobs.size <= JOBS_MAX) return;
    const oldest = this.#jobs.keys().next().value!;
    this.#jobs.delete(oldest);
    this.#seen.delete(oldest);
  }
}

/** Records that were not worked on, by reason. */
function droppedOf(metrics: SubtaskMetrics): Record<string, number> {
  return {
    late: metrics.lateRecords,
    shed: metrics.shedRecords,
    future: metrics.futureRecords,
    duplicate: metrics.duplicatesDropped,
    undecodable: metrics.deadLetters,
  };
}
