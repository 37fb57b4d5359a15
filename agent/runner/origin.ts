/**
 * What a chain is working on, a record or a timer, and the output ids made of it.
 *
 * Pure. One origin lives as long as its subtask and is set anew for each record, so that nothing is
 * allocated. Ids are made of what a replay repeats: region, sink, position in the split or timer, and the
 * number of the output. Two subtasks, two sinks, two records never make the same id.
 *
 * @module
 */
import type { RegionId } from "@shared/ids.ts";

export class Origin {
  readonly #regionId: RegionId;
  #timerPart = "";
  /** Raised for each record and each timer: tells a sink to number its outputs from 0 again. */
  serial = 0;
  /** Number of the record in its split; of a timer, that of the last record before it. */
  position = 0;
  /** Time to judge and stamp by, ms since the epoch; never goes back. */
  nowMs = 0;
  /** Event time of the record, or its arrival time, ms since the epoch. */
  atMs = 0;

  constructor(regionId: RegionId) {
    this.#regionId = regionId;
  }

  /** @param arrivedAtMs Already held up to the latest time seen. */
  setRecord(position: number, arrivedAtMs: number): void {
    this.serial++;
    this.position = position;
    this.nowMs = arrivedAtMs;
    this.atMs = arrivedAtMs;
    this.#timerPart = "";
  }

  setTimer(of: { uid: string; key: string; timeMs: number; nowMs: number }): void {
    this.serial++;
    this.nowMs = of.nowMs;
    this.atMs = of.timeMs;
    this.#timerPart = `t${of.timeMs}:${of.uid}:${of.key}`;
  }

  /** Id of output number `index` of this origin at a sink; the same after every replay. */
  outputId(sinkUid: string, index: number): string {
    const place = this.#timerPart === "" ? this.position : this.#timerPart;
    return `${this.#regionId}:${sinkUid}:${place}:${index}`;
  }
}

/** The wall clock as state sees it: it never goes back, not even over a restore (S4). */
export class LatestTime {
  #latestMs = 0;

  get latestMs(): number {
    return this.#latestMs;
  }

  /** The later of `nowMs` and all that was observed before. */
  observe(nowMs: number): number {
    if (nowMs > this.#latestMs) this.#latestMs = nowMs;
    return this.#latestMs;
  }
}
