/**
 * What becomes of a record on which the author's code threw: the subtask fails, or it is set aside.
 *
 * Touches only the event port it is given. Set aside means counted and, within bounds, shown with a
 * sample; its position counts as taken in, so it is acknowledged like any other.
 *
 * @module
 */
import { messageOf, PenstockError, UserError } from "@shared/errors.ts";
import type { RegionEvent } from "@shared/messages.ts";
import type { ErrorPolicy } from "@shared/sdk/operator.ts";

/** Dead letters shown with a sample, per minute; the others are only counted. */
export const SAMPLES_PER_MINUTE_MAX = 20;
const SAMPLE_CHARACTERS_MAX = 500;
const REASON_CHARACTERS_MAX = 500;
const MINUTE_MS = 60_000;

/** A record that stops its region: the operator's error policy is `fail`. */
export class OperatorFailedError extends UserError {
  override name = "OperatorFailedError";
  constructor(uid: string, position: number, cause: unknown) {
    super(
      "operator-failed",
      `Operator "${uid}" threw on record ${position}: ${messageOf(cause)}; correct the function, ` +
        `or set onError: "dead-letter" to set such records aside`,
      { cause },
    );
  }
}

/** Whether a region that failed of `thrown` may be tried again: not if its job, or what it needs, is at fault. */
export function isRetryable(thrown: unknown): boolean {
  if (!(thrown instanceof PenstockError)) return true;
  return thrown.isRetryable || thrown instanceof OperatorFailedError;
}

export class DeadLetters {
  readonly #emit: (event: RegionEvent) => void;
  readonly #monotonicMs: () => number;
  #count = 0;
  #minuteStartMs = -Infinity;
  #shownInMinute = 0;
  #hidden = 0;

  constructor(emit: (event: RegionEvent) => void, monotonicMs: () => number) {
    this.#emit = emit;
    this.#monotonicMs = monotonicMs;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Sets a record aside.
   *
   * @param sample Bytes as they came, or the record.
   */
  add(uid: string, reason: string, sample: unknown, position: number): void {
    this.#count++;
    const nowMs = this.#monotonicMs();
    if (nowMs - this.#minuteStartMs >= MINUTE_MS) {
      this.#minuteStartMs = nowMs;
      this.#shownInMinute = 0;
    }
    if (this.#shownInMinute >= SAMPLES_PER_MINUTE_MAX) {
      this.#hidden++;
      return;
    }
    this.#shownInMinute++;
    this.#emit({
      type: "dead-letter",
      detail: `${uid}: ${reason.slice(0, REASON_CHARACTERS_MAX)}`,
      fields: {
        uid,
        position,
        sample: sampleText(sample),
        count: this.#count,
        hidden: this.#hidden,
      },
    });
    this.#hidden = 0;
  }

  /**
   * Carries out the policy of the operator that threw.
   *
   * @throws {OperatorFailedError} If the policy is `fail`.
   */
  judge(of: { uid: string; onError: ErrorPolicy }, record: unknown, place: {
    thrown: unknown;
    position: number;
  }): void {
    if (of.onError === "fail") throw new OperatorFailedError(of.uid, place.position, place.thrown);
    this.add(of.uid, messageOf(place.thrown), record, place.position);
  }
}

/** The beginning of a payload, or of a record as JSON. */
export function sampleText(sample: unknown): string {
  if (sample instanceof Uint8Array) {
    return new TextDecoder().decode(sample.subarray(0, SAMPLE_CHARACTERS_MAX));
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(sample);
  } catch {
    text = String(sample);
  }
  return (text ?? String(sample)).slice(0, SAMPLE_CHARACTERS_MAX);
}
