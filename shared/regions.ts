/**
 * Physical plan of a job: which subtasks exist, what flows between them, and which region each belongs to.
 *
 * Pure. Exchange edges (`keyBy`, `broadcast`) cut the graph into stages. A source stage has one subtask
 * for each split; a keyed stage has `parallelism` subtasks, each with a range of key groups. Between two
 * subtasks runs at most one channel, whatever the number of edges it carries. A region is a connected
 * component over channels: without exchange, every split is a region of its own.
 *
 * Invariants (shared/regions_test.ts):
 *
 *   1  Ids do not depend on the parallelism, but for the index of a keyed subtask.
 *   2  The ranges of a keyed stage are disjoint, ascending, and cover every key group (S1).
 *   3  Two subtasks with a channel between them are in one region.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { RegionId, SubtaskId } from "@shared/ids.ts";
import {
  type GraphEdge,
  isExchange,
  type JobGraph,
  KEY_GROUP_COUNT,
  type OperatorNode,
} from "@shared/job_graph.ts";
import type { GroupRange } from "@shared/manifest.ts";

export interface RegionPlan {
  readonly regionId: RegionId;
  /** Union of the `near` labels of its splits. */
  readonly near: Readonly<Record<string, string>>;
  readonly subtasks: readonly SubtaskPlan[];
}

export interface SubtaskPlan {
  readonly subtaskId: SubtaskId;
  /** Source that feeds the chain; null when only channels do. */
  readonly sourceUid: string | null;
  /** Split of the source, or the index within the keyed stage. */
  readonly splitIndex: number;
  /** Operators of the chain in topological order, a source first. */
  readonly operatorUids: readonly string[];
  /** Key groups this subtask owns; null when its state is local to its split. */
  readonly keyGroups: GroupRange | null;
  /** Subtasks that send to this one, one channel each; the index is the channel's. */
  readonly inputs: readonly SubtaskId[];
  readonly outputs: readonly OutputPlan[];
}

/** One exchange edge that leaves a subtask. */
export interface OutputPlan {
  /** Index in `graph.edges`. */
  readonly edge: number;
  /** Of `keyBy`: in the order of their key groups. Of `broadcast`: all of them get every record. */
  readonly targets: readonly SubtaskId[];
}

/** Subtasks of keyed stages unless the deployment says otherwise: one for each split of the largest source. */
export function defaultParallelism(graph: JobGraph): number {
  const splits = graph.operators.map((node) => node.source?.splits.length ?? 0);
  return Math.min(KEY_GROUP_COUNT, Math.max(1, ...splits));
}

/** Key groups of subtask `index` of `parallelism`, inclusive. */
export function keyGroupRange(index: number, parallelism: number): GroupRange {
  const from = Math.ceil(index * KEY_GROUP_COUNT / parallelism);
  const to = Math.ceil((index + 1) * KEY_GROUP_COUNT / parallelism) - 1;
  return [from, to];
}

/** Index of the subtask that owns `group`. */
export function ownerOfGroup(group: number, parallelism: number): number {
  return Math.floor(group * parallelism / KEY_GROUP_COUNT);
}

/**
 * Regions of `graph`, sorted by their first subtask: sources in graph order, then splits.
 *
 * @param parallelism Subtasks of each keyed stage, 1..128.
 * @throws {UserError} `bad-parallelism`.
 */
export function planRegions(
  graph: JobGraph,
  parallelism: number = defaultParallelism(graph),
): RegionPlan[] {
  if (!Number.isInteger(parallelism) || parallelism < 1 || parallelism > KEY_GROUP_COUNT) {
    throw new UserError(
      "bad-parallelism",
      `parallelism is ${parallelism}: want a whole number from 1 to ${KEY_GROUP_COUNT}`,
    );
  }
  const stages = stagesOf(graph);
  const ids = new Map(stages.map((stage) => [stage, subtaskIdsOf(stage, parallelism)]));
  const subtasks = stages.flatMap((stage) =>
    ids.get(stage)!.map((subtaskId, index): SubtaskPlan => ({
      subtaskId,
      sourceUid: stage.source?.uid ?? null,
      splitIndex: index,
      operatorUids: stage.operatorUids,
      keyGroups: stage.source === null ? keyGroupRange(index, parallelism) : null,
      inputs: stages
        .filter((from) => from.outEdges.some(({ edge }) => stage.operatorUids.includes(edge.to)))
        .flatMap((from) => ids.get(from)!),
      outputs: stage.outEdges.map(({ edge, index }) => ({
        edge: index,
        targets: stages
          .filter((to) => to.operatorUids.includes(edge.to))
          .flatMap((to) => ids.get(to)!),
      })),
    }))
  );
  return componentsOf(subtasks).map((members) => regionOf(graph, members));
}

interface Stage {
  /** Null for a keyed stage. */
  readonly source: OperatorNode | null;
  /** Uid that names its subtasks. */
  readonly headUid: string;
  readonly operatorUids: readonly string[];
  readonly outEdges: readonly { readonly edge: GraphEdge; readonly index: number }[];
}

function stagesOf(graph: JobGraph): Stage[] {
  const keyedHeads = new Set(
    graph.edges.filter((edge) => edge.kind === "keyBy").map((edge) => edge.to),
  );
  return graph.operators
    .filter((node) => node.kind === "source" || keyedHeads.has(node.uid))
    .map((node) => {
      const operatorUids = operatorsOfStage(graph, node.uid);
      const outEdges = graph.edges
        .map((edge, index) => ({ edge, index }))
        .filter(({ edge }) => isExchange(edge) && operatorUids.includes(edge.from));
      const source = node.kind === "source" ? node : null;
      return { source, headUid: node.uid, operatorUids, outEdges };
    });
}

function subtaskIdsOf({ source, headUid }: Stage, parallelism: number): SubtaskId[] {
  const count = source === null ? parallelism : source.source?.splits.length ?? 0;
  return Array.from({ length: count }, (_, index) => `${headUid}.${index}` as SubtaskId);
}

/** Uid of the operator that names the stage of `subtaskId`. */
export function stageOf(subtaskId: SubtaskId): string {
  return subtaskId.slice(0, subtaskId.lastIndexOf("."));
}

/** Uids of the stage that `headUid` names: reachable without an exchange, in the graph's own order. */
export function operatorsOfStage(graph: JobGraph, headUid: string): string[] {
  const reached = new Set([headUid]);
  for (const node of graph.operators) {
    if (!reached.has(node.uid)) continue;
    for (const edge of graph.edges) {
      if (edge.from === node.uid && !isExchange(edge)) reached.add(edge.to);
    }
  }
  return graph.operators.filter((node) => reached.has(node.uid)).map((node) => node.uid);
}

/** Groups subtasks that channels connect, each group and the groups in the order of `subtasks`. */
function componentsOf(subtasks: readonly SubtaskPlan[]): SubtaskPlan[][] {
  const root = new Map<SubtaskId, SubtaskId>(
    subtasks.map(({ subtaskId }) => [subtaskId, subtaskId]),
  );
  const find = (id: SubtaskId): SubtaskId => {
    let at = id;
    while (root.get(at) !== at) at = root.get(at)!;
    return at;
  };
  for (const { subtaskId, inputs } of subtasks) {
    for (const input of inputs) root.set(find(subtaskId), find(input));
  }
  const members = new Map<SubtaskId, SubtaskPlan[]>();
  for (const subtask of subtasks) {
    const key = find(subtask.subtaskId);
    members.set(key, [...members.get(key) ?? [], subtask]);
  }
  return [...members.values()];
}

/** A region is named after its first subtask, which is of a source: its id survives a rescale. */
function regionOf(graph: JobGraph, members: readonly SubtaskPlan[]): RegionPlan {
  const near: Record<string, string> = {};
  for (const { sourceUid, splitIndex } of members) {
    if (sourceUid === null) continue;
    const node = graph.operators.find(({ uid }) => uid === sourceUid);
    Object.assign(near, node?.source?.splits[splitIndex]?.near);
  }
  return { regionId: members[0]!.subtaskId as string as RegionId, near, subtasks: members };
}
