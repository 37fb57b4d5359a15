/**
 * Shares samples out among the streams that asked for their equipment.
 *
 * Pure but for its timer. Thousands of samples a second come in and hundreds of screens look at a few pieces
 * of equipment each: what nobody asked for is passed over, the rest is gathered for a moment and encoded once
 * for all who look at it.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { Clock } from "@shared/clock.ts";
import type { SignalSample } from "@shared/messages.ts";
import type { EventFeed, HubEvent } from "./ports.ts";

/** How long samples are gathered. */
const GATHER_MS = 250;

export interface SampleFan {
  /**
   * Calls `listener` with the samples of `equipment`, as frames of an event stream, until the returned
   * function is called.
   */
  join(
    equipment: readonly string[],
    jobId: string | null,
    listener: (frame: string) => void,
  ): () => void;
}

interface Member {
  readonly equipment: readonly string[];
  readonly jobId: string | null;
  readonly listener: (frame: string) => void;
}

export function createSampleFan(events: EventFeed, clock: Clock): SampleFan {
  return new Fan(events, clock);
}

class Fan implements SampleFan {
  readonly #events: EventFeed;
  readonly #clock: Clock;
  readonly #members = new Set<Member>();
  /** How many look at each piece of equipment. */
  readonly #wanted = new Map<string, number>();
  /** Encoded samples by equipment and job, since the last frame. */
  #gathered = new Map<string, Map<string, string[]>>();
  #unsubscribe: (() => void) | null = null;
  #isArmed = false;

  constructor(events: EventFeed, clock: Clock) {
    this.#events = events;
    this.#clock = clock;
  }

  join(
    equipment: readonly string[],
    jobId: string | null,
    listener: (frame: string) => void,
  ): () => void {
    const member = { equipment: [...new Set(equipment)], jobId, listener };
    this.#members.add(member);
    for (const one of member.equipment) this.#count(one, 1);
    this.#unsubscribe ??= this.#events.subscribe((event) => this.#take(event));
    return () => {
      if (!this.#members.delete(member)) return;
      for (const one of member.equipment) this.#count(one, -1);
      if (this.#members.size > 0) return;
      this.#unsubscribe?.();
      this.#unsubscribe = null;
    };
  }

  #count(equipment: string, change: 1 | -1): void {
    const count = (this.#wanted.get(equipment) ?? 0) + change;
    assert(count >= 0, `${equipment} is looked at ${count} times`);
    if (count === 0) this.#wanted.delete(equipment);
    else this.#wanted.set(equipment, count);
  }

  #take({ type, jobId, body }: HubEvent): void {
    if (type !== "samples" || jobId === null) return;
    for (const sample of body["samples"] as readonly SignalSample[]) {
      if (!this.#wanted.has(sample.key)) continue;
      let jobs = this.#gathered.get(sample.key);
      if (jobs === undefined) this.#gathered.set(sample.key, jobs = new Map());
      const texts = jobs.get(jobId);
      const text = JSON.stringify({ jobId, ...sample });
      if (texts === undefined) jobs.set(jobId, [text]);
      else texts.push(text);
    }
    if (this.#gathered.size > 0) this.#arm();
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#clock.after(GATHER_MS, () => {
      this.#isArmed = false;
      this.#send();
    });
  }

  #send(): void {
    const gathered = this.#gathered;
    this.#gathered = new Map();
    const at = new Date(this.#clock.nowMs()).toISOString();
    const joined = new Map<string, string>();
    for (const [equipment, jobs] of gathered) {
      for (const [jobId, texts] of jobs) joined.set(`${jobId}/${equipment}`, texts.join(","));
    }
    for (const { equipment, jobId, listener } of [...this.#members]) {
      const parts: string[] = [];
      for (const one of equipment) {
        for (const job of gathered.get(one)?.keys() ?? []) {
          if (jobId === null || job === jobId) parts.push(joined.get(`${job}/${one}`)!);
        }
      }
      if (parts.length > 0) listener(frameOf(at, jobId, parts));
    }
  }
}

/** An event like any other, its samples encoded already; each of them names its job. */
function frameOf(at: string, jobId: string | null, parts: readonly string[]): string {
  const head = JSON.stringify({ id: null, at, type: "samples", jobId, agentId: null });
  return `event: samples\ndata: ${head.slice(0, -1)},"body":{"samples":[${parts.join(",")}]}}\n\n`;
}
