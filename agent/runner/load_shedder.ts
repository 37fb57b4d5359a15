/**
 * What a source does with records that come while there is no room behind: keeps one in some, or the newest.
 *
 * Pure but for what it calls. Barriers never come here: only records are shed (A7). A record that is shed counts
 * as taken in, so it is acknowledged with its checkpoint like any other, and it is counted and told.
 *
 *   open ── no room ──▶ shedding ── room again ──▶ open
 *
 * Invariants (tests/property/load_shedder_test.ts):
 *
 *   1   Every record runs once, or is shed and counted; those that run keep their order.
 *   2   What waits is bounded, and runs before a barrier: no snapshot holds the position of a record that is
 *       neither worked on nor shed (A4).
 *
 * @module
 */
import type { OverloadPolicy } from "@shared/job_graph.ts";
import type { RegionEvent } from "@shared/messages.ts";

/** Records that wait for room under `dropOldest`. */
export const WAITING_MAX = 1_000;
/** Under `sample`, one record in so many runs at first; then, while there is still no room, one in twice as many. */
const SAMPLE_ONE_IN = 10;
const SAMPLE_ONE_IN_MAX = 2 ** 30;
/** Records until fewer are kept. */
const SAMPLE_STEP_RECORDS = 1_000;
/** Between two events of one source, ms. */
const EVENT_EVERY_MS = 60_000;

export interface ShedderPorts {
  readonly uid: string;
  /** There is no room behind the source. */
  readonly isFull: () => boolean;
  /** Runs one record through the chain. */
  readonly run: (value: unknown, position: number, arrivedAtMs: number) => void;
  readonly event: (event: RegionEvent) => void;
}

interface WaitingRecord {
  readonly value: unknown;
  readonly position: number;
  readonly arrivedAtMs: number;
}

export class LoadShedder {
  readonly #policy: Exclude<OverloadPolicy, "block">;
  readonly #ports: ShedderPorts;
  /** Oldest first. */
  readonly #waiting: WaitingRecord[] = [];
  #waitingFrom = 0;
  #taken = 0;
  #oneIn = SAMPLE_ONE_IN;
  #shedRecords = 0;
  #toldRecords = 0;
  #toldAtMs = -Infinity;

  constructor(policy: Exclude<OverloadPolicy, "block">, ports: ShedderPorts) {
    this.#policy = policy;
    this.#ports = ports;
  }

  /** Records not worked on since the attempt began. */
  get shedRecords(): number {
    return this.#shedRecords;
  }

  /** Records come here, and not to the chain, while this is true. */
  get isShedding(): boolean {
    return this.#ports.isFull() || this.#waitingCount > 0;
  }

  /** A record came without room behind. */
  take(value: unknown, position: number, arrivedAtMs: number): void {
    if (this.#policy === "sample") return this.#sample(value, position, arrivedAtMs);
    this.#waiting.push({ value, position, arrivedAtMs });
    if (this.#waitingCount <= WAITING_MAX) return;
    this.#waitingFrom++;
    this.#shedRecords++;
    this.#dropGone();
  }

  /** There is room again: what waits runs, as far as there is. */
  release(): void {
    this.#oneIn = SAMPLE_ONE_IN;
    this.#taken = 0;
    while (this.#waitingCount > 0 && !this.#ports.isFull()) this.#runNext();
    this.#dropGone();
  }

  /** In front of a barrier and at the end: all that waits runs, whatever the room. */
  flush(): void {
    while (this.#waitingCount > 0) this.#runNext();
    this.#dropGone();
  }

  /** Tells what was shed, at most once a minute. Call it about once a second. */
  tick(nowMs: number): void {
    const shed = this.#shedRecords - this.#toldRecords;
    if (shed === 0 || nowMs - this.#toldAtMs < EVENT_EVERY_MS) return;
    this.#toldRecords = this.#shedRecords;
    this.#toldAtMs = nowMs;
    const { uid, event } = this.#ports;
    event({
      type: "records-shed",
      detail: `${uid}: ${shed} records came faster than they are processed and were not worked on`,
      fields: { uid, policy: this.#policy, shed, total: this.#shedRecords },
    });
  }

  get #waitingCount(): number {
    return this.#waiting.length - this.#waitingFrom;
  }

  #sample(value: unknown, position: number, arrivedAtMs: number): void {
    this.#taken++;
    if (this.#taken % SAMPLE_STEP_RECORDS === 0) {
      this.#oneIn = Math.min(this.#oneIn * 2, SAMPLE_ONE_IN_MAX);
    }
    if (this.#taken % this.#oneIn === 0) this.#ports.run(value, position, arrivedAtMs);
    else this.#shedRecords++;
  }

  #runNext(): void {
    const { value, position, arrivedAtMs } = this.#waiting[this.#waitingFrom++]!;
    this.#ports.run(value, position, arrivedAtMs);
  }

  /** Lets go of records that have run or were shed, many at a time. */
  #dropGone(): void {
    if (this.#waitingFrom < WAITING_MAX && this.#waitingCount > 0) return;
    this.#waiting.splice(0, this.#waitingFrom);
    this.#waitingFrom = 0;
  }
}
