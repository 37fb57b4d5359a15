/**
 * Event time of a subtask that only channels feed: their watermarks through the valve.
 *
 * Pure but for the state it keeps. A channel of broadcasts alone does not count: rules that are pushed once
 * in a while say nothing about the time of the records they are for.
 *
 * @module
 */
import { createValve, stepValve, type ValveEvent, type ValveState } from "./watermark_valve.ts";
import { MAX_WATERMARK_MS, MIN_WATERMARK_MS } from "./watermarks.ts";

export class InputTime {
  readonly #isTimed: readonly boolean[];
  #valve: ValveState;

  /** @param isTimed For each channel, whether its watermark counts. */
  constructor(isTimed: readonly boolean[]) {
    this.#isTimed = isTimed;
    this.#valve = this.#create(MIN_WATERMARK_MS);
  }

  get watermarkMs(): number {
    return this.#valve.watermarkMs;
  }

  /** No channel says anything about time. */
  get isIdle(): boolean {
    return this.#valve.isIdle;
  }

  /** Time had come to `watermarkMs` when the snapshot was taken. */
  restore(watermarkMs: number): void {
    this.#valve = this.#create(watermarkMs);
  }

  take(event: ValveEvent): void {
    if (event.kind !== "close" && this.#isTimed[event.input] !== true) return;
    this.#valve = stepValve(this.#valve, event);
  }

  #create(watermarkMs: number): ValveState {
    let valve = createValve(this.#isTimed.length, watermarkMs);
    for (const [input, isTimed] of this.#isTimed.entries()) {
      if (isTimed) continue;
      valve = stepValve(valve, { kind: "idle", input, isIdle: true });
      valve = stepValve(valve, { kind: "watermark", input, watermarkMs: MAX_WATERMARK_MS });
    }
    return valve;
  }
}
