/**
 * Opens a piece for a reader that knows nothing of its format, such as the hub's look into savepoints.
 *
 * Pure.
 *
 * @module
 */
import type { Digest } from "@shared/ids.ts";
import type { GroupColumns } from "./group_columns.ts";
import { OpenPiece } from "./piece_codec.ts";
import { decodeSection } from "./snapshot_codec.ts";

/**
 * The sections of a piece whose digest was verified.
 *
 * @throws {CorruptStateError} If the bytes are not a piece; the returned function, if the section is not
 *   there or not what it should be.
 */
export function openSavedPiece(
  bytes: Uint8Array,
  digest: Digest,
): (kind: "keyed" | "delta", uid: string, group: number) => GroupColumns {
  const piece = new OpenPiece(bytes, digest);
  return (kind, uid, group) =>
    decodeSection(
      piece.section({ kind, uid, group }),
      `key group ${group} of operator "${uid}" in piece ${digest}`,
    );
}
