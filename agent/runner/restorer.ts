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
import { CorruptStateError } from "../state/byte_stream.ts";
import type { KeyedState } from "../state/keyed_state.ts";
import { digestOf, OpenPiece } from "../state/piece_codec.ts";
import type { GroupId, LivePiece, LiveSection } from "../state/piece_selection.ts";
import { decodeSection, type GroupColumns } from "../state/snapshot_codec.ts";
import type { RestorePlan } from "./restore_plan.ts";

/** Longest time spent on loading before other work gets its turn, ms. */
const SLICE_MS = 20;

export interface RestoreParts {
  readonly state: KeyedState;
  readonly monotonicMs: () => number;
  readonly yieldTurn: () => Promise<void>;
  /** Called once, when about half of the sections are loaded. */
  readonly onHalf: () => void;
  /** Gets the sections that are not keyed state. */
  readonly onSection: (
    kind: Exclude<SectionRef["kind"], "keyed" | "delta" | "broadcast">,
    uid: string,
    bytes: Uint8Array,
  ) => void;
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
    const interval = parts.state.beginPiece();
    const groups = new Map<GroupId, LiveSection>();
    for (const section of ref.sections) {
      if (plan.droppedUids.includes(section.uid)) continue;
      if (section.kind === "broadcast") {
        const { kind, uid } = section;
        parts.state.restoreBroadcast(uid, piece.section({ kind, uid, group: 0 }));
        continue;
      }
      if (section.kind !== "keyed" && section.kind !== "delta") {
        const { kind, uid } = section;
        parts.onSection(kind, uid, piece.section({ kind, uid, group: 0 }).slice());
        continue;
      }
      const { kind, uid } = section;
      for (const group of groupsOf(section.groups)) {
        const { isSameLayout } = loadGroup(piece, { kind, uid, group, interval }, { plan, parts });
        // Later snapshots describe the layout of now, so what has another is written again.
        if (isSameLayout) {
          const bytes = sizes.get(`${kind}/${uid}/${group}`) ?? 0;
          groups.set(`${uid}/${group}`, { bytes, isDelta: kind === "delta" });
        }
        if (parts.monotonicMs() - sliceStartMs < SLICE_MS) continue;
        await parts.yieldTurn();
        sliceStartMs = parts.monotonicMs();
      }
    }
    live.push({ digest: ref.digest, bytes: ref.bytes, interval, groups });
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
  { kind, uid, group, interval }: {
    kind: "keyed" | "delta";
    uid: string;
    group: number;
    interval: number;
  },
  { plan, parts }: { plan: RestorePlan; parts: RestoreParts },
): { isSameLayout: boolean } {
  const subject = `key group ${group} of operator "${uid}"`;
  const columns = decodeSection(piece.section({ kind, uid, group }), subject);
  checkKeys(columns, group, subject);
  const layout = plan.layouts.get(uid);
  if (layout?.slots.length !== columns.slots.length) {
    throw new CorruptStateError(
      `Cannot read ${subject}: want ${layout?.slots.length} states, found ${columns.slots.length}`,
    );
  }
  const table = parts.state.table(uid);
  table.load({ group, kind, columns, interval }, layout);
  return { isSameLayout: table.isSameLayout(columns, layout) };
}

function checkKeys(columns: GroupColumns, group: number, subject: string): void {
  for (const key of columns.keys) {
    if (keyGroupOf(key) === group) continue;
    throw new CorruptStateError(
      `Cannot read ${subject}: key "${key}" is of group ${keyGroupOf(key)}`,
    );
  }
}
