/**
 * Named points at which a test stops the agent dead, as a power cut would (F2 of the fault matrix).
 *
 * Pure but for the `stopDead` it is given. Without a fail point every call is a comparison.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";

export type AgentFailPoint =
  | "upload-started"
  | "uploaded-before-ack"
  | "after-ack"
  | "completed-received-agent";

export class FailPoints {
  readonly #name: string | null;
  #left: number;
  readonly #stopDead: (name: string) => void;

  /**
   * @param failPoint `name:nth` or `name`; null for none. A name of the runner's is never reached here.
   * @param stopDead Kills the runners, then this process.
   * @throws {UserError} `bad-fail-point` when nth is not a positive integer.
   */
  constructor(failPoint: string | null, stopDead: (name: string) => void) {
    const [name, nth = "1"] = failPoint?.split(":") ?? [null];
    this.#name = name ?? null;
    this.#left = Number(nth);
    this.#stopDead = stopDead;
    if (!Number.isSafeInteger(this.#left) || this.#left < 1) {
      throw new UserError(
        "bad-fail-point",
        `Fail point "${failPoint}" is not name:nth, nth from 1`,
      );
    }
  }

  reach(name: AgentFailPoint): void {
    if (name !== this.#name) return;
    this.#left--;
    if (this.#left === 0) this.#stopDead(name);
  }
}
