import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { CheckpointId, Digest } from "@shared/ids.ts";
import { groupsOf } from "@shared/key_groups.ts";
import type { PieceRef } from "@shared/manifest.ts";
import { KeyedState } from "../../agent/state/keyed_state.ts";
import { OpenPiece, PiecePacker } from "../../agent/state/piece_codec.ts";
import { PIECES_MAX } from "../../agent/state/piece_selection.ts";
import { decodeSection, encodeSection } from "../../agent/state/snapshot_codec.ts";
import { StateTable, type TimeDomain } from "../../agent/state/state_table.ts";

const UIDS = ["a", "b"] as const;

type Step =
  | { kind: "put"; uid: string; key: string; value: number | undefined }
  | {
    kind: "addTimer" | "removeTimer";
    uid: string;
    key: string;
    domain: TimeDomain;
    timeMs: number;
  }
  | { kind: "capture" }
  | { kind: "take"; count: number }
  | { kind: "seal"; outcome: "completed" | "aborted" | "unknown" };

const uid = fc.constantFrom(...UIDS);
const key = fc.nat(40).map((n) => `key-${n}`);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      uid,
      key,
      value: fc.option(fc.nat(9), { nil: undefined }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("addTimer" as const, "removeTimer" as const),
      uid,
      key,
      domain: fc.constantFrom("processing" as const, "event" as const),
      timeMs: fc.nat(5),
    }),
  },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: "capture" }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("take" as const), count: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("seal" as const),
      outcome: fc.constantFrom("completed" as const, "aborted" as const, "unknown" as const),
    }),
  },
);

function tables(): StateTable[] {
  return UIDS.map((uid) => new StateTable({ uid, slotCount: 1, ttlMs: null, isMutable: false }));
}

/** Everything a reader could see, as one comparable value. */
function dump(state: KeyedState): unknown {
  return [...state.tables].map((table) =>
    [...table.entries()]
      .map(({ key, first, timers, eventTimers }) => [key, first, timers, eventTimers])
      .sort((a, b) => String(a[0]) < String(b[0]) ? -1 : 1)
  );
}

/** Encodes as the runner does, in steps, with writes between. */
class Shadow {
  readonly state = new KeyedState(tables());
  readonly store = new Map<Digest, Uint8Array>();
  #nextId = 1;
  #open: {
    capture: ReturnType<KeyedState["capture"]>;
    packer: PiecePacker;
    next: number;
    expected: unknown;
  } | null = null;

  apply(step: Step): void {
    switch (step.kind) {
      case "put":
        return this.state.table(step.uid).put(step.key, 0, step.value, 0);
      case "addTimer":
        return void this.state.table(step.uid).addTimer(step.key, step.domain, step.timeMs, 0);
      case "removeTimer":
        return void this.state.table(step.uid).removeTimer(step.key, step.domain, step.timeMs);
      case "capture": {
        const expected = dump(this.state);
        const capture = this.state.capture(this.#nextId++ as CheckpointId);
        this.#open = { capture, packer: new PiecePacker(), next: 0, expected };
        return;
      }
      case "take":
        for (let i = 0; i < step.count; i++) this.#takeNext();
        return;
      case "seal":
        return this.#seal(step.outcome);
    }
  }

  #takeNext(): void {
    const at = this.#open?.capture.write[this.#open.next];
    if (at === undefined || this.#open === null) return;
    const plain = encodeSection(this.state.take(at.uid, at.group), at.uid);
    this.#open.packer.add({ kind: "keyed", ...at }, plain);
    this.#open.next++;
  }

  #seal(outcome: "completed" | "aborted" | "unknown"): void {
    if (this.#open === null) return;
    while (this.#open.next < this.#open.capture.write.length) this.#takeNext();
    const { capture, packer, expected } = this.#open;
    this.#open = null;
    const piece = packer.finish();
    this.store.set(piece.digest, piece.bytes);
    const pieces = this.state.seal(capture, piece);
    strictEqual(pieces.length <= PIECES_MAX, true, `${pieces.length} pieces`);
    deepStrictEqual(dump(this.restore(pieces)), expected);
    if (outcome === "completed") this.state.completed(capture.checkpointId);
    if (outcome === "aborted") this.state.aborted(capture.checkpointId);
  }

  restore(pieces: readonly PieceRef[]): KeyedState {
    const state = new KeyedState(tables());
    for (const { digest, sections } of pieces) {
      const piece = new OpenPiece(this.store.get(digest)!, digest);
      for (const { kind, uid, groups } of sections) {
        for (const group of groupsOf(groups)) {
          const columns = decodeSection(piece.section({ kind, uid, group }), "section");
          state.table(uid).load(group, columns, [0]);
        }
      }
    }
    return state;
  }
}

Deno.test("keyed state: a restored snapshot is the state of its barrier, whatever came after or was aborted (A5, C8)", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const shadow = new Shadow();
      for (const step of [...steps, { kind: "capture" }, { kind: "seal", outcome: "completed" }]) {
        shadow.apply(step as Step);
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("keyed state: after a completed snapshot only groups written since are written again (P9)", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), fc.array(key), (steps, touched) => {
    const shadow = new Shadow();
    for (const one of steps) shadow.apply(one);
    shadow.apply({ kind: "capture" });
    shadow.apply({ kind: "seal", outcome: "completed" });
    const { state } = shadow;
    for (const key of touched) state.table("a").put(key, 0, 10, 0);
    const capture = state.capture(999 as CheckpointId);
    const groups = new Set(
      touched.map((key) => {
        const probe = new StateTable({ uid: "p", slotCount: 1, ttlMs: null, isMutable: false });
        probe.put(key, 0, 1, 0);
        return probe.presentGroups()[0]!;
      }),
    );
    deepStrictEqual(
      capture.write.map(({ uid, group }) => `${uid}/${group}`),
      [...groups].sort((a, b) => a - b).map((group) => `a/${group}`),
    );
  }));
});
