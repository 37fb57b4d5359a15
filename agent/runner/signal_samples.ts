/**
 * The latest value of each watched signal, thinned to one a second and key, for the dashboard's charts.
 *
 * Pure. Bounded: a second has room for `SAMPLES_PER_SECOND_MAX` keys; which of more keys are shown is
 * decided by who comes first. What an author's detector or key function gives is made fit for a message:
 * one that the hub cannot read costs the agent its connection.
 *
 * @module
 */
import type { SignalSample } from "@shared/messages.ts";

export const SAMPLES_PER_SECOND_MAX = 2_000;
/** Signals with a longer key are not shown. */
const KEY_CHARS_MAX = 4_096;

export class SignalSamples {
  #samples = new Map<string, SignalSample>();

  /** Whether `key` of `operatorUid` has no sample in this second yet and there is room for one. */
  isWanted(operatorUid: string, key: string): boolean {
    return this.#samples.size < SAMPLES_PER_SECOND_MAX && key.length <= KEY_CHARS_MAX &&
      !this.#samples.has(`${operatorUid}/${key}`);
  }

  /** What is no finite number is shown as none. */
  add({ operatorUid, key, atMs, value, score, low, high }: SignalSample): void {
    this.#samples.set(`${operatorUid}/${key}`, {
      operatorUid,
      key,
      atMs,
      value: finite(value),
      score: finite(score),
      low: finite(low),
      high: finite(high),
    });
  }

  /** Samples of the second that ends now; a new one begins. */
  take(): SignalSample[] {
    const samples = [...this.#samples.values()];
    if (samples.length > 0) this.#samples = new Map();
    return samples;
  }
}

function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
