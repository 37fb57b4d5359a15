import { deepStrictEqual, match, rejects } from "node:assert/strict";
import type { CheckpointId, Digest, SubtaskId } from "@shared/ids.ts";
import { KEY_GROUP_COUNT, type OperatorNode } from "@shared/job_graph.ts";
import { KEY_HASH_ID, MANIFEST_VERSION, type SubtaskSnapshot } from "@shared/manifest.ts";
import { judgeCompatibility } from "@shared/state_compatibility.ts";
import {
  descriptorOf,
  listState,
  mapState,
  specifyStates,
  type StateDeclarations,
  type StateHandles,
  valueState,
} from "@shared/sdk/state.ts";
import type { OperatorSpec } from "@shared/sdk/operator.ts";
import { createStateHandles } from "../../agent/runner/state_handles.ts";
import type { KeyedState } from "../../agent/state/keyed_state.ts";
import { createKeyedState } from "../../agent/state/operator_tables.ts";
import { PiecePacker } from "../../agent/state/piece_codec.ts";
import { restoreState } from "../support/restored_state.ts";

const EVERY_GROUP = [0, KEY_GROUP_COUNT - 1] as const;

/** One operator `op` with the given states, at one version of its job. */
class Version<States extends StateDeclarations> {
  readonly node: OperatorNode;
  readonly state: KeyedState;
  readonly handles: StateHandles<States>;

  constructor(states: States) {
    const specs = specifyStates("op", states, null);
    this.node = {
      uid: "op",
      kind: "process",
      label: "process",
      isKeyed: true,
      states: specs.map(descriptorOf),
    };
    const spec: OperatorSpec = {
      kind: "process",
      uid: "op",
      onError: "fail",
      keyOf: () => "k",
      states: specs,
      onRecord: () => {},
      onTimer: null,
    };
    this.state = createKeyedState([this.node], new Map([["op", spec]]));
    const access = { table: this.state.table("op"), key: () => "k", nowMs: () => 0 };
    this.handles = createStateHandles(specs, access) as StateHandles<States>;
  }

  /** Its state as a snapshot, which is durable then. */
  snapshot(pieces: Map<Digest, Uint8Array>, checkpointId = 1): SubtaskSnapshot {
    const capture = this.state.capture(checkpointId as CheckpointId);
    const packer = new PiecePacker();
    for (const group of capture.write) this.state.writeGroup(group, packer);
    const piece = packer.finish();
    pieces.set(piece.digest, piece.bytes);
    const refs = this.state.seal(capture, piece);
    this.state.completed(capture.checkpointId);
    const states = this.node.states.map(({ name, kind, codecVersion }) => (
      { name, kind, codecVersion }
    ));
    return {
      version: MANIFEST_VERSION,
      subtaskId: "s.0" as SubtaskId,
      keyGroups: EVERY_GROUP,
      keyGroupCount: KEY_GROUP_COUNT,
      keyHash: KEY_HASH_ID,
      operators: [{ uid: "op", states, entryCount: 1 }],
      splits: [],
      pieces: refs,
    };
  }

  async restore(
    snapshot: SubtaskSnapshot,
    pieces: ReadonlyMap<Digest, Uint8Array>,
    allowNonRestoredState = false,
  ): Promise<this> {
    const checkpointId = 1 as CheckpointId;
    const request = {
      checkpointId,
      isSavepoint: true,
      snapshots: [snapshot],
      allowNonRestoredState,
    };
    await restoreState(this.state, {
      stage: "s",
      index: 0,
      keyGroups: EVERY_GROUP,
      operators: [this.node],
      request,
      pieces,
    });
    return this;
  }
}

const first = {
  sum: valueState<number>(),
  items: listState<number>(),
  byName: mapState<string, number>(),
};

function firstSnapshot(pieces: Map<Digest, Uint8Array>): SubtaskSnapshot {
  const version = new Version(first);
  version.handles.sum.set(5);
  version.handles.items.addAll([1, 2]);
  version.handles.byName.put("a", 7);
  return version.snapshot(pieces);
}

Deno.test("migration: values, items and map values go step by step to the version of now (S3)", async () => {
  const pieces = new Map<Digest, Uint8Array>();
  const third = new Version({
    sum: valueState<{ sum: number; n: number }>({
      codecVersion: 3,
      migrate: { 1: (sum: number) => ({ sum }), 2: (old: { sum: number }) => ({ ...old, n: 1 }) },
    }),
    items: listState<string>({ codecVersion: 2, migrate: { 1: String } }),
    byName: mapState<string, { n: number }>({
      codecVersion: 2,
      migrate: { 1: (n: number) => ({ n }) },
    }),
  });
  const snapshot = firstSnapshot(pieces);
  const [judged] = judgeCompatibility([snapshot], { operators: [third.node] });
  deepStrictEqual(judged!.compatibility, "migrates");
  const { handles } = await third.restore(snapshot, pieces);
  const seen = () => [handles.sum.get(), handles.items.get(), [...handles.byName.entries()]];
  const expected = [{ sum: 5, n: 1 }, ["1", "2"], [["a", { n: 7 }]]];
  deepStrictEqual(seen(), expected);
  const again = third.snapshot(pieces, 2);
  deepStrictEqual(again.pieces.length, 1, "what was migrated is written again");
  handles.sum.clear();
  await third.restore(again, pieces);
  deepStrictEqual(seen(), expected);
});

Deno.test("migration: a missing step is refused before anything is loaded (S3)", async () => {
  const pieces = new Map<Digest, Uint8Array>();
  const next = new Version({
    ...first,
    sum: valueState<number>({ codecVersion: 3, migrate: { 2: (n: number) => n } }),
  });
  await rejects(next.restore(firstSnapshot(pieces), pieces), (error: Error) => {
    match(error.message, /State "sum" is value v1: want value v3, and a migration .* is missing/);
    return true;
  });
  deepStrictEqual(next.state.size, 0);
});

Deno.test("migration: a state that is gone is refused, or left behind when that is allowed (S2)", async () => {
  const pieces = new Map<Digest, Uint8Array>();
  const less = () => new Version({ items: first.items });
  const snapshot = firstSnapshot(pieces);
  await rejects(less().restore(snapshot, pieces), { code: "state-not-restored" });
  const { handles } = await less().restore(snapshot, pieces, true);
  deepStrictEqual(handles.items.get(), [1, 2]);
});

Deno.test("migration: what an author's migration throws fails the restore and says from where", async () => {
  const pieces = new Map<Digest, Uint8Array>();
  const next = new Version({
    ...first,
    sum: valueState<number>({
      codecVersion: 2,
      migrate: {
        1: () => {
          throw new Error("no way");
        },
      },
    }),
  });
  await rejects(next.restore(firstSnapshot(pieces), pieces), {
    code: "migration-failed",
    message: "Cannot migrate state from version 1 to 2: no way",
  });
});
