import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { CheckpointId, Digest } from "@shared/ids.ts";
import { KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import { keyGroupOf } from "@shared/key_groups.ts";
import type { GroupRange, SubtaskSnapshot } from "@shared/manifest.ts";
import type { DetectState } from "@shared/operators/anomaly_edges.ts";
import type { ZScoreState } from "@shared/operators/z_score.ts";
import type { KeyedState } from "../../agent/state/keyed_state.ts";
import type { StateTable } from "../../agent/state/state_table.ts";
import { digestsOfTable, StateReader } from "../../agent/state/state_reader.ts";
import {
  checkpoint,
  emptyState,
  EVENT_MS,
  feed,
  operators,
  STAGE,
  statesOf,
} from "../support/every_state.ts";
import { restoreState } from "../support/restored_state.ts";

/** A snapshot as it was stored: whatever changes, it has to be restored for ever. */
interface Stored {
  readonly snapshots: readonly SubtaskSnapshot[];
  readonly pieces: Readonly<Record<string, string>>;
  readonly digests: Readonly<Record<string, string>>;
}

const file = new URL("snapshots/every_state_2.json", import.meta.url);
const PARALLELISMS = [1, 2, 3];

function rangesFor(parallelism: number): GroupRange[] {
  return Array.from({ length: parallelism }, (_, i) => [
    Math.ceil(i * KEY_GROUP_COUNT / parallelism),
    Math.ceil((i + 1) * KEY_GROUP_COUNT / parallelism) - 1,
  ]);
}

/** What each of `parallelism` subtasks makes of the snapshots. */
async function restored(
  snapshots: readonly SubtaskSnapshot[],
  pieces: ReadonlyMap<Digest, Uint8Array>,
  parallelism: number,
): Promise<KeyedState[]> {
  return await Promise.all(
    rangesFor(parallelism).map(async (keyGroups, index) => {
      const state = emptyState();
      const request = { checkpointId: 9 as CheckpointId, isSavepoint: false, snapshots };
      await restoreState(state, { stage: STAGE, index, keyGroups, operators, request, pieces });
      return state;
    }),
  );
}

/** Digests of all key groups of all subtasks; a group that two of them hold fails the test. */
function digestsOf(states: readonly KeyedState[]): Record<string, string> {
  const digests: Record<string, string> = {};
  for (const state of states) {
    for (const table of state.tables) {
      for (const [id, digest] of digestsOfTable(table)) {
        strictEqual(id in digests, false, `${id} is in two subtasks`);
        digests[id] = digest;
      }
    }
  }
  return Object.fromEntries(Object.entries(digests).sort());
}

async function stored(): Promise<Stored & { bytes: Map<Digest, Uint8Array> }> {
  const read = JSON.parse(await Deno.readTextFile(file)) as Stored;
  const bytes = new Map(
    Object.entries(read.pieces).map(([digest, text]) => [
      digest as Digest,
      Uint8Array.from(atob(text), (character) => character.charCodeAt(0)),
    ]),
  );
  return { ...read, bytes };
}

/** Two subtasks, each a chain of a whole section and deltas. */
function makeSnapshots(pieces: Map<Digest, Uint8Array>): SubtaskSnapshot[] {
  const states = rangesFor(2).map(() => emptyState());
  let snapshots: SubtaskSnapshot[] = [];
  for (let checkpointId = 1; checkpointId <= 5; checkpointId++) {
    const [from, to] = checkpointId === 1 ? [0, 2_000] : [
      2_000 + checkpointId * 100,
      2_040 + checkpointId * 100,
    ];
    snapshots = states.map((state, i) => {
      const keyGroups = rangesFor(2)[i]!;
      feed(state, from, to);
      for (const table of state.tables) dropForeign(table, keyGroups);
      const subtaskId = `${STAGE}.${i}`;
      return checkpoint(state, checkpointId, pieces, { subtaskId, keyGroups });
    });
  }
  return snapshots;
}

/** Every subtask is fed all records: what is not of its key groups goes. */
function dropForeign(
  table: StateTable,
  [from, to]: GroupRange,
): void {
  for (const { key, timers, eventTimers } of [...table.entries()]) {
    const group = keyGroupOf(key);
    if (from <= group && group <= to) continue;
    for (const timeMs of timers ?? []) table.removeTimer(key, "processing", timeMs);
    for (const timeMs of eventTimers ?? []) table.removeTimer(key, "event", timeMs);
    for (let slot = 0; slot < table.slotCount; slot++) table.put(key, slot, undefined, 0);
  }
}

Deno.test("golden: a stored snapshot of every kind of state restores alike at 1, 2 and 3 subtasks (C8, S1)", async () => {
  const { snapshots, bytes, digests } = await stored();
  const reader = new StateReader(snapshots, bytes);
  deepStrictEqual(Object.fromEntries([...reader.digests()].sort()), digests);
  for (const parallelism of PARALLELISMS) {
    const states = await restored(snapshots, bytes, parallelism);
    deepStrictEqual(digestsOf(states), digests, `at ${parallelism} subtasks`);
    for (const state of states) {
      deepStrictEqual(new Map(state.broadcast("watch").entries()), reader.broadcast("watch"));
    }
  }
});

Deno.test("golden: what authors see of a stored snapshot is what they had put in (C8)", async () => {
  const { snapshots, bytes } = await stored();
  const [state] = await restored(snapshots, bytes, 1);
  const nowMs = EVENT_MS + 1_800_000;
  const pump = statesOf(state!, "pump-77", nowMs);
  deepStrictEqual(pump.last.get(), { level: 24.25, tags: ["odd", "\ud800"] });
  deepStrictEqual(pump.recent.get(), [24.25, 24.25, 24.25, 24.25]);
  deepStrictEqual(
    new Map(pump.byTag.entries()),
    new Map<string | number, { n: number }>([
      ["tag-0", { n: 1 }],
      ["tag-2", { n: 1 }],
      [1, { n: 1581 }],
    ]),
  );
  const other = statesOf(state!, "größe-7", nowMs);
  deepStrictEqual(other.recent.get(), [14.75, 2.25, 14.75, 2.25, 14.75, 2.25]);
  deepStrictEqual([other.highest.get(), other.mean.get()], [14.75, 8.5]);
  const drift = state!.table("drift").find("größe-7", nowMs)?.first as DetectState<ZScoreState>;
  deepStrictEqual([drift.detector.count, drift.detector.variance], [6, 39.0625]);
  const { timers } = state!.table("watch").find("pump-77", nowMs)!;
  deepStrictEqual(timers, [441, 841, 1241, 1641].map((s) => EVENT_MS + s * 1_000));
  const { eventTimers } = state!.table("minute").find("pump-77", nowMs)!;
  deepStrictEqual(eventTimers, [399_999, 1_239_999, 1_599_999].map((ms) => EVENT_MS + ms));
});

Deno.test("state: a snapshot of every kind of state restores alike at another parallelism, and again (C8)", async () => {
  const pieces = new Map<Digest, Uint8Array>();
  const snapshots = makeSnapshots(pieces);
  const kinds = snapshots.flatMap((one) => one.pieces.flatMap((piece) => piece.sections))
    .map(({ kind }) => kind);
  deepStrictEqual(new Set(kinds), new Set(["broadcast", "keyed", "delta"]));
  const digests = Object.fromEntries([...new StateReader(snapshots, pieces).digests()].sort());
  for (const parallelism of PARALLELISMS) {
    const states = await restored(snapshots, pieces, parallelism);
    deepStrictEqual(digestsOf(states), digests, `at ${parallelism} subtasks`);
    const again = states.map((state, i) =>
      checkpoint(state, 20, pieces, {
        subtaskId: `${STAGE}.${i}`,
        keyGroups: rangesFor(parallelism)[i]!,
      })
    );
    deepStrictEqual(digestsOf(await restored(again, pieces, 2)), digests);
  }
});

// Run as a program it stores a snapshot anew: for a new version beside the old ones, never in their place.
if (import.meta.main) {
  const pieces = new Map<Digest, Uint8Array>();
  const snapshots = makeSnapshots(pieces);
  const named = new Set(snapshots.flatMap((one) => one.pieces.map(({ digest }) => digest)));
  const content: Stored = {
    snapshots,
    pieces: Object.fromEntries(
      [...pieces].filter(([digest]) => named.has(digest)).map(([digest, bytes]) => [
        digest,
        btoa(String.fromCharCode(...bytes)),
      ]),
    ),
    digests: Object.fromEntries([...new StateReader(snapshots, pieces).digests()].sort()),
  };
  await Deno.writeTextFile(file, JSON.stringify(content, null, 1) + "\n");
}
