/**
 * Reads the keyed state of a savepoint, key group by key group.
 *
 * Touches the object store. What is in memory at a time: the entries of one key group of one operator, and
 * pieces up to `PIECE_CACHE_BYTES`; a piece that was let go is fetched again.
 *
 * How bytes become entries is the business of the format, which comes in as a port: hub and agents share no
 * code.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { PenstockError } from "@shared/errors.ts";
import type { Digest } from "@shared/ids.ts";
import { groupsOf } from "@shared/key_groups.ts";
import type { PieceRef, SubtaskSnapshot } from "@shared/manifest.ts";
import type { ObjectStore } from "@shared/object_store.ts";

/** Entries of one key group as columns: index i is one entry in all of them. */
export interface SavedGroup {
  readonly keys: readonly string[];
  readonly slots: readonly (readonly unknown[])[];
  readonly timers: readonly (readonly number[] | null)[];
  readonly eventTimers: readonly (readonly number[] | null)[];
  /** Of a delta: keys that are gone. */
  readonly removed: readonly string[];
}

/** One section of an opened piece. Throws when it is not there or corrupt. */
export type ReadSection = (kind: "keyed" | "delta", uid: string, group: number) => SavedGroup;

/** Opens a piece whose digest was verified. */
export type OpenSavedPiece = (bytes: Uint8Array, digest: Digest) => ReadSection;

/** One key's state in one subtask's snapshot. */
export interface SavedEntry {
  readonly subtaskId: string;
  readonly states: Readonly<Record<string, unknown>>;
  readonly timers: readonly number[];
  readonly eventTimers: readonly number[];
}

const PIECE_CACHE_BYTES = 128 * 1024 * 1024;

export class SavedState {
  readonly #objects: ObjectStore;
  readonly #open: OpenSavedPiece;
  readonly #pieces = new Map<Digest, { readonly read: ReadSection; readonly bytes: number }>();
  #cachedBytes = 0;

  constructor(objects: ObjectStore, open: OpenSavedPiece) {
    this.#objects = objects;
    this.#open = open;
  }

  /**
   * Entries of a key group of an operator, by key; in the order of the subtasks where more than one has the
   * key, as state that is local to splits may.
   *
   * @throws {PenstockError} `object-missing`, `object-corrupt`, naming the object.
   */
  async entries(
    snapshots: readonly SubtaskSnapshot[],
    uid: string,
    group: number,
  ): Promise<Map<string, SavedEntry[]>> {
    const found = new Map<string, SavedEntry[]>();
    for (const snapshot of [...snapshots].sort(bySubtask)) {
      const entries = await this.#entriesOf(snapshot, uid, group);
      for (const [key, entry] of entries) found.set(key, [...found.get(key) ?? [], entry]);
    }
    return found;
  }

  /** A group is its last whole section and the deltas behind it. */
  async #entriesOf(
    snapshot: SubtaskSnapshot,
    uid: string,
    group: number,
  ): Promise<Map<string, SavedEntry>> {
    const entries = new Map<string, SavedEntry>();
    const states = snapshot.operators.find((operator) => operator.uid === uid)?.states ?? [];
    // Timers and broadcast state have no slot of a key.
    const names = states.filter(({ kind }) => kind !== "timers" && kind !== "broadcast")
      .map(({ name }) => name);
    for (const piece of snapshot.pieces) {
      for (const section of piece.sections) {
        if (section.uid !== uid || (section.kind !== "keyed" && section.kind !== "delta")) continue;
        if (!groupsOf(section.groups).includes(group)) continue;
        const columns = (await this.#piece(piece))(section.kind, uid, group);
        if (section.kind === "keyed") entries.clear();
        for (const key of columns.removed) entries.delete(key);
        for (const [i, key] of columns.keys.entries()) {
          entries.set(key, entryAt(columns, i, { names, subtaskId: snapshot.subtaskId }));
        }
      }
    }
    return entries;
  }

  async #piece({ digest }: PieceRef): Promise<ReadSection> {
    const known = this.#pieces.get(digest);
    if (known !== undefined) {
      this.#pieces.delete(digest);
      this.#pieces.set(digest, known);
      return known.read;
    }
    const bytes = await this.#objects.get(digest);
    if (bytes === null) throw broken(digest, "object-missing", "it is not there");
    const found = createHash("sha256").update(bytes).digest("hex");
    if (found !== digest) throw broken(digest, "object-corrupt", `its bytes have digest ${found}`);
    const read = this.#open(bytes, digest);
    this.#pieces.set(digest, { read, bytes: bytes.length });
    this.#cachedBytes += bytes.length;
    for (const [oldest, piece] of this.#pieces) {
      if (this.#cachedBytes <= PIECE_CACHE_BYTES || oldest === digest) break;
      this.#pieces.delete(oldest);
      this.#cachedBytes -= piece.bytes;
    }
    return read;
  }
}

function entryAt(
  columns: SavedGroup,
  index: number,
  of: { readonly names: readonly string[]; readonly subtaskId: string },
): SavedEntry {
  const states: Record<string, unknown> = {};
  for (const [slot, values] of columns.slots.entries()) {
    const value = values[index];
    if (value !== undefined) states[of.names[slot] ?? `state ${slot}`] = value;
  }
  return {
    subtaskId: of.subtaskId,
    states,
    timers: columns.timers[index] ?? [],
    eventTimers: columns.eventTimers[index] ?? [],
  };
}

function bySubtask(a: SubtaskSnapshot, b: SubtaskSnapshot): number {
  return a.subtaskId < b.subtaskId ? -1 : a.subtaskId > b.subtaskId ? 1 : 0;
}

function broken(digest: Digest, code: string, problem: string): PenstockError {
  return new PenstockError(`Cannot read object "${digest}": ${problem}`, {
    code,
    domain: "external",
  });
}
