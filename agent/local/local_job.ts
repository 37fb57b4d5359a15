/**
 * All subtasks of one job on one thread: a record given to a source has run through every exchange to its
 * end when the call returns.
 *
 * Touches the clock and sinks it is given. The operators, their state and their timers are those of the
 * runner; what is missing is everything between processes: connections, attempts, frames. An exchange is a
 * call, so the order of everything follows from the order of the input.
 *
 * Each source has one split here, whatever the job says: a file is not cut into splits.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { JobGraph, OperatorNode } from "@shared/job_graph.ts";
import { planRegions } from "@shared/regions.ts";
import type { BuiltJob } from "@shared/sdk/operator.ts";
import { LocalSubtask, type LocalSubtaskPorts } from "./local_subtask.ts";

export interface LocalJobOptions extends LocalSubtaskPorts {
  /** Subtasks of each keyed stage. */
  readonly parallelism: number;
}

export class LocalJob {
  readonly #options: LocalJobOptions;
  /** In the order of the plan: sources first. */
  readonly #subtasks: readonly LocalSubtask[];
  readonly #sources: ReadonlyMap<string, LocalSubtask>;

  /** @throws {UserError} `bad-parallelism`. */
  constructor(job: BuiltJob, options: LocalJobOptions) {
    this.#options = options;
    const graph = withOneSplitEach(job.graph);
    this.#subtasks = planRegions(graph, options.parallelism).flatMap(({ regionId, subtasks }) =>
      subtasks.map((plan) => new LocalSubtask({ ...job, graph }, { plan, regionId }, options))
    );
    this.#sources = new Map(
      this.#subtasks.filter(({ plan }) => plan.sourceUid !== null)
        .map((subtask) => [subtask.plan.sourceUid!, subtask]),
    );
    for (const { timers } of this.#subtasks) timers.start();
  }

  /** The subtask that takes the records of a source. */
  source(uid: string): LocalSubtask {
    const subtask = this.#sources.get(uid);
    assert(subtask !== undefined, `The job has no source "${uid}"`);
    return subtask;
  }
}

function withOneSplitEach(graph: JobGraph): JobGraph {
  return { ...graph, operators: graph.operators.map(withOneSplit) };
}

function withOneSplit(node: OperatorNode): OperatorNode {
  if (node.source === undefined) return node;
  return { ...node, source: { ...node.source, splits: node.source.splits.slice(0, 1) } };
}
