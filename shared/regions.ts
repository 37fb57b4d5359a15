/**
 * Physical plan of a job: which subtasks exist and which region each belongs to.
 *
 * Pure. A region is a connected component of the plan over pipelined edges. With `forward` and
 * `keyByLocal` edges alone every split of every source is a region with one subtask, which runs the
 * whole tree of operators behind that source as one chain.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { RegionId, SubtaskId } from "@shared/ids.ts";
import type { JobGraph, OperatorNode } from "@shared/job_graph.ts";

export interface RegionPlan {
  readonly regionId: RegionId;
  /** Union of the `near` labels of its splits. */
  readonly near: Readonly<Record<string, string>>;
  readonly subtasks: readonly SubtaskPlan[];
}

export interface SubtaskPlan {
  readonly subtaskId: SubtaskId;
  /** Source that feeds the chain. */
  readonly sourceUid: string;
  readonly splitIndex: number;
  /** Operators of the chain in topological order, the source first. */
  readonly operatorUids: readonly string[];
}

/**
 * Regions of `graph`, sorted by source order then split.
 *
 * @throws {UserError} `keyby-needs-exchange` if an edge asks for an exchange between agents.
 */
export function planRegions(graph: JobGraph): RegionPlan[] {
  const exchange = graph.edges.find((edge) => edge.kind === "keyBy");
  if (exchange !== undefined) {
    throw new UserError(
      "keyby-needs-exchange",
      `Operator "${exchange.to}" uses keyBy, which needs an exchange between agents: ` +
        `use keyByLocal and let each split hold whole keys`,
    );
  }
  return graph.operators
    .filter((node) => node.kind === "source")
    .flatMap((source) => regionsOf(graph, source));
}

function regionsOf(graph: JobGraph, source: OperatorNode): RegionPlan[] {
  const operatorUids = reachableFrom(graph, source.uid);
  const splits = source.source?.splits ?? [];
  return splits.map((split, splitIndex) => ({
    regionId: `${source.uid}.${splitIndex}` as RegionId,
    near: split.near,
    subtasks: [{
      subtaskId: `${source.uid}.${splitIndex}` as SubtaskId,
      sourceUid: source.uid,
      splitIndex,
      operatorUids,
    }],
  }));
}

/** Uids reachable over the edges, in the graph's own order. */
function reachableFrom(graph: JobGraph, start: string): string[] {
  const reached = new Set([start]);
  for (const node of graph.operators) {
    if (!reached.has(node.uid)) continue;
    for (const edge of graph.edges) if (edge.from === node.uid) reached.add(edge.to);
  }
  return graph.operators.filter((node) => reached.has(node.uid)).map((node) => node.uid);
}
