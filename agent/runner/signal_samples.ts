/**
 * The latest value of each watched signal, thinned to one a second and key, for the dashboard's charts.
 *
 * Pure. Bounded: a second has room for `SAMPLES_PER_SECOND_MAX` keys; which of more keys are shown is
 * decided by who comes first.
 *
 * @module
 */
import type { SignalSample } from "@shared/messages.ts";

export const SAMPLES_PER_SECOND_MAX = 2_000;

export class SignalSamples {
  #samples = new Map<string, SignalSample>();

  /** Whether `key` of `operatorUid` has no sample in this second yet and there is room for one. */
  isWanted(operatorUid: string, key: string): boolean {
    return this.#samples.size < SAMPLES_PER_SECOND_MAX &&
      !this.#samples.has(`${operatorUid}/${key}`);
  }

  add(sample: SignalSample): void {
    this.#samples.set(`${sample.operatorUid}/${sample.key}`, sample);
  }

  /** Samples of the second that ends now; a new one begins. */
  take(): SignalSample[] {
    const samples = [...this.#samples.values()];
    if (samples.length > 0) this.#samples = new Map();
    return samples;
  }
}
