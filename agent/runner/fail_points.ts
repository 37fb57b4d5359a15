/**
 * Named points at which a test stops the runner dead, so that it can be killed exactly there.
 *
 * Pure; what "stop" means is given by `main.ts`. Without a fail point every hit is one comparison.
 *
 * @module
 */

export type FailPointName =
  | "barrier-before-snapshot"
  | "barrier-after-snapshot"
  | "snapshot-sent"
  | "completed-received"
  | "pubacks-partly-written"
  | "restore-half-loaded"
  | "restored-before-run";

export class FailPoints {
  readonly #name: string | null;
  readonly #stop: (name: string) => void;
  #hitsLeft: number;

  /**
   * @param setting `name:nth`, the first hit being 1; null for none.
   * @param stop Does not return in production code paths that hit a fail point.
   */
  constructor(setting: string | null, stop: (name: string) => void) {
    const [name, nth] = setting?.split(":") ?? [];
    this.#name = name ?? null;
    this.#hitsLeft = Number(nth ?? 1);
    this.#stop = stop;
  }

  /** Stops the runner if this is the hit that was asked for. */
  hit(name: FailPointName): void {
    if (name !== this.#name) return;
    this.#hitsLeft--;
    if (this.#hitsLeft === 0) this.#stop(name);
  }
}
