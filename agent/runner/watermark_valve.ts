/**
 * Watermark of a subtask with several inputs: the least of those that still say something about time.
 *
 * Pure. An input counts while it is open and not idle. One that wakes up behind the others holds time
 * where it is until it has caught up; nothing goes back.
 *
 * Invariants (tests/property/watermark_valve_test.ts):
 *
 *   W1  The watermark never goes back.
 *   W2  It is at most that of every open input that is not idle, unless it was there before that input woke.
 *   W3  It is idle iff an input is open, and every open one is idle.
 *   W4  Time comes to its end when every input is closed or has come to it; one that is idle may go on.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import { MAX_WATERMARK_MS, MIN_WATERMARK_MS } from "./watermarks.ts";

export type ValveEvent =
  | { readonly kind: "watermark"; readonly input: number; readonly watermarkMs: number }
  | { readonly kind: "idle"; readonly input: number; readonly isIdle: boolean }
  | { readonly kind: "close"; readonly input: number };

interface ValveInput {
  readonly watermarkMs: number;
  readonly isIdle: boolean;
  readonly isOpen: boolean;
}

export interface ValveState {
  readonly inputs: readonly ValveInput[];
  /** Ms since the epoch: no record with a time up to it is expected. */
  readonly watermarkMs: number;
  /** No input says anything about time. */
  readonly isIdle: boolean;
}

/**
 * @param inputCount At least 1.
 * @param watermarkMs How far time had come before a restore.
 */
export function createValve(inputCount: number, watermarkMs = MIN_WATERMARK_MS): ValveState {
  assert(inputCount >= 1, `inputCount is ${inputCount}: want >= 1`);
  const input: ValveInput = { watermarkMs: MIN_WATERMARK_MS, isIdle: false, isOpen: true };
  const inputs = Array.from({ length: inputCount }, () => input);
  return { inputs, watermarkMs, isIdle: false };
}

/** Applies one event. An older watermark of an input, and anything of a closed one, changes nothing. */
export function stepValve(state: ValveState, event: ValveEvent): ValveState {
  const before = state.inputs[event.input];
  assert(before !== undefined, `Input ${event.input}: want one below ${state.inputs.length}`);
  if (!before.isOpen) return state;
  const after = changed(before, event);
  if (after === before) return state;
  const inputs = state.inputs.with(event.input, after);
  return { inputs, ...outcome(inputs, state.watermarkMs) };
}

function changed(input: ValveInput, event: ValveEvent): ValveInput {
  switch (event.kind) {
    case "watermark":
      return event.watermarkMs <= input.watermarkMs
        ? input
        : { ...input, watermarkMs: event.watermarkMs };
    case "idle":
      return event.isIdle === input.isIdle ? input : { ...input, isIdle: event.isIdle };
    case "close":
      return { ...input, isOpen: false };
  }
}

function outcome(
  inputs: readonly ValveInput[],
  beforeMs: number,
): { watermarkMs: number; isIdle: boolean } {
  let leastMs = MAX_WATERMARK_MS;
  let openCount = 0;
  let activeCount = 0;
  let mayGoOn = false;
  for (const { isOpen, isIdle, watermarkMs } of inputs) {
    if (!isOpen) continue;
    openCount++;
    if (watermarkMs < MAX_WATERMARK_MS) mayGoOn = true;
    if (isIdle) continue;
    activeCount++;
    leastMs = Math.min(leastMs, watermarkMs);
  }
  const isIdle = activeCount === 0 && openCount > 0;
  const isHeld = isIdle || (mayGoOn && leastMs >= MAX_WATERMARK_MS);
  return { watermarkMs: isHeld ? beforeMs : Math.max(beforeMs, leastMs), isIdle };
}
