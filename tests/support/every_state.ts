/**
 * A job with every kind of state, and a snapshot of it that is a chain of deltas; for golden tests.
 *
 * @module
 */
import type { CheckpointId, Digest, SubtaskId } from "@shared/ids.ts";
import { KEY_GROUP_COUNT, type OperatorNode } from "@shared/job_graph.ts";
import {
  type GroupRange,
  KEY_HASH_ID,
  MANIFEST_VERSION,
  type SubtaskSnapshot,
} from "@shared/manifest.ts";
import { createDetectState, stepDetect } from "@shared/operators/anomaly_edges.ts";
import { zScore, type ZScoreState } from "@shared/operators/z_score.ts";
import type { DetectState } from "@shared/operators/anomaly_edges.ts";
import type { OperatorSpec } from "@shared/sdk/operator.ts";
import {
  aggregatingState,
  descriptorOf,
  listState,
  mapState,
  reducingState,
  specifyStates,
  type StateHandles,
  TIMERS_STATE,
  valueState,
} from "@shared/sdk/state.ts";
import { createStateHandles } from "../../agent/runner/state_handles.ts";
import type { KeyedState } from "../../agent/state/keyed_state.ts";
import { createKeyedState } from "../../agent/state/operator_tables.ts";
import { PiecePacker } from "../../agent/state/piece_codec.ts";

export const EVENT_MS = 1_700_000_000_000;
export const STAGE = "keyed";

interface Reading {
  readonly level: number;
}

const states = {
  last: valueState<{ level: number; tags: string[] }>(),
  recent: listState<number>({ ttl: "1h" }),
  byTag: mapState<string | number, { n: number }>(),
  highest: reducingState<number>((a, b) => Math.max(a, b)),
  mean: aggregatingState({
    initial: () => ({ n: 0, sum: 0 }),
    add: (acc, level: number) => ({ n: acc.n + 1, sum: acc.sum + level }),
    result: (acc) => acc.sum / acc.n,
  }, { ttl: "1h", ttlRefresh: "readAndWrite" }),
};
const specs = specifyStates("watch", states, null);
const detector = zScore<Reading>({ value: (reading) => reading.level, threshold: 3, warmUp: 3 });
const keyOf = (reading: { key: string }) => reading.key;

/** Operators of the keyed stage. */
export const operators: readonly OperatorNode[] = [
  node("watch", "process", [
    ...specs.map(descriptorOf),
    TIMERS_STATE,
    { name: "rules", kind: "broadcast", codecVersion: 1 },
  ]),
  node("drift", "detect", [{ name: "detector", kind: "detector", codecVersion: 1 }]),
  node("minute", "window", [{ name: "windows", kind: "window", codecVersion: 1 }, TIMERS_STATE]),
];

/** Specs of the operators whose states say more than their graph. */
export const operatorSpecs: ReadonlyMap<string, OperatorSpec> = new Map([[
  "watch",
  {
    kind: "process",
    uid: "watch",
    onError: "fail",
    keyOf,
    states: specs,
    onRecord: () => {},
    onTimer: null,
  },
]]);

function node(
  uid: string,
  kind: OperatorNode["kind"],
  states: OperatorNode["states"],
): OperatorNode {
  return { uid, kind, label: kind, isKeyed: true, states };
}

export function emptyState(): KeyedState {
  return createKeyedState(operators, operatorSpecs);
}

/** What `ctx.state` of operator `watch` is for `key`. */
export function statesOf(
  state: KeyedState,
  key: string,
  nowMs: number,
): StateHandles<typeof states> {
  const access = { table: state.table("watch"), key: () => key, nowMs: () => nowMs };
  return createStateHandles(specs, access) as StateHandles<typeof states>;
}

/** Records `from` to `to` go through all operators. */
export function feed(state: KeyedState, from: number, to: number): void {
  const [watch, drift, minute] = ["watch", "drift", "minute"].map((uid) => state.table(uid));
  for (let i = from; i < to; i++) {
    const key = i % 7 === 0 ? `größe-${i % 50}` : `pump-${i * 17 % 400}`;
    const level = (i * 37 % 100) / 4;
    const atMs = EVENT_MS + i * 1_000;
    const handles = statesOf(state, key, atMs);
    handles.last.set({ level, tags: i % 3 === 0 ? ["odd", "\ud800"] : [] });
    handles.recent.add(level);
    handles.byTag.put(i % 5, { n: i });
    handles.byTag.put(`tag-${i % 3}`, { n: (handles.byTag.get(`tag-${i % 3}`)?.n ?? 0) + 1 });
    if (i % 4 === 0) handles.byTag.remove(3);
    handles.highest.add(level);
    handles.mean.add(level);
    watch!.addTimer(key, i % 2 === 0 ? "event" : "processing", atMs + 60_000, atMs);
    const held = drift!.find(key, atMs)?.first as DetectState<ZScoreState> | undefined;
    drift!.beforeChange(key);
    const before = held ?? createDetectState(detector);
    drift!.put(key, 0, stepDetect(detector, before, { record: { level }, key, atMs }).state, atMs);
    const start = Math.floor(atMs / 60_000) * 60_000;
    const panes = { wake: start, fire: Infinity, starts: [start], accs: [{ n: i, sum: level }] };
    minute!.put(key, 0, panes, atMs);
    minute!.addTimer(key, "event", start + 59_999, atMs);
    if (i % 11 !== 0) continue;
    minute!.removeTimer(key, "event", start + 59_999);
    minute!.put(key, 0, undefined, atMs);
    handles.byTag.clear();
  }
  state.broadcast("watch").set(`limit-${to}`, { above: to });
}

/** A checkpoint of `state`, durable when this returns. */
export function checkpoint(
  state: KeyedState,
  checkpointId: number,
  pieces: Map<Digest, Uint8Array>,
  of: { readonly subtaskId: string; readonly keyGroups: GroupRange },
): SubtaskSnapshot {
  const capture = state.capture(checkpointId as CheckpointId);
  const packer = new PiecePacker();
  state.writeBroadcast(capture, packer);
  for (const group of capture.write) state.writeGroup(group, packer);
  const piece = packer.finish();
  pieces.set(piece.digest, piece.bytes);
  const refs = state.seal(capture, piece);
  state.completed(capture.checkpointId);
  return {
    version: MANIFEST_VERSION,
    subtaskId: of.subtaskId as SubtaskId,
    keyGroups: of.keyGroups,
    keyGroupCount: KEY_GROUP_COUNT,
    keyHash: KEY_HASH_ID,
    operators: operators.map(({ uid, states }) => ({
      uid,
      states: states.map(({ name, kind, codecVersion }) => ({ name, kind, codecVersion })),
      entryCount: capture.entryCounts.get(uid) ?? 0,
    })),
    splits: [],
    pieces: refs,
  };
}
