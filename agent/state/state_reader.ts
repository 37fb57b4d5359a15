/**
 * Reads the keyed state of a snapshot from its pieces, through chains of deltas, without an operator.
 *
 * Pure. What it answers is logical state: which piece holds an entry, in what order entries were stored and
 * how many subtasks there were does not show. The digest of a key group is that of its entries sorted by
 * key, in the stored form (C8): two restores of one snapshot have equal digests, whatever the parallelism.
 *
 * @module
 */
import { groupsOf, keyGroupOf } from "@shared/key_groups.ts";
import type { Digest } from "@shared/ids.ts";
import type { PieceRef, SubtaskSnapshot } from "@shared/manifest.ts";
import { decodeBroadcast } from "./broadcast_state.ts";
import { CorruptStateError } from "./byte_stream.ts";
import type { GroupColumns } from "./group_columns.ts";
import { digestOf, OpenPiece } from "./piece_codec.ts";
import type { GroupId } from "./piece_selection.ts";
import { decodeSection, encodeSection } from "./snapshot_codec.ts";
import type { StateTable } from "./state_table.ts";
import { slotOf, timeOf } from "./table_entry.ts";

/** One key's stored state. */
export interface StoredEntry {
  readonly key: string;
  /** By stored slot; undefined where there is none. */
  readonly values: readonly unknown[];
  /** By stored slot: wall clock of the last write, ms since the epoch; null where it does not expire. */
  readonly times: readonly (number | null)[];
  readonly timers: readonly number[] | null;
  readonly eventTimers: readonly number[] | null;
}

export class StateReader {
  readonly #snapshots: readonly SubtaskSnapshot[];
  readonly #pieces: ReadonlyMap<Digest, Uint8Array>;
  readonly #open = new Map<Digest, OpenPiece>();

  /**
   * @param snapshots All of a region, or of a job.
   * @param pieces Bytes of the pieces that they name.
   */
  constructor(snapshots: readonly SubtaskSnapshot[], pieces: ReadonlyMap<Digest, Uint8Array>) {
    this.#snapshots = snapshots;
    this.#pieces = pieces;
  }

  /** Operators with stored state, sorted. */
  get uids(): string[] {
    return [...new Set(this.#snapshots.flatMap((one) => one.operators.map(({ uid }) => uid)))]
      .sort();
  }

  /**
   * The state of one key, in each snapshot that has it: more than one only if it is local to splits.
   *
   * @throws {CorruptStateError} If a piece is missing or not what its name says.
   */
  find(uid: string, key: string): StoredEntry[] {
    const group = keyGroupOf(key);
    return this.#snapshots.map((snapshot) => this.#entriesOf(snapshot, uid, group).get(key))
      .filter((entry) => entry !== undefined);
  }

  /** Every entry of an operator, by key group, then by key. @throws {CorruptStateError} As `find`. */
  *entries(uid: string): Generator<StoredEntry> {
    for (const group of this.groups(uid)) yield* this.#sorted(uid, group);
  }

  /** Key groups of an operator that hold anything, ascending. */
  groups(uid: string): number[] {
    const groups = new Set<number>();
    for (const { pieces } of this.#snapshots) {
      for (const { sections } of pieces) {
        for (const section of sections) {
          if (section.kind !== "keyed" || section.uid !== uid) continue;
          for (const group of groupsOf(section.groups)) groups.add(group);
        }
      }
    }
    return [...groups].sort((a, b) => a - b);
  }

  /** Digest of each key group's entries. @throws {CorruptStateError} As `find`. */
  digests(): Map<GroupId, Digest> {
    const digests = new Map<GroupId, Digest>();
    for (const uid of this.uids) {
      for (const group of this.groups(uid)) {
        const entries = this.#sorted(uid, group);
        if (entries.length > 0) digests.set(`${uid}/${group}`, digestOfEntries(entries));
      }
    }
    return digests;
  }

  /** Broadcast state of an operator, by name; null when none is stored. @throws {CorruptStateError} As `find`. */
  broadcast(uid: string): Map<string, unknown> | null {
    for (const { pieces } of this.#snapshots) {
      for (const piece of pieces) {
        if (!piece.sections.some((one) => one.kind === "broadcast" && one.uid === uid)) continue;
        const bytes = this.#opened(piece).section({ kind: "broadcast", uid, group: 0 });
        return new Map(decodeBroadcast(bytes, uid)) as Map<string, unknown>;
      }
    }
    return null;
  }

  #sorted(uid: string, group: number): StoredEntry[] {
    return this.#snapshots.flatMap((one) => [...this.#entriesOf(one, uid, group).values()])
      .sort(byKey);
  }

  /** Whole section first, then deltas in the order of the pieces. */
  #entriesOf(snapshot: SubtaskSnapshot, uid: string, group: number): Map<string, StoredEntry> {
    const entries = new Map<string, StoredEntry>();
    for (const piece of snapshot.pieces) {
      for (const { kind, uid: of, groups } of piece.sections) {
        if (of !== uid || (kind !== "keyed" && kind !== "delta")) continue;
        if (!groups.some(([from, to]) => from <= group && group <= to)) continue;
        const section = this.#opened(piece).section({ kind, uid, group });
        apply(decodeSection(section, `key group ${group} of operator "${uid}"`), entries);
      }
    }
    return entries;
  }

  #opened({ digest }: PieceRef): OpenPiece {
    const known = this.#open.get(digest);
    if (known !== undefined) return known;
    const bytes = this.#pieces.get(digest);
    if (bytes === undefined) {
      throw new CorruptStateError(`Cannot read piece ${digest}: it is not there`);
    }
    const found = digestOf(bytes);
    if (found !== digest) {
      throw new CorruptStateError(`Cannot read piece ${digest}: its bytes have digest ${found}`);
    }
    const piece = new OpenPiece(bytes, digest);
    this.#open.set(digest, piece);
    return piece;
  }
}

/** Digest of each key group of a table, to be compared with that of what was stored (C8). */
export function digestsOfTable(table: StateTable): Map<GroupId, Digest> {
  const groups = new Map<number, StoredEntry[]>();
  for (const entry of table.entries()) {
    const { key, timers, eventTimers } = entry;
    const group = keyGroupOf(key);
    const values = table.ttls.map((_, slot) => slotOf(entry, slot));
    const times = table.ttls.map((ttlMs, slot) => ttlMs === null ? null : timeOf(entry, slot));
    const stored = { key, values, times, timers, eventTimers };
    groups.set(group, [...groups.get(group) ?? [], stored]);
  }
  return new Map(
    [...groups].map(([group, entries]) => [
      `${table.uid}/${group}` as const,
      digestOfEntries(entries.sort(byKey)),
    ]),
  );
}

function apply(columns: GroupColumns, entries: Map<string, StoredEntry>): void {
  for (const key of columns.removed) entries.delete(key);
  for (const [i, key] of columns.keys.entries()) {
    entries.set(key, {
      key,
      values: columns.slots.map((slot) => slot[i]),
      times: columns.times.map((times) => times?.[i] ?? null),
      timers: columns.timers[i] ?? null,
      eventTimers: columns.eventTimers[i] ?? null,
    });
  }
}

/** @param entries Of one key group, sorted by key. */
function digestOfEntries(entries: readonly StoredEntry[]): Digest {
  const slots = entries[0]!.values.map((_, slot) => entries.map((entry) => entry.values[slot]));
  const times = entries[0]!.times.map((first, slot) =>
    first === null ? null : entries.map((entry) => entry.times[slot] ?? 0)
  );
  const columns: GroupColumns = {
    keys: entries.map(({ key }) => key),
    slots,
    times,
    timers: entries.map(({ timers }) => timers),
    eventTimers: entries.map(({ eventTimers }) => eventTimers),
    removed: [],
  };
  return digestOf(encodeSection(columns, "digest"));
}

function byKey(a: StoredEntry, b: StoredEntry): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
