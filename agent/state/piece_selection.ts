/**
 * Decides which key groups a snapshot writes anew and which pieces it goes on referring to.
 *
 * Pure. Written are the groups that changed since the base, the last snapshot known to be durable; to
 * these come the live groups of pieces that hold mostly garbage, and of the smallest pieces when there
 * would be too many, so that a snapshot never refers to more than `PIECES_MAX` pieces.
 *
 * @module
 */
import type { Digest } from "@shared/ids.ts";

/** Pieces one snapshot may refer to, the new one included. */
export const PIECES_MAX = 8;
/** Below this share of live bytes a piece is rewritten... */
export const LIVE_SHARE_MIN = 0.5;
/** ...unless its garbage is no more than this: a small piece is not worth the writing. */
export const GARBAGE_BYTES_MAX = 16 * 1024;

/** Names one key group of one operator. */
export type GroupId = `${string}/${number}`;

/** A piece that the base refers to, with the groups it is needed for. */
export interface LivePiece {
  readonly digest: Digest;
  /** Of the whole piece. */
  readonly bytes: number;
  /** Live groups and the bytes each takes in the piece. */
  readonly groups: ReadonlyMap<GroupId, number>;
}

export interface Selection {
  /** Groups to write into the new piece, in the order given by `present`. */
  readonly write: readonly GroupId[];
  /** Pieces referred to again, with what is still live in them. */
  readonly keep: readonly LivePiece[];
}

/**
 * @param base Pieces of the last durable snapshot; a group is live in at most one of them.
 * @param present Groups that hold anything now.
 * @param isChanged Whether a group was written to since the base.
 */
export function selectPieces(
  base: readonly LivePiece[],
  present: readonly GroupId[],
  isChanged: (group: GroupId) => boolean,
): Selection {
  const unchanged = new Set(present.filter((group) => !isChanged(group)));
  const alive = base
    .map((piece) => onlyGroups(piece, unchanged))
    .filter((piece) => piece.groups.size > 0 && isWorthKeeping(piece))
    .sort((a, b) => liveBytes(b) - liveBytes(a) || (a.digest < b.digest ? -1 : 1));
  const keep = alive.slice(0, PIECES_MAX - 1);
  const kept = new Set(keep.flatMap((piece) => [...piece.groups.keys()]));
  return { write: present.filter((group) => !kept.has(group)), keep };
}

function onlyGroups(piece: LivePiece, wanted: ReadonlySet<GroupId>): LivePiece {
  const groups = [...piece.groups].filter(([group]) => wanted.has(group));
  return { ...piece, groups: new Map(groups) };
}

function isWorthKeeping(piece: LivePiece): boolean {
  const live = liveBytes(piece);
  return live >= piece.bytes * LIVE_SHARE_MIN || piece.bytes - live <= GARBAGE_BYTES_MAX;
}

function liveBytes(piece: LivePiece): number {
  let bytes = 0;
  for (const size of piece.groups.values()) bytes += size;
  return bytes;
}
