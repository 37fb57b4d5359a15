/**
 * Loads a snapshot's pieces into the tables, the source and the sinks of one subtask.
 *
 * Touches what it is given; lets other work run between slices. All or nothing is kept by the subtask: a
 * restore that fails fails the attempt (C8).
 *
 * @module
 */
import type { Digest } from "@shared/ids.ts";
import { groupsOf, keyGroupOf } from "@shared/key_groups.ts";
import type { PieceRef, SectionRef } from "@shared/manifest.ts";
import { ByteReader, ByteWriter, CorruptStateError } from "../state/byte_stream.ts";
import type { KeyedState } from "../state/keyed_state.ts";
import { digestOf, OpenPiece } from "../state/piece_codec.ts";
import type { GroupId, LivePiece } from "../state/piece_selection.ts";
import { decodeSection, type GroupColumns } from "../state/snapshot_codec.ts";
import type { RestorePlan } from "./restore_plan.ts";

/** Longest time spent on loading before other work gets its turn, ms. */
const SLICE_MS = 20;
const SOURCE_SECTION_VERSION = 1;

export interface RestoreParts {
  readonly state: KeyedState;
  readonly monotonicMs: () => number;
  readonly yieldTurn: () => Promise<void>;
  /** Called once, when about half of the sections are loaded. */
  readonly onHalf: () => void;
  /** Gets the sections that are not keyed state. */
  readonly onSection: (kind: "source" | "sink", uid: string, bytes: Uint8Array) => void;
}

/**
 * Loads all sections that `refs` names, in their order.
 *
 * @returns The pieces, as the base of the next snapshot, with the groups that it need not write again.
 * @throws {CorruptStateError} Naming the piece that is missing or not what its name says.
 */
export async function loadPieces(
  refs: readonly PieceRef[],
  pieces: ReadonlyMap<Digest, Uint8Array>,
  plan: RestorePlan,
  parts: RestoreParts,
): Promise<LivePiece[]> {
  const live: LivePiece[] = [];
  let sliceStartMs = parts.monotonicMs();
  for (const [index, ref] of refs.entries()) {
    if (index === refs.length >> 1) parts.onHalf();
    const piece = openPiece(ref, pieces.get(ref.digest));
    const sizes = new Map(
      piece.sections.map((s) => [`${s.kind}/${s.uid}/${s.group}`, s.storedBytes]),
    );
    const groups = new Map<GroupId, number>();
    for (const section of ref.sections) {
      if (plan.droppedUids.includes(section.uid)) continue;
      if (section.kind === "source" || section.kind === "sink") {
        const { kind, uid } = section;
        parts.onSection(kind, uid, piece.section({ kind, uid, group: 0 }).slice());
        continue;
      }
      for (const group of groupsOf(section.groups)) {
        const { isSameLayout } = loadGroup(piece, section, group, { plan, parts });
        // Later snapshots describe the layout of now, so what has another is written again.
        if (isSameLayout) {
          groups.set(`${section.uid}/${group}`, sizes.get(`keyed/${section.uid}/${group}`) ?? 0);
        }
        if (parts.monotonicMs() - sliceStartMs < SLICE_MS) continue;
        await parts.yieldTurn();
        sliceStartMs = parts.monotonicMs();
      }
    }
    live.push({ digest: ref.digest, bytes: ref.bytes, groups });
  }
  return live;
}

function openPiece(ref: PieceRef, bytes: Uint8Array | undefined): OpenPiece {
  if (bytes === undefined) {
    throw new CorruptStateError(`Cannot restore: piece ${ref.digest} did not come`);
  }
  const found = digestOf(bytes);
  if (found !== ref.digest) {
    throw new CorruptStateError(`Cannot restore: piece has digest ${found}, want ${ref.digest}`);
  }
  return new OpenPiece(bytes, ref.digest);
}

function loadGroup(
  piece: OpenPiece,
  { uid }: SectionRef,
  group: number,
  { plan, parts }: { plan: RestorePlan; parts: RestoreParts },
): { isSameLayout: boolean } {
  const subject = `key group ${group} of operator "${uid}"`;
  const columns = decodeSection(piece.section({ kind: "keyed", uid, group }), subject);
  checkKeys(columns, group, subject);
  const slots = plan.slotsByUid.get(uid) ?? [];
  if (slots.length !== columns.slots.length) {
    throw new CorruptStateError(
      `Cannot read ${subject}: want ${slots.length} states, found ${columns.slots.length}`,
    );
  }
  const table = parts.state.table(uid);
  table.load(group, columns, slots);
  const isSameLayout = slots.length === table.slotCount &&
    slots.every((slot, stored) => slot === stored) &&
    columns.times.every((times) => (times === null) === (table.ttlMs === null));
  return { isSameLayout };
}

function checkKeys(columns: GroupColumns, group: number, subject: string): void {
  for (const key of columns.keys) {
    if (keyGroupOf(key) === group) continue;
    throw new CorruptStateError(
      `Cannot read ${subject}: key "${key}" is of group ${keyGroupOf(key)}`,
    );
  }
}

/** What a subtask keeps beside its source's own section: the latest time that state was judged by (S4). */
export function encodeSourceSection(latestMs: number, ofSource: Uint8Array): Uint8Array {
  const to = new ByteWriter();
  to.u8(SOURCE_SECTION_VERSION);
  to.f64(latestMs);
  to.raw(ofSource);
  return to.take();
}

/** @throws {CorruptStateError} If the section is of another version. */
export function decodeSourceSection(
  bytes: Uint8Array,
): { latestMs: number; ofSource: Uint8Array } {
  const from = new ByteReader(bytes, "source section");
  const version = from.u8();
  if (version !== SOURCE_SECTION_VERSION) {
    throw from.corrupt(`source section version ${SOURCE_SECTION_VERSION}`, String(version));
  }
  return { latestMs: from.f64(), ofSource: from.raw(from.remaining).slice() };
}
