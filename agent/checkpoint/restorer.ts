/**
 * Brings the pieces that subtasks restore from: the local copy when it is sound, else the hub's.
 *
 * Touches files and network through ports.
 *
 *  1. (C8) Every piece handed on has the size and digest its snapshot names.
 *  2. (F13) A piece that is missing or corrupt fails the restore, naming the object; nothing is deleted.
 *
 * @module
 */
import { PenstockError } from "@shared/errors.ts";
import type { Digest } from "@shared/ids.ts";
import type { PieceRef } from "@shared/manifest.ts";
import type { RestorePlan } from "@shared/messages.ts";
import type { SubtaskPlan } from "@shared/regions.ts";
import { restoreShares } from "../restore_share.ts";
import { downloadBlob, type TransferPorts } from "./blob_transfer.ts";
import type { LocalStore } from "./local_store.ts";

/**
 * The pieces that `subtasks` restore from, each once.
 *
 * @throws {PenstockError} `snapshot-missing`, when the plan has no snapshot of one that reads a split.
 */
export function piecesOf(plan: RestorePlan, subtasks: readonly SubtaskPlan[]): PieceRef[] {
  const shares = subtasks.flatMap((subtask) => restoreShares(subtask, plan.snapshots));
  const pieces = shares.flatMap((share) => share.pieces);
  return [...new Map(pieces.map((piece) => [piece.digest, piece])).values()];
}

/** Pieces on their way at once: a chain of deltas is many small ones, and each is a round trip. */
const AHEAD_MAX = 6;
/** What they may be together, bytes; a larger piece comes alone. */
const AHEAD_BYTES_MAX = 1024 * 1024;

/**
 * Gives each of `pieces` to `take`, one after the other, with few in memory at a time; keeps what it
 * downloads. The caller refers to the digests in the store beforehand.
 *
 * @throws {PenstockError} As `downloadBlob`.
 */
export async function restorePieces(
  plan: RestorePlan,
  pieces: readonly PieceRef[],
  options: {
    store: LocalStore;
    ports: TransferPorts;
    signal: AbortSignal;
    take: (digest: Digest, bytes: Uint8Array) => Promise<void>;
  },
): Promise<void> {
  const ahead: { readonly piece: PieceRef; readonly bytes: Promise<Uint8Array> }[] = [];
  let aheadBytes = 0;
  const waiting = [...pieces];
  while (waiting.length > 0 || ahead.length > 0) {
    options.signal.throwIfAborted();
    const next = waiting[0];
    const hasRoom = ahead.length < AHEAD_MAX && aheadBytes + (next?.bytes ?? 0) <= AHEAD_BYTES_MAX;
    if (next !== undefined && (ahead.length === 0 || hasRoom)) {
      waiting.shift();
      aheadBytes += next.bytes;
      const bytes = pieceBytes(plan, next, options);
      // One that fails before its turn is told in its turn.
      bytes.catch(() => {});
      ahead.push({ piece: next, bytes });
      continue;
    }
    const { piece, bytes } = ahead.shift()!;
    aheadBytes -= piece.bytes;
    await options.take(piece.digest, await bytes);
  }
}

async function pieceBytes(
  plan: RestorePlan,
  piece: PieceRef,
  { store, ports, signal }: { store: LocalStore; ports: TransferPorts; signal: AbortSignal },
): Promise<Uint8Array> {
  const local = await store.get(piece.digest);
  if (local !== null) return local;
  const url = plan.urls[piece.digest];
  if (url === undefined) {
    throw new PenstockError(
      `Cannot restore checkpoint ${plan.checkpointId}: the hub names no place for object "${piece.digest}"`,
      { code: "object-missing", domain: "internal" },
    );
  }
  const bytes = await downloadBlob(url, piece, { signal, ports });
  await store.put(piece.digest, bytes);
  return bytes;
}
