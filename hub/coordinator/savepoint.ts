/**
 * When a savepoint can be taken.
 *
 * Pure. A savepoint is a checkpoint that a person owns: it needs every region and is never subsumed.
 * Whether it may be deleted (L2) is decided in the transaction that deletes it, by the rows it locks.
 *
 * @module
 */
import type { RegionId } from "@shared/ids.ts";

export type SavepointReadiness =
  | { readonly kind: "ready" }
  | { readonly kind: "wait"; readonly missing: readonly RegionId[] }
  | { readonly kind: "refused"; readonly detail: string };

/**
 * Whether a savepoint may start.
 *
 * @param running Whether each region of the job runs now.
 * @param waitedMs Since it was asked for.
 * @param waitMaxMs After this it is refused, naming the regions that do not run.
 */
export function judgeReadiness(
  running: ReadonlyMap<RegionId, boolean>,
  waitedMs: number,
  waitMaxMs: number,
): SavepointReadiness {
  const missing = [...running].filter(([, isRunning]) => !isRunning).map(([id]) => id).sort();
  if (missing.length === 0) return { kind: "ready" };
  if (waitedMs < waitMaxMs) return { kind: "wait", missing };
  return {
    kind: "refused",
    detail: `A savepoint needs every region; not running after ${Math.round(waitedMs / 1000)} s: ` +
      missing.join(", "),
  };
}
