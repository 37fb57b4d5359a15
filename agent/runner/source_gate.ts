/**
 * What stands between a subtask's source and its chain while the subtask aligns or ends: records that come
 * behind the source's barrier wait here until the snapshot is taken.
 *
 * Touches the source. A source that pauses still hands over what it had read; that much waits at most.
 *
 *   open ── block n ──▶ blocked, records wait ── unblock ──▶ open, those that waited first
 *
 * Invariants:
 *
 *   A4  The source's position in snapshot n is that at its barrier; no record behind it runs before n is taken.
 *
 * @module
 */
import type { CheckpointId } from "@shared/ids.ts";
import type { SourceReader } from "../connectors/connector.ts";
import { ALIGNING, DRAINED, type Holds } from "./holds.ts";
import type { SourceCapture } from "./snapshot_run.ts";

/** Records that may wait: what one window of the broker can hold. */
const WAITING_RECORDS_MAX = 65_535;

interface WaitingRecord {
  readonly value: unknown;
  readonly position: number;
  readonly arrivedAtMs: number;
}

export interface SourceGatePorts {
  readonly source: SourceReader | null;
  readonly holds: Holds;
  readonly record: (value: unknown, position: number, arrivedAtMs: number) => void;
  readonly failed: (message: string) => void;
}

export class SourceGate {
  readonly #ports: SourceGatePorts;
  #atBarrier: SourceCapture | null = null;
  #waiting: WaitingRecord[] = [];

  constructor(ports: SourceGatePorts) {
    this.#ports = ports;
  }

  /** Where the source stood at the barrier that it is blocked by; null when it is not. */
  get atBarrier(): SourceCapture | null {
    return this.#atBarrier;
  }

  /** The source gives barrier `checkpointId` and waits for the channels beside it. */
  block(checkpointId: CheckpointId): void {
    this.#atBarrier = this.#ports.source?.capture(checkpointId) ?? null;
    this.#ports.holds.add(ALIGNING);
  }

  /** What waited runs now, before anything else of the source. */
  unblock(): void {
    this.#atBarrier = null;
    this.#ports.holds.remove(ALIGNING, () => {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const { value, position, arrivedAtMs } of waiting) {
        this.#ports.record(value, position, arrivedAtMs);
      }
    });
  }

  /** A record came while the source is held. */
  keep(value: unknown, position: number, arrivedAtMs: number): void {
    // Of a job that ends nothing is worked on any more; the broker sends it again to whoever comes.
    if (this.#ports.holds.has(DRAINED)) return;
    this.#waiting.push({ value, position, arrivedAtMs });
    if (this.#waiting.length <= WAITING_RECORDS_MAX) return;
    this.#ports.failed(`More than ${WAITING_RECORDS_MAX} records came while the source was paused`);
  }
}
