import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { Digest } from "@shared/ids.ts";
import {
  DELTA_BYTES_SHARE,
  type GroupId,
  type LivePiece,
  type LiveSection,
  PIECES_MAX,
  selectPieces,
  withoutGroups,
} from "../../agent/state/piece_selection.ts";

const GROUPS = Array.from({ length: 12 }, (_, i): GroupId => `op/${i}`);
const SECTION_OVERHEAD_BYTES = 20;

/** Bytes that change in each group between two snapshots; 0 for a group that is left alone. */
const round = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3_000 })), {
  minLength: GROUPS.length,
  maxLength: GROUPS.length,
});

/** A sequence of snapshots, each the base of the next. */
class Snapshots {
  pieces: LivePiece[] = [];
  written = 0;
  changed = 0;
  #interval = 0;

  take(changes: readonly number[]): void {
    const interval = ++this.#interval;
    const isChanged = (id: GroupId) => this.pieces.length === 0 || changes[GROUPS.indexOf(id)]! > 0;
    const { write, keep } = selectPieces(this.pieces, GROUPS, isChanged);
    const groups = new Map<GroupId, LiveSection>();
    for (const { id, since } of write) {
      const change = changes[GROUPS.indexOf(id)]!;
      this.changed += change;
      const merged = since === null ? 0 : this.#bytesSince(id, since);
      const bytes = since === null ? 10_000 : change + merged + SECTION_OVERHEAD_BYTES;
      groups.set(id, { bytes, isDelta: since !== null });
      this.written += bytes;
    }
    const bytes = [...groups.values()].reduce((sum, section) => sum + section.bytes, 100);
    const fresh = { digest: `d${interval}` as Digest, bytes, interval, groups };
    this.pieces = [...keep, fresh];
    this.#check(write.map(({ id }) => id), isChanged);
  }

  #bytesSince(id: GroupId, since: number): number {
    let bytes = 0;
    for (const { interval, groups } of this.pieces) {
      if (interval > since) bytes += groups.get(id)?.bytes ?? 0;
    }
    return bytes;
  }

  #check(written: readonly GroupId[], isChanged: (id: GroupId) => boolean): void {
    strictEqual(this.pieces.length <= PIECES_MAX, true, `${this.pieces.length} pieces`);
    for (const id of GROUPS) {
      if (isChanged(id)) strictEqual(written.includes(id), true, `${id} changed`);
      const chain = this.pieces.flatMap(({ groups }) => groups.get(id) ?? []);
      deepStrictEqual(chain.map(({ isDelta }) => isDelta), chain.map((_, i) => i > 0));
      const [whole, ...deltas] = chain.map(({ bytes }) => bytes);
      const sum = deltas.slice(0, -1).reduce((total, bytes) => total + bytes, 0);
      strictEqual(sum <= whole! * DELTA_BYTES_SHARE, true, `${sum} bytes of deltas of ${id}`);
    }
  }
}

Deno.test("piece selection: every group is one whole section and deltas behind it, within the bounds (P9)", () => {
  fc.assert(
    fc.property(fc.array(round, { minLength: 80, maxLength: 120 }), (rounds) => {
      const snapshots = new Snapshots();
      for (const changes of rounds) snapshots.take(changes);
    }),
    { numRuns: 40 },
  );
});

Deno.test("piece selection: merging and rewriting cost no more than what changed and a half (P9)", () => {
  const snapshots = new Snapshots();
  snapshots.take(GROUPS.map(() => 0));
  const before = snapshots.written;
  for (let i = 0; i < 1_000; i++) snapshots.take(GROUPS.map(() => 500));
  const ratio = (snapshots.written - before) / snapshots.changed;
  strictEqual(ratio < 2.5, true, `ratio ${ratio}`);
});

Deno.test("piece selection: without a base everything is written, and nothing kept", () => {
  const { write, keep } = selectPieces([], GROUPS, () => false);
  deepStrictEqual([write.map(({ since }) => since), keep], [GROUPS.map(() => null), []]);
});

Deno.test("piece selection: a group that is gone, or written whole, leaves its old pieces", () => {
  const section = { bytes: 10_000, isDelta: false };
  const groups = new Map<GroupId, LiveSection>(GROUPS.slice(0, 2).map((id) => [id, section]));
  const base: LivePiece[] = [{ digest: "d1" as Digest, bytes: 20_000, interval: 1, groups }];
  const { write, keep } = selectPieces(base, [GROUPS[0]!], () => false);
  deepStrictEqual([write, [...keep[0]!.groups.keys()]], [[], [GROUPS[0]]]);
  deepStrictEqual(withoutGroups(keep, new Set([GROUPS[0]!])), []);
});
