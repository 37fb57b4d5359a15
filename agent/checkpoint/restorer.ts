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

/**
 * Gives each of `pieces` to `take`, one after the other, so that one piece at a time is in
 * memory; keeps what it downloads. The caller refers to the digests in the store beforehand.
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
  for (const piece of pieces) {
    options.signal.throwIfAborted();
    await options.take(piece.digest, await pieceBytes(plan, piece, options));
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
