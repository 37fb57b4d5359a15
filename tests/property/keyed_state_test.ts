import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { CheckpointId, Digest } from "@shared/ids.ts";
import { groupsOf, keyGroupOf } from "@shared/key_groups.ts";
import type { PieceRef } from "@shared/manifest.ts";
import { KeyedState, type StateCapture } from "../../agent/state/keyed_state.ts";
import { OpenPiece, PiecePacker } from "../../agent/state/piece_codec.ts";
import { type LivePiece, type LiveSection, PIECES_MAX } from "../../agent/state/piece_selection.ts";
import { decodeSection } from "../../agent/state/snapshot_codec.ts";
import { StateTable, type TimeDomain } from "../../agent/state/state_table.ts";
import { sameLayout } from "../../agent/state/table_slots.ts";

const UIDS = ["a", "b"] as const;
const TTL_MS = 10;
const plainSlot = { kind: "value", codecVersion: 1, ttlMs: null, migrations: {} } as const;

type Outcome = "completed" | "aborted" | "unknown";
type Step =
  | { kind: "put"; uid: string; key: string; slot: number; value: number | undefined }
  | { kind: "touch"; key: string }
  | {
    kind: "addTimer" | "removeTimer";
    uid: string;
    key: string;
    domain: TimeDomain;
    timeMs: number;
  }
  | { kind: "wait"; ms: number }
  | { kind: "sweep" | "capture" | "restore" }
  | { kind: "take"; count: number }
  | { kind: "seal"; outcome: Outcome };

const uid = fc.constantFrom(...UIDS);
/** Keys of four groups, so that groups have enough of them for deltas. */
const KEYS = Array.from({ length: 2_000 }, (_, n) => `key-${n}`)
  .filter((key) => keyGroupOf(key) < 4).slice(0, 40);
const key = fc.constantFrom(...KEYS);
const just = (kind: "sweep" | "capture" | "restore") => fc.constant<Step>({ kind });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      uid,
      key,
      slot: fc.nat(1),
      value: fc.option(fc.nat(9), { nil: undefined }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("addTimer" as const, "removeTimer" as const),
      uid,
      key,
      domain: fc.constantFrom("processing" as const, "event" as const),
      timeMs: fc.nat(5),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("touch" as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(6) }) },
  { weight: 1, arbitrary: just("sweep") },
  { weight: 3, arbitrary: just("capture") },
  { weight: 1, arbitrary: just("restore") },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("take" as const), count: fc.nat(20) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("seal" as const),
      outcome: fc.constantFrom<Outcome>("completed", "completed", "aborted", "unknown"),
    }),
  },
);

/** `a` has one state kept for ever; `b` has two, the second with a time to live. */
function tables(): StateTable[] {
  return [
    new StateTable({ uid: "a", slotCount: 1, ttlMs: null, isMutable: false }),
    new StateTable({
      uid: "b",
      slotCount: 2,
      ttlMs: null,
      isMutable: false,
      slots: [plainSlot, { ...plainSlot, ttlMs: TTL_MS }],
    }),
  ];
}

/** Everything a reader could see at `nowMs`, as one comparable value. */
function dump(state: KeyedState, nowMs: number): unknown {
  return [...state.tables].map((table) =>
    [...table.entries()].map((entry) => [
      entry.key,
      table.ttls.map((_, slot) => table.read(entry, slot, nowMs)),
      entry.timers,
      entry.eventTimers,
    ]).filter(([, values, timers, eventTimers]) =>
      timers !== null || eventTimers !== null || (values as unknown[]).some((v) => v !== undefined)
    ).sort((x, y) => String(x[0]) < String(y[0]) ? -1 : 1)
  );
}

interface Open {
  readonly capture: StateCapture;
  readonly packer: PiecePacker;
  readonly expected: unknown;
  readonly nowMs: number;
  next: number;
}

interface Durable {
  readonly checkpointId: CheckpointId;
  readonly pieces: readonly PieceRef[];
  readonly expected: unknown;
  readonly nowMs: number;
}

/** Encodes as the runner does, in steps, with writes between. */
class Shadow {
  state = new KeyedState(tables());
  readonly store = new Map<Digest, Uint8Array>();
  deltaCount = 0;
  #nowMs = 1_000;
  #nextId = 1;
  #open: Open | null = null;
  #durable: Durable | null = null;

  apply(step: Step): void {
    switch (step.kind) {
      case "put": {
        const table = this.state.table(step.uid);
        return table.put(step.key, step.slot % table.slotCount, step.value, this.#nowMs);
      }
      case "touch": {
        const table = this.state.table("b");
        const entry = table.find(step.key, this.#nowMs);
        return entry === undefined ? undefined : table.touch(entry, 1, this.#nowMs);
      }
      case "addTimer":
        return void this.state.table(step.uid).addTimer(step.key, step.domain, step.timeMs, 0);
      case "removeTimer":
        return void this.state.table(step.uid).removeTimer(step.key, step.domain, step.timeMs);
      case "wait":
        this.#nowMs += step.ms;
        return;
      case "sweep":
        for (const table of this.state.tables) table.sweep(this.#nowMs, 1_000);
        return;
      case "capture": {
        const expected = dump(this.state, this.#nowMs);
        const capture = this.state.capture(this.#nextId++ as CheckpointId);
        this.#open = { capture, packer: new PiecePacker(), next: 0, expected, nowMs: this.#nowMs };
        return;
      }
      case "take":
        for (let i = 0; i < step.count; i++) this.#takeNext();
        return;
      case "seal":
        return this.#seal(step.outcome);
      case "restore":
        return this.#fail();
    }
  }

  #takeNext(): void {
    const at = this.#open?.capture.write[this.#open.next];
    if (at === undefined || this.#open === null) return;
    this.state.writeGroup(at, this.#open.packer);
    this.#open.next++;
  }

  #seal(outcome: Outcome): void {
    if (this.#open === null) return;
    while (this.#open.next < this.#open.capture.write.length) this.#takeNext();
    const { capture, packer, expected, nowMs } = this.#open;
    this.#open = null;
    const piece = packer.finish();
    this.deltaCount += piece.sections.filter(({ kind }) => kind === "delta").length;
    this.store.set(piece.digest, piece.bytes);
    const pieces = this.state.seal(capture, piece);
    strictEqual(pieces.length <= PIECES_MAX, true, `${pieces.length} pieces`);
    const { checkpointId } = capture;
    deepStrictEqual(dump(this.restored({ checkpointId, pieces }), nowMs), expected);
    if (outcome === "aborted") this.state.aborted(checkpointId);
    if (outcome !== "completed") return;
    this.state.completed(checkpointId);
    this.#durable = { checkpointId, pieces, expected, nowMs };
  }

  /** The process dies; another one goes on from the last durable snapshot. */
  #fail(): void {
    this.#open = null;
    if (this.#durable === null) {
      this.state = new KeyedState(tables());
      return;
    }
    this.state = this.restored(this.#durable);
    deepStrictEqual(dump(this.state, this.#durable.nowMs), this.#durable.expected);
  }

  restored({ checkpointId, pieces }: Pick<Durable, "checkpointId" | "pieces">): KeyedState {
    const state = new KeyedState(tables());
    const live: LivePiece[] = [];
    for (const { digest, bytes, sections } of pieces) {
      const interval = state.beginPiece();
      const piece = new OpenPiece(this.store.get(digest)!, digest);
      const groups = new Map<`${string}/${number}`, LiveSection>();
      for (const { kind, uid, groups: ranges } of sections) {
        if (kind !== "keyed" && kind !== "delta") continue;
        const table = state.table(uid);
        for (const group of groupsOf(ranges)) {
          const columns = decodeSection(piece.section({ kind, uid, group }), "section");
          table.load({ kind, group, columns, interval }, sameLayout(table.slotCount));
          groups.set(`${uid}/${group}`, { bytes: 40, isDelta: kind === "delta" });
        }
      }
      live.push({ digest, bytes, interval, groups });
    }
    state.adopt(checkpointId, live);
    return state;
  }
}

Deno.test("keyed state: a restored snapshot is the state of its barrier, whatever came after or was aborted (A5, C8)", () => {
  let deltaCount = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), fc.boolean(), (steps, isFull) => {
      const shadow = new Shadow();
      const keys = isFull ? KEYS : [];
      for (const key of keys) shadow.apply({ kind: "put", uid: "b", key, slot: 0, value: 1 });
      for (const step of steps) shadow.apply(step);
      shadow.apply({ kind: "capture" });
      shadow.apply({ kind: "seal", outcome: "completed" });
      deltaCount += shadow.deltaCount;
    }),
    { numRuns: 300 },
  );
  strictEqual(deltaCount > 100, true, `${deltaCount} deltas`);
});

Deno.test("keyed state: long chains of deltas stay within their bounds and restore (P9, C8)", () => {
  const many = fc.array(key, { minLength: 150, maxLength: 150 });
  fc.assert(
    fc.property(many, fc.infiniteStream(fc.nat(9)), (keys, values) => {
      const shadow = new Shadow();
      for (const key of KEYS) shadow.apply({ kind: "put", uid: "a", key, slot: 0, value: 1 });
      for (const key of keys) {
        const value = values.next().value;
        const isRemoved = value === 0;
        shadow.apply({ kind: "put", uid: "a", key, slot: 0, value: isRemoved ? undefined : value });
        shadow.apply({ kind: "capture" });
        shadow.apply({ kind: "seal", outcome: "completed" });
        if (value === 1) shadow.apply({ kind: "restore" });
      }
      strictEqual(shadow.deltaCount > 20, true, `${shadow.deltaCount} deltas`);
    }),
    { numRuns: 4 },
  );
});

Deno.test("keyed state: after a completed snapshot only entries written since are written again (P9)", () => {
  const few = fc.array(key, { maxLength: 5 });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), few, (steps, touched) => {
    const shadow = new Shadow();
    for (const one of steps) shadow.apply(one);
    for (let i = 0; i < 2_000; i++) {
      shadow.apply({ kind: "put", uid: "a", key: `k${i}`, slot: 0, value: i });
    }
    shadow.apply({ kind: "capture" });
    shadow.apply({ kind: "seal", outcome: "completed" });
    const { state } = shadow;
    const table = state.table("a");
    for (const key of touched) table.put(key, 0, 10, 1_000);
    const capture = state.capture(9_999 as CheckpointId);
    const written: string[] = [];
    for (const at of capture.write) {
      const { kind, columns } = state.take(at);
      strictEqual(kind, "delta");
      written.push(...columns.keys);
    }
    deepStrictEqual(written.sort(), [...new Set(touched)].sort());
  }));
});
