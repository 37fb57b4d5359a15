/**
 * All keyed state of one subtask, and which of it is already in durable pieces.
 *
 * Pure. The base is the last snapshot known to be durable. A snapshot refers to the base's pieces for what
 * did not change since and writes the rest; so a checkpoint that was declined, aborted or of which nothing
 * was heard simply is not the base, and what it captured is written again.
 *
 * Invariants (tests/property/keyed_state_test.ts):
 *
 *   P9  A group that did not change since the base is not written again, unless its piece is compacted.
 *   A5  A snapshot holds the state of its capture, whatever was written since.
 *   C5  Completions may be lost, repeated or late: the base only moves forward.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { CheckpointId } from "@shared/ids.ts";
import { rangesOf } from "@shared/key_groups.ts";
import type { PieceRef, SectionRef } from "@shared/manifest.ts";
import type { Piece } from "./piece_codec.ts";
import { type GroupId, type LivePiece, selectPieces } from "./piece_selection.ts";
import type { GroupColumns } from "./snapshot_codec.ts";
import type { StateTable } from "./state_table.ts";

/** After so many snapshots in a row that did not become durable the next one refers to no old piece. */
export const LOST_IN_A_ROW_MAX = 3;
/** Snapshots of which it is not yet known whether they became durable; older ones count as lost. */
const SEALED_MAX = 8;

interface Base {
  readonly checkpointId: number;
  /** The capture that ended this interval is the base; -1 for "nothing is durable". */
  readonly interval: number;
  readonly pieces: readonly LivePiece[];
}

interface GroupAddress {
  readonly table: StateTable;
  readonly group: number;
}

/** What one snapshot has to write; take each group once, in any order, then `seal`. */
export interface StateCapture {
  readonly checkpointId: CheckpointId;
  readonly interval: number;
  readonly write: readonly { readonly uid: string; readonly group: number }[];
  readonly keep: readonly LivePiece[];
  readonly entryCounts: ReadonlyMap<string, number>;
}

const NOTHING: Base = { checkpointId: 0, interval: -1, pieces: [] };

export class KeyedState {
  readonly #tables: ReadonlyMap<string, StateTable>;
  #interval = 0;
  #base: Base = NOTHING;
  readonly #sealed = new Map<CheckpointId, Base>();
  #lostInARow = 0;

  /** @param tables In the order of the chain. */
  constructor(tables: readonly StateTable[]) {
    this.#tables = new Map(tables.map((table) => [table.uid, table]));
  }

  get size(): number {
    let size = 0;
    for (const table of this.#tables.values()) size += table.size;
    return size;
  }

  get tables(): IterableIterator<StateTable> {
    return this.#tables.values();
  }

  table(uid: string): StateTable {
    const table = this.#tables.get(uid);
    assert(table !== undefined, `Operator "${uid}" has no keyed state`);
    return table;
  }

  /** Fixes the state of this moment for snapshot `checkpointId`; copies nothing yet. */
  capture(checkpointId: CheckpointId): StateCapture {
    const base = this.#lostInARow >= LOST_IN_A_ROW_MAX ? NOTHING : this.#base;
    const present = new Map<GroupId, GroupAddress>();
    for (const table of this.#tables.values()) {
      for (const group of table.presentGroups()) {
        present.set(`${table.uid}/${group}`, { table, group });
      }
    }
    const known = new Set(base.pieces.flatMap((piece) => [...piece.groups.keys()]));
    const { write, keep } = selectPieces(base.pieces, [...present.keys()], (id) => {
      const { table, group } = present.get(id)!;
      return !known.has(id) || table.isWrittenSince(group, base.interval);
    });
    const addresses = write.map((id) => present.get(id)!);
    for (const table of this.#tables.values()) {
      table.capture(addresses.filter((at) => at.table === table).map((at) => at.group));
    }
    this.#interval++;
    this.#lostInARow++;
    return {
      checkpointId,
      interval: this.#interval,
      write: addresses.map(({ table, group }) => ({ uid: table.uid, group })),
      keep,
      entryCounts: new Map([...this.#tables].map(([uid, table]) => [uid, table.size])),
    };
  }

  /** A group of the running capture as it was at the capture. */
  take(uid: string, group: number): GroupColumns {
    return this.table(uid).take(group);
  }

  /** Gives the running capture up; its groups are written by the next one. */
  drop(): void {
    for (const table of this.#tables.values()) table.dropCapture();
  }

  /**
   * The pieces of the snapshot, now that its new piece is packed; remembers them until it is known
   * whether the snapshot became durable.
   */
  seal(capture: StateCapture, piece: Piece): PieceRef[] {
    const groups = new Map<GroupId, number>();
    for (const section of piece.sections) {
      if (section.kind === "keyed") {
        groups.set(`${section.uid}/${section.group}`, section.storedBytes);
      }
    }
    const fresh: LivePiece = { digest: piece.digest, bytes: piece.bytes.length, groups };
    const pieces = [fresh, ...capture.keep];
    const { checkpointId, interval } = capture;
    this.#sealed.set(checkpointId, { checkpointId, interval, pieces });
    for (const id of this.#sealed.keys()) {
      if (this.#sealed.size <= SEALED_MAX) break;
      this.#sealed.delete(id);
    }
    const others = piece.sections.filter((section) => section.kind !== "keyed");
    return pieces.map((live) => ({
      digest: live.digest,
      bytes: live.bytes,
      sections: [
        ...keyedRefs(live),
        ...(live === fresh ? others.map(({ kind, uid }) => ({ kind, uid, groups: [] })) : []),
      ],
    }));
  }

  /** Snapshot `checkpointId` is durable; later snapshots refer to its pieces. Idempotent. */
  completed(checkpointId: CheckpointId): void {
    const sealed = this.#sealed.get(checkpointId);
    for (const id of this.#sealed.keys()) if (id <= checkpointId) this.#sealed.delete(id);
    if (sealed === undefined || sealed.checkpointId <= this.#base.checkpointId) return;
    this.#base = sealed;
    this.#lostInARow = 0;
  }

  /** Snapshot `checkpointId` will never be durable. */
  aborted(checkpointId: CheckpointId): void {
    this.#sealed.delete(checkpointId);
  }

  /** Takes restored pieces, whose groups were loaded into the tables, as the base. */
  adopt(checkpointId: CheckpointId, pieces: readonly LivePiece[]): void {
    assert(this.#interval === 0, "State was captured before it was restored");
    this.#base = { checkpointId, interval: 0, pieces };
  }
}

/** One reference for each operator in `piece`, sorted, so that equal snapshots have equal texts. */
function keyedRefs(piece: LivePiece): SectionRef[] {
  const groupsByUid = new Map<string, number[]>();
  for (const id of piece.groups.keys()) {
    const slash = id.lastIndexOf("/");
    const uid = id.slice(0, slash);
    const groups = groupsByUid.get(uid) ?? [];
    groups.push(Number(id.slice(slash + 1)));
    groupsByUid.set(uid, groups);
  }
  return [...groupsByUid.keys()].sort().map((uid) => ({
    kind: "keyed",
    uid,
    groups: rangesOf(groupsByUid.get(uid)!.sort((a, b) => a - b)),
  }));
}
