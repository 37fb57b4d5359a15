/**
 * All subtasks of one job on one thread: a record given to a source has run through every exchange to its
 * end when the call returns.
 *
 * Touches the clock and sinks it is given. The operators, their state, their timers and their event time are
 * those of the runner; what is missing is everything between processes: connections, attempts, frames. An
 * exchange is a call, so the order of everything follows from the order of the input. Wall-clock time is the
 * latest event time seen.
 *
 * Each source has one split here, whatever the job says: a file is not cut into splits.
 *
 * Invariants (agent/local/testing_test.ts):
 *
 *   1  A watermark leaves a subtask behind the records that came before it.
 *   2  Timers that a record's time makes due fire before the record.
 *   3  At the end every timer that was set by then has fired once, and every window is closed.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { SubtaskId } from "@shared/ids.ts";
import type { JobGraph, OperatorNode } from "@shared/job_graph.ts";
import { planRegions, type RegionPlan } from "@shared/regions.ts";
import type { BuiltJob } from "@shared/sdk/operator.ts";
import { MAX_WATERMARK_MS } from "../runner/watermarks.ts";
import { LocalSource } from "./local_source.ts";
import { LocalSubtask, type LocalSubtaskPorts } from "./local_subtask.ts";

export interface LocalJobOptions extends LocalSubtaskPorts {
  /** Subtasks of each keyed stage. */
  readonly parallelism: number;
}

export class LocalJob {
  readonly #options: LocalJobOptions;
  /** In the order of the plan: behind those they get records from. */
  readonly subtasks: readonly LocalSubtask[];
  readonly #sources: ReadonlyMap<string, LocalSource>;

  /** @throws {UserError} `bad-parallelism`. */
  constructor(job: BuiltJob, options: LocalJobOptions) {
    this.#options = options;
    const local = { ...job, graph: withOneSplitEach(job.graph) };
    this.subtasks = planRegions(local.graph, options.parallelism)
      .flatMap((region) => createRegion(local, region, options));
    const sources = this.subtasks.filter(({ plan }) => plan.sourceUid !== null);
    this.#sources = new Map(
      sources.map((subtask) => [
        subtask.plan.sourceUid!,
        new LocalSource(subtask, local, options.clock),
      ]),
    );
  }

  /** Lets timers fire from now on, those in the past first. */
  start(): void {
    for (const { timers } of this.subtasks) timers.start();
  }

  get sourceUids(): string[] {
    return [...this.#sources.keys()];
  }

  /** Where the records of a source go in. */
  source(uid: string): LocalSource {
    const source = this.#sources.get(uid);
    assert(source !== undefined, `The job has no source "${uid}"`);
    return source;
  }

  /** Moves the wall clock on; what is due fires. @throws What an operator threw. */
  advanceTo(ms: number): void {
    this.#options.clock.advanceTo(ms);
    this.sweep();
  }

  /** Drops expired state, and lets silent keys go on. @throws What an operator threw. */
  sweep(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const subtask of this.subtasks) subtask.tick(nowMs);
  }

  /** State of one key of an operator; undefined when there is none. */
  stateOf(node: OperatorNode, key: string): unknown {
    for (const subtask of this.subtasks) {
      if (!subtask.plan.operatorUids.includes(node.uid)) continue;
      const value = subtask.stateOf(node, key);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** Records set aside by operators. */
  get deadLetterCount(): number {
    return this.subtasks.reduce((sum, { deadLetters }) => sum + deadLetters.count, 0);
  }

  /** Records that came too late for their windows. */
  get lateCount(): number {
    return this.subtasks.flatMap(({ chain }) => chain.counts)
      .reduce((sum, { lateRecords }) => sum + lateRecords, 0);
  }

  /**
   * The input is over: timers that are set fire, then event time comes to its end, which closes every window.
   *
   * @throws What an operator threw.
   */
  drain(): void {
    const lastMs = Math.max(...this.subtasks.map((subtask) => subtask.lastTimerMs()));
    if (lastMs < MAX_WATERMARK_MS) this.advanceTo(lastMs);
    for (const source of this.#sources.values()) source.end();
  }
}

/**
 * When the clock of a local job begins: with the first record, if records carry their time.
 *
 * @param otherwiseMs The beginning for a job whose records do not.
 */
export function startTimeOf(job: BuiltJob, otherwiseMs: number): number {
  const hasEventTime = [...job.operators.values()].some((spec) =>
    spec.kind === "source" && spec.source.eventTime !== null
  );
  return hasEventTime ? 0 : otherwiseMs;
}

function createRegion(
  job: BuiltJob,
  { regionId, subtasks: plans }: RegionPlan,
  ports: LocalSubtaskPorts,
): LocalSubtask[] {
  const subtasks = new Map<SubtaskId, LocalSubtask>();
  // A subtask is made behind those it sends to, so that an exchange is a call of something that is there.
  const targetOf = (id: SubtaskId): LocalSubtask => {
    const made = subtasks.get(id);
    if (made !== undefined) return made;
    const ordinal = plans.findIndex(({ subtaskId }) => subtaskId === id);
    const subtask = new LocalSubtask(job, {
      plan: plans[ordinal]!,
      ordinal,
      regionId,
      targetOf,
    }, ports);
    subtasks.set(id, subtask);
    return subtask;
  };
  return plans.map(({ subtaskId }) => targetOf(subtaskId));
}

function withOneSplitEach(graph: JobGraph): JobGraph {
  return { ...graph, operators: graph.operators.map(withOneSplit) };
}

function withOneSplit(node: OperatorNode): OperatorNode {
  if (node.source === undefined) return node;
  return { ...node, source: { ...node.source, splits: node.source.splits.slice(0, 1) } };
}
