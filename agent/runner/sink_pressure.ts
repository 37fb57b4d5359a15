/**
 * Holds a subtask's inputs while one of its sinks has too much unconfirmed.
 *
 * Touches the clock and the holds it is given.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import type { SinkWriter } from "../connectors/connector.ts";
import { type Holds, SINK_FULL } from "./holds.ts";

/** Outputs a sink may have unconfirmed before the inputs are held. */
export const SINK_PENDING_MAX = 10_000;
/** They go on when no sink has more than this. */
const SINK_PENDING_RESUME = SINK_PENDING_MAX / 2;
const POLL_MS = 10;

export interface SinkPressurePorts {
  readonly clock: Clock;
  readonly sinks: ReadonlyMap<string, SinkWriter>;
  readonly holds: Holds;
  readonly isRunning: () => boolean;
  /** The inputs may go on. */
  readonly onRelief: () => void;
}

export class SinkPressure {
  readonly #ports: SinkPressurePorts;

  constructor(ports: SinkPressurePorts) {
    this.#ports = ports;
  }

  /** After each write to `sink`. */
  check(sink: SinkWriter): void {
    const { holds } = this.#ports;
    if (sink.pendingCount <= SINK_PENDING_MAX || holds.has(SINK_FULL)) return;
    holds.add(SINK_FULL);
    this.#pollLater();
  }

  #pollLater(): void {
    this.#ports.clock.after(POLL_MS, () => this.#poll());
  }

  #poll(): void {
    const { sinks, holds, isRunning, onRelief } = this.#ports;
    if (!isRunning()) return;
    if ([...sinks.values()].some((sink) => sink.pendingCount > SINK_PENDING_RESUME)) {
      return this.#pollLater();
    }
    holds.remove(SINK_FULL);
    onRelief();
  }
}
