/**
 * Counts the frames that were refused, and says when that is worth an event.
 *
 * Pure. A frame of another attempt is expected after a failover (F4); one that nobody with the key made is
 * not (S10). Both change nothing. The first of a kind is told at once, the rest once in a while.
 *
 * @module
 */
import type { RegionEvent } from "@shared/messages.ts";

/** Between two events of one kind, ms. */
export const TELL_EVERY_MS = 10_000;

/** Why a frame was refused. */
export type Refusal =
  /** Of another attempt, by its own word. */
  | { readonly kind: "late"; readonly detail: string }
  /** Not a frame, of no channel here, or not made with the channel's key. */
  | { readonly kind: "forged"; readonly detail: string };

interface Tally {
  count: number;
  toldCount: number;
  toldAtMs: number;
}

export class RefusedFrames {
  readonly #tallies: Readonly<Record<Refusal["kind"], Tally>> = { late: tally(), forged: tally() };

  /** Refused so far. */
  count(kind: Refusal["kind"]): number {
    return this.#tallies[kind].count;
  }

  /** Counts one. @param nowMs Monotonic. @returns What to tell now, or null. */
  refused({ kind, detail }: Refusal, nowMs: number): RegionEvent | null {
    const tally = this.#tallies[kind];
    tally.count++;
    if (nowMs - tally.toldAtMs < TELL_EVERY_MS) return null;
    tally.toldAtMs = nowMs;
    const since = tally.count - tally.toldCount;
    tally.toldCount = tally.count;
    const what = kind === "late"
      ? "Refused exchange frames of another attempt"
      : "Refused exchange frames that were not made with the key of this attempt";
    return {
      type: kind === "late" ? "late-frame-refused" : "forged-frame-refused",
      detail: `${what}: ${detail}`,
      fields: { count: since, total: tally.count },
    };
  }
}

function tally(): Tally {
  return { count: 0, toldCount: 0, toldAtMs: -Infinity };
}
