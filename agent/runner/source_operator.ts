/**
 * The operator at the head of a chain: gives each record its event time, and advances the watermark.
 *
 * Touches the subtask's event clock. The watermark moves behind the record, when it has run through the whole
 * chain, so that a record is judged by what came before it. A record from the future is a device whose clock
 * is wrong: it must not make the others late.
 *
 * @module
 */
import type { EventTimeDescriptor } from "@shared/job_graph.ts";
import type { OperatorSpec } from "@shared/sdk/operator.ts";
import type { ChainParts, Emit, OperatorPlace } from "./chain.ts";
import type { EventClock } from "./event_clock.ts";
import { DEFAULT_EVENT_TIME, WatermarkGenerator, type WatermarkState } from "./watermarks.ts";

type SourceOperator = OperatorSpec & { kind: "source" };

/** Event time of the source of one subtask. */
export interface SourceTime {
  /** Its own watermark, whatever the channels beside it say. */
  readonly watermarkMs: number;
  /** It has said nothing for so long that it does not hold others back. */
  readonly isIdle: boolean;
  /** Latest event time that counts; -Infinity before the first record. */
  readonly latestMs: number;
  /** Records further in the future than allowed, since the attempt began. */
  readonly futureRecords: number;
  tick(nowMs: number): void;
  /** For the snapshot (A5). */
  capture(): WatermarkState;
  restore(state: WatermarkState): void;
}

export function compileSource(
  spec: SourceOperator,
  place: OperatorPlace,
  { parts, clock }: { parts: ChainParts; clock: EventClock },
): { emit: Emit; time: SourceTime } {
  const options = timeOf(spec, parts);
  const generator = new WatermarkGenerator(options);
  const advance = parts.onSourceWatermark ?? ((ms: number) => clock.advance(ms));
  const guard = new FutureGuard(options);
  const stamp = compileStamp(spec, place, { parts, guard });
  const { origin } = parts;
  const { count, emit } = place;
  return {
    emit: (record) => {
      count.recordsIn++;
      if (!stamp(record)) return;
      const { atMs, nowMs } = origin;
      count.recordsOut++;
      emit(record);
      if (generator.observe(atMs, nowMs)) advance(generator.watermarkMs);
    },
    time: {
      get watermarkMs() {
        return generator.watermarkMs;
      },
      get isIdle() {
        return generator.isIdle;
      },
      get latestMs() {
        return generator.latestMs;
      },
      get futureRecords() {
        return guard.count;
      },
      tick: (nowMs) => {
        if (generator.tick(nowMs)) advance(generator.watermarkMs);
      },
      capture: () => generator.capture(),
      restore: (state) => generator.restore(state),
    },
  };
}

function timeOf(spec: SourceOperator, { isTimeDrivenByRecords }: ChainParts): EventTimeDescriptor {
  const isOfRecord = spec.source.eventTime !== null;
  const options = { ...DEFAULT_EVENT_TIME, ...spec.source.time, isOfRecord };
  return isTimeDrivenByRecords === true ? { ...options, maxFutureSkewMs: null } : options;
}

/** Gives the record its event time; one that cannot be told keeps its arrival time. @returns False: set aside. */
function compileStamp(
  { source: { eventTime } }: SourceOperator,
  { setAside }: OperatorPlace,
  { parts: { origin }, guard }: { parts: ChainParts; guard: FutureGuard },
): (record: unknown) => boolean {
  if (eventTime === null) return () => true;
  return (record) => {
    try {
      const atMs = eventTime(record);
      if (Number.isFinite(atMs)) {
        if (guard.isTrue(atMs, origin.nowMs)) origin.atMs = atMs;
        else if (guard.isSetAside) throw guard.errorOf(atMs, origin.nowMs);
      }
    } catch (thrown) {
      setAside(record, thrown);
      return false;
    }
    return true;
  };
}

/** Counts the records whose event time lies further ahead of the wall clock than their source allows. */
class FutureGuard {
  readonly isSetAside: boolean;
  readonly #maxSkewMs: number;
  count = 0;

  constructor({ maxFutureSkewMs, onFuture }: EventTimeDescriptor) {
    this.#maxSkewMs = maxFutureSkewMs ?? Infinity;
    this.isSetAside = onFuture === "deadLetter";
  }

  isTrue(atMs: number, nowMs: number): boolean {
    if (atMs - nowMs <= this.#maxSkewMs) return true;
    this.count++;
    return false;
  }

  errorOf(atMs: number, nowMs: number): RangeError {
    return new RangeError(
      `The event time is ${Math.round((atMs - nowMs) / 1_000)} s in the future, want at most ` +
        `${this.#maxSkewMs / 1_000} s: set the clock of the device, or raise maxFutureSkew`,
    );
  }
}
