/**
 * Decides which key groups a snapshot writes, whole or as a delta, and which pieces it goes on referring to.
 *
 * Pure. A key group is stored as a chain: one whole section, then deltas in newer pieces. A snapshot keeps a
 * beginning of each chain and writes what changed behind it; so to merge old deltas, or to be rid of a piece,
 * is to keep a shorter beginning. Nothing that was stored is read for it.
 *
 * Bounds, so that a restore stays quick and an upload small:
 *
 *   - a snapshot refers to at most `PIECES_MAX` pieces: the newest that together cost least per piece are
 *     merged, small ones among themselves, as in a log-structured merge tree;
 *   - the deltas of a group are at most `DELTA_BYTES_SHARE` times its whole section: then it is written whole;
 *   - a piece that is mostly garbage is given up.
 *
 * @module
 */
import type { Digest } from "@shared/ids.ts";

/**
 * Pieces one snapshot may refer to, the new one included. More pieces are more requests in a restore; fewer
 * mean that the same changes are merged, and uploaded, again and again.
 */
export const PIECES_MAX = 48;
/** Bytes of the deltas of a group, as a multiple of its whole section, from which it is written whole. */
export const DELTA_BYTES_SHARE = 3;
/** Below this share of live bytes a piece is given up... */
export const LIVE_SHARE_MIN = 0.35;
/** ...unless its garbage is no more than this: a small piece is not worth the writing. */
export const GARBAGE_BYTES_MAX = 16 * 1024;
/** Merging more pieces at once may cost this much more per piece: it lasts longer. */
const MERGE_COST_TOLERANCE = 1.3;

/** Names one key group of one operator. */
export type GroupId = `${string}/${number}`;

/** A section of a key group in a piece. */
export interface LiveSection {
  readonly bytes: number;
  readonly isDelta: boolean;
}

/** A piece that the base refers to, with the groups it is needed for. */
export interface LivePiece {
  readonly digest: Digest;
  /** Of the whole piece. */
  readonly bytes: number;
  /** Ended by the capture that the piece is of; pieces of a base have ascending intervals. */
  readonly interval: number;
  readonly groups: ReadonlyMap<GroupId, LiveSection>;
}

export interface GroupWrite {
  readonly id: GroupId;
  /** What changed after this interval is enough; null: all of it. */
  readonly since: number | null;
}

export interface Selection {
  /** Groups to write into the new piece, in the order given by `present`. */
  readonly write: readonly GroupWrite[];
  /** Pieces referred to again, oldest first, with what is still live in them. */
  readonly keep: readonly LivePiece[];
}

/** Indexes of the pieces that a group has sections in, ascending. */
type Chain = readonly number[];

/**
 * @param base Pieces of the last durable snapshot, oldest first.
 * @param present Groups that hold anything now.
 * @param isChanged Whether a group was written to since the base.
 */
export function selectPieces(
  base: readonly LivePiece[],
  present: readonly GroupId[],
  isChanged: (group: GroupId) => boolean,
): Selection {
  const chains = chainsOf(base, present, isChanged);
  const dropped = new Set<number>();
  for (const [index, piece] of base.entries()) {
    if (!isWorthKeeping(piece, bytesIn(base, index, chains))) dropped.add(index);
  }
  let kept = keptPrefixes(chains, dropped);
  for (const index of tooMany(base, kept)) dropped.add(index);
  kept = keptPrefixes(chains, dropped);
  const write: GroupWrite[] = [];
  for (const id of present) {
    const chain = kept.get(id) ?? [];
    const isShorter = chain.length < (chains.get(id)?.length ?? 0);
    if (chain.length > 0 && !isShorter && !isChanged(id)) continue;
    const last = chain.at(-1);
    write.push({ id, since: last === undefined ? null : base[last]!.interval });
  }
  return { write, keep: piecesOf(base, kept) };
}

/** Without the sections of `whole`, groups that turned out to be written whole; empty pieces go. */
export function withoutGroups(
  pieces: readonly LivePiece[],
  whole: ReadonlySet<GroupId>,
): LivePiece[] {
  return pieces.map((piece) => ({
    ...piece,
    groups: new Map([...piece.groups].filter(([id]) => !whole.has(id))),
  })).filter((piece) => piece.groups.size > 0);
}

/** Chains of present groups; that of a group whose deltas have grown too large counts as none. */
function chainsOf(
  base: readonly LivePiece[],
  present: readonly GroupId[],
  isChanged: (group: GroupId) => boolean,
): Map<GroupId, Chain> {
  const wanted = new Set(present);
  const chains = new Map<GroupId, number[]>();
  const bytes = new Map<GroupId, { whole: number; deltas: number }>();
  for (const [index, { groups }] of base.entries()) {
    for (const [id, section] of groups) {
      if (!wanted.has(id)) continue;
      if (section.isDelta) {
        chains.get(id)?.push(index);
        const sum = bytes.get(id);
        if (sum !== undefined) sum.deltas += section.bytes;
      } else {
        chains.set(id, [index]);
        bytes.set(id, { whole: section.bytes, deltas: 0 });
      }
    }
  }
  for (const [id, { whole, deltas }] of bytes) {
    if (deltas > whole * DELTA_BYTES_SHARE && isChanged(id)) chains.delete(id);
  }
  return chains;
}

/** The longest beginning of each chain without a dropped piece. */
function keptPrefixes(
  chains: ReadonlyMap<GroupId, Chain>,
  dropped: ReadonlySet<number>,
): Map<GroupId, Chain> {
  if (dropped.size === 0) return new Map(chains);
  const kept = new Map<GroupId, Chain>();
  for (const [id, chain] of chains) {
    const end = chain.findIndex((index) => dropped.has(index));
    kept.set(id, end === -1 ? chain : chain.slice(0, end));
  }
  return kept;
}

/** Indexes of the newest pieces that have to go so that not too many are left. */
function tooMany(base: readonly LivePiece[], kept: ReadonlyMap<GroupId, Chain>): number[] {
  const live = new Set<number>();
  for (const chain of kept.values()) for (const index of chain) live.add(index);
  const indexes = [...live].sort((a, b) => b - a);
  const least = indexes.length - (PIECES_MAX - 1);
  if (least <= 0) return [];
  let bytes = 0;
  const costs = indexes.map((index, i) => {
    bytes += bytesIn(base, index, kept);
    return bytes / (i + 1);
  });
  const cheapest = Math.min(...costs.slice(least - 1));
  const count =
    costs.findLastIndex((cost, i) => i >= least - 1 && cost <= cheapest * MERGE_COST_TOLERANCE) + 1;
  return indexes.slice(0, count);
}

function bytesIn(
  base: readonly LivePiece[],
  index: number,
  chains: ReadonlyMap<GroupId, Chain>,
): number {
  let bytes = 0;
  for (const [id, section] of base[index]!.groups) {
    if (chains.get(id)?.includes(index) === true) bytes += section.bytes;
  }
  return bytes;
}

function isWorthKeeping(piece: LivePiece, liveBytes: number): boolean {
  return liveBytes >= piece.bytes * LIVE_SHARE_MIN ||
    piece.bytes - liveBytes <= GARBAGE_BYTES_MAX;
}

function piecesOf(base: readonly LivePiece[], kept: ReadonlyMap<GroupId, Chain>): LivePiece[] {
  return base.map((piece, index) => ({
    ...piece,
    groups: new Map([...piece.groups].filter(([id]) => kept.get(id)?.includes(index) === true)),
  })).filter((piece) => piece.groups.size > 0);
}
