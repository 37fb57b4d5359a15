/**
 * A source that makes its records itself, from a function of their number: for tests, demonstrations, benchmarks.
 *
 * Touches the clock alone. Its position is its whole state, so a restore goes on with exactly the next record.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { PenstockError } from "@shared/errors.ts";
import type { CheckpointId } from "@shared/ids.ts";
import type { SplitPosition } from "@shared/manifest.ts";
import type { SourceSpec } from "@shared/sdk/operator.ts";
import type { SourceMetrics, SourceOutput, SourceReader } from "./connector.ts";

export type GeneratorSourceSpec = Extract<SourceSpec, { connector: "generator" }>;

export interface GeneratorSourceOptions {
  readonly spec: GeneratorSourceSpec;
  readonly sourceUid: string;
  readonly splitIndex: number;
  readonly output: SourceOutput;
  readonly clock: Clock;
}

const TICK_MS = 20;
/** Records between two looks at the other work of the process. */
const BATCH_RECORDS = 512;
/** What a source that was held up may catch up at once, seconds of its rate. */
const BACKLOG_SECONDS_MAX = 1;
const SECTION_VERSION = 1;
const SECTION_BYTES = 17;

/** A generator for one split; nothing happens until `start`. */
export function createGeneratorSource(options: GeneratorSourceOptions): SourceReader {
  return new GeneratorSource(options);
}

class GeneratorSource implements SourceReader {
  readonly #options: GeneratorSourceOptions;
  #position = 0;
  #lastRecordAtMs: number | null = null;
  #isPaused = false;
  #isOver = false;
  #isRunning = false;
  /** Records that the rate allows and that are not made yet. */
  #credit = 0;
  #creditedAtMs = 0;
  #cancelTick: () => void = () => {};

  constructor(options: GeneratorSourceOptions) {
    this.#options = options;
  }

  restore(section: Uint8Array): void {
    const view = new DataView(section.buffer, section.byteOffset, section.length);
    if (section.length !== SECTION_BYTES || view.getUint8(0) !== SECTION_VERSION) {
      throw new PenstockError(
        `Cannot restore generator ${this.#options.sourceUid}: its snapshot section has ` +
          `${section.length} bytes of version ${
            section[0]
          }, want ${SECTION_BYTES} of ${SECTION_VERSION}`,
        { code: "bad-section", domain: "internal" },
      );
    }
    this.#position = view.getFloat64(1, true);
    const lastRecordAtMs = view.getFloat64(9, true);
    this.#lastRecordAtMs = Number.isNaN(lastRecordAtMs) ? null : lastRecordAtMs;
  }

  start(): Promise<void> {
    this.#isRunning = true;
    this.#creditedAtMs = this.#options.clock.monotonicMs();
    this.#schedule();
    return Promise.resolve();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#isRunning) this.#schedule();
  }

  capture(_checkpointId: CheckpointId): { section: Uint8Array; position: SplitPosition } {
    const section = new Uint8Array(SECTION_BYTES);
    const view = new DataView(section.buffer);
    view.setUint8(0, SECTION_VERSION);
    view.setFloat64(1, this.#position, true);
    view.setFloat64(9, this.#lastRecordAtMs ?? NaN, true);
    const { sourceUid, splitIndex } = this.#options;
    const position = this.#position;
    return {
      section,
      position: { sourceUid, splitIndex, position, lastRecordAtMs: this.#lastRecordAtMs },
    };
  }

  notifyCompleted(): void {}
  notifyAborted(): void {}

  metrics(): SourceMetrics {
    return {
      position: this.#position,
      duplicatesDropped: 0,
      windowUsed: 0,
      windowSize: 0,
      isConnected: this.#isRunning,
    };
  }

  close(): Promise<void> {
    this.#isRunning = false;
    this.#cancelTick();
    return Promise.resolve();
  }

  #schedule(): void {
    this.#cancelTick();
    const delayMs = this.#options.spec.ratePerSecond === null ? 0 : TICK_MS;
    this.#cancelTick = this.#options.clock.after(delayMs, () => this.#tick());
  }

  #tick(): void {
    const nowMs = this.#options.clock.nowMs();
    for (let left = this.#allowance(); left > 0 && this.#canEmit; left -= 1) this.#emit(nowMs);
    if (this.#canEmit) this.#schedule();
  }

  get #canEmit(): boolean {
    return this.#isRunning && !this.#isPaused && !this.#isOver;
  }

  /** Records to make in this tick. */
  #allowance(): number {
    const rate = this.#options.spec.ratePerSecond;
    if (rate === null) return BATCH_RECORDS;
    const nowMs = this.#options.clock.monotonicMs();
    this.#credit += rate * (nowMs - this.#creditedAtMs) / 1000;
    this.#credit = Math.min(this.#credit, Math.max(1, rate * BACKLOG_SECONDS_MAX));
    this.#creditedAtMs = nowMs;
    const count = Math.floor(this.#credit);
    this.#credit -= count;
    return count;
  }

  #emit(nowMs: number): void {
    const { spec, splitIndex, output } = this.#options;
    const value = spec.next(this.#position, splitIndex);
    if (value === undefined) {
      this.#isOver = true;
      output.ended?.();
      return;
    }
    this.#position += 1;
    this.#lastRecordAtMs = nowMs;
    output.record(value, this.#position, nowMs);
  }
}
