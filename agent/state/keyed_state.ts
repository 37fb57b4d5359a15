/**
 * All keyed state of one subtask, and which of it is already in durable pieces.
 *
 * Pure. The base is the last snapshot known to be durable. A snapshot refers to the base's pieces for what
 * did not change since and writes the rest, entry by entry; so a checkpoint that was declined, aborted or of which nothing
 * was heard simply is not the base, and what it captured is written again.
 *
 * Invariants (tests/property/keyed_state_test.ts):
 *
 *   P9  An entry that did not change since the base is not written again, unless its section is compacted.
 *   A5  A snapshot holds the state of its capture, whatever was written since.
 *   C5  Completions may be lost, repeated or late: the base only moves forward.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { CheckpointId } from "@shared/ids.ts";
import { rangesOf } from "@shared/key_groups.ts";
import type { PieceRef, SectionRef } from "@shared/manifest.ts";
import { type BroadcastState, decodeBroadcast, encodeBroadcast } from "./broadcast_state.ts";
import type { ByteWriter } from "./byte_stream.ts";
import type { PersistentMap } from "./persistent_map.ts";
import type { PackedSection, Piece, SectionName } from "./piece_codec.ts";
import {
  type GroupId,
  type LivePiece,
  type LiveSection,
  selectPieces,
  withoutGroups,
} from "./piece_selection.ts";

import { writeSection } from "./snapshot_codec.ts";
import type { StateTable, TakenGroup } from "./state_table.ts";

/** After so many snapshots in a row that did not become durable the next one refers to no old piece. */
export const LOST_IN_A_ROW_MAX = 3;
/** Snapshots of which it is not yet known whether they became durable; older ones count as lost. */
const SEALED_MAX = 8;

interface Base {
  readonly checkpointId: number;
  /** The capture that ended this interval is the base; -1 for "nothing is durable". */
  readonly interval: number;
  /** Oldest first. */
  readonly pieces: readonly LivePiece[];
}

interface GroupAddress {
  readonly table: StateTable;
  readonly group: number;
}

/** A key group that a snapshot has to write. */
export interface CapturedGroup {
  readonly uid: string;
  readonly group: number;
  /** What changed after this interval is enough; null: all of it. */
  readonly since: number | null;
}

/** What one snapshot has to write; take each group once, in any order, then `seal`. */
export interface StateCapture {
  readonly checkpointId: CheckpointId;
  readonly interval: number;
  readonly write: readonly CapturedGroup[];
  readonly keep: readonly LivePiece[];
  readonly entryCounts: ReadonlyMap<string, number>;
  /** Broadcast state of each operator that has one. */
  readonly broadcast: ReadonlyMap<string, PersistentMap>;
}

/** Where sections go: a `PiecePacker`. */
export interface SectionSink {
  write(name: SectionName, encode: (to: ByteWriter) => void): void;
}

const NOTHING: Base = { checkpointId: 0, interval: -1, pieces: [] };

export class KeyedState {
  readonly #tables: ReadonlyMap<string, StateTable>;
  readonly #broadcast: ReadonlyMap<string, BroadcastState>;
  #interval = 0;
  #base: Base = NOTHING;
  readonly #sealed = new Map<CheckpointId, Base>();
  #lostInARow = 0;

  /**
   * @param tables In the order of the chain.
   * @param broadcast By operator: state that is the same in all subtasks, of no key.
   */
  constructor(
    tables: readonly StateTable[],
    broadcast: ReadonlyMap<string, BroadcastState> = new Map(),
  ) {
    this.#tables = new Map(tables.map((table) => [table.uid, table]));
    this.#broadcast = broadcast;
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

  /** State of operator `uid` that is the same in all its subtasks. */
  broadcast(uid: string): BroadcastState {
    const state = this.#broadcast.get(uid);
    assert(state !== undefined, `Operator "${uid}" has no broadcast state`);
    return state;
  }

  /** Takes over a stored section; of an operator that has no broadcast state any more it is left behind. */
  restoreBroadcast(uid: string, section: Uint8Array): void {
    this.#broadcast.get(uid)?.restore(decodeBroadcast(section, uid));
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
    const wanted = write.map(({ id, since }) => ({ ...present.get(id)!, since }));
    for (const table of this.#tables.values()) {
      table.capture(wanted.filter((at) => at.table === table).map((at) => at.group));
    }
    this.#interval++;
    this.#lostInARow++;
    return {
      checkpointId,
      interval: this.#interval,
      write: wanted.map(({ table, group, since }) => ({ uid: table.uid, group, since })),
      keep,
      entryCounts: new Map([...this.#tables].map(([uid, table]) => [uid, table.size])),
      broadcast: new Map([...this.#broadcast].map(([uid, state]) => [uid, state.capture()])),
    };
  }

  /** A group of the running capture as it was at the capture. */
  take({ uid, group, since }: CapturedGroup): TakenGroup {
    return this.table(uid).take(group, since);
  }

  /** Writes what is of no key, as it was at the capture. @throws {UserError} `state-not-encodable`. */
  writeBroadcast({ broadcast }: StateCapture, to: SectionSink): void {
    for (const [uid, values] of broadcast) {
      to.write(
        { kind: "broadcast", uid, group: 0 },
        (writer) => writer.raw(encodeBroadcast(values, uid)),
      );
    }
  }

  /**
   * Writes a group of the running capture as it was at the capture.
   *
   * @throws {UserError} `state-not-encodable` naming operator, key and the place in the value.
   */
  writeGroup(at: CapturedGroup, to: SectionSink): void {
    const { kind, columns } = this.take(at);
    const { uid, group } = at;
    to.write({ kind, uid, group }, (writer) => writeSection(writer, columns, uid));
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
    const groups = new Map<GroupId, LiveSection>();
    const whole = new Set<GroupId>();
    for (const { kind, uid, group, storedBytes } of piece.sections) {
      if (kind !== "keyed" && kind !== "delta") continue;
      const id: GroupId = `${uid}/${group}`;
      groups.set(id, { bytes: storedBytes, isDelta: kind === "delta" });
      if (kind === "keyed") whole.add(id);
    }
    const { digest, bytes } = piece;
    const fresh = { digest, bytes: bytes.length, interval: capture.interval, groups };
    const pieces = [...withoutGroups(capture.keep, whole), fresh];
    const { checkpointId, interval } = capture;
    this.#sealed.set(checkpointId, { checkpointId, interval, pieces });
    for (const id of this.#sealed.keys()) {
      if (this.#sealed.size <= SEALED_MAX) break;
      this.#sealed.delete(id);
    }
    const others = piece.sections.filter(isNotKeyed);
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
    for (const { interval, groups } of sealed.pieces) {
      for (const [id, { isDelta }] of groups) {
        if (isDelta) continue;
        const { uid, group } = partsOf(id);
        this.table(uid).forgetRemoved(group, interval);
      }
    }
  }

  /** Snapshot `checkpointId` will never be durable. */
  aborted(checkpointId: CheckpointId): void {
    this.#sealed.delete(checkpointId);
  }

  /**
   * A piece is about to be restored; those of one key group come oldest first.
   *
   * @returns Its interval, for the sections loaded from it and for `adopt`.
   */
  beginPiece(): number {
    this.#interval++;
    for (const table of this.#tables.values()) table.beginAfter(this.#interval);
    return this.#interval;
  }

  /** Takes restored pieces, whose groups were loaded into the tables, as the base. */
  adopt(checkpointId: CheckpointId, pieces: readonly LivePiece[]): void {
    assert(this.#lostInARow === 0, "State was captured before it was restored");
    const inOrder = [...pieces].sort((a, b) => a.interval - b.interval);
    this.#base = { checkpointId, interval: this.#interval, pieces: inOrder };
  }
}

function isNotKeyed({ kind }: PackedSection): boolean {
  return kind !== "keyed" && kind !== "delta";
}

function partsOf(id: GroupId): { uid: string; group: number } {
  const slash = id.lastIndexOf("/");
  return { uid: id.slice(0, slash), group: Number(id.slice(slash + 1)) };
}

/** References for each operator in `piece`, sorted, so that equal snapshots have equal texts. */
function keyedRefs(piece: LivePiece): SectionRef[] {
  const groupsByUid = new Map<string, { keyed: number[]; delta: number[] }>();
  for (const [id, { isDelta }] of piece.groups) {
    const { uid, group } = partsOf(id);
    const groups = groupsByUid.get(uid) ?? { keyed: [], delta: [] };
    groups[isDelta ? "delta" : "keyed"].push(group);
    groupsByUid.set(uid, groups);
  }
  return [...groupsByUid.keys()].sort().flatMap((uid) =>
    (["keyed", "delta"] as const).flatMap((kind) => {
      const groups = groupsByUid.get(uid)![kind];
      if (groups.length === 0) return [];
      return [{ kind, uid, groups: rangesOf(groups.sort((a, b) => a - b)) }];
    })
  );
}
