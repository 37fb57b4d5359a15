/**
 * Alarm edges on their way to the hub: kept until the hub says that they are stored.
 *
 * Touches the link it is given, nothing else. Edges have stable ids, so sending one twice rings once.
 *
 *  1. (C1) `stored(region, …)` resolves only when every edge the region raised before the call is
 *     stored at the hub; a checkpoint is acknowledged behind it.
 *  2. (C1) When the outbox is full, edges are dropped and the attempt that raised them is lossy: it
 *     acknowledges no checkpoint any more, so that a restart replays the records behind them.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import type { Attempt } from "@shared/ids.ts";
import type { AgentMessage, AlarmEdge } from "@shared/messages.ts";

/** Edges kept for a hub that is away. */
export const OUTBOX_EDGES_MAX = 20_000;
/** Edges of one message. */
const BATCH_EDGES_MAX = 1_000;

interface Batch {
  readonly seq: number;
  readonly owner: string;
  readonly edges: AlarmEdge[];
  sentAtMs: number;
}

export class AlarmOutbox {
  readonly #send: (message: AgentMessage) => void;
  readonly #clock: Clock;
  #seq = 0;
  #edgeCount = 0;
  readonly #batches = new Map<number, Batch>();
  readonly #lossy = new Map<string, number>();
  #waiting: { readonly owner: string; readonly upToSeq: number; readonly resolve: () => void }[] =
    [];

  constructor(send: (message: AgentMessage) => void, clock: Clock) {
    this.#send = send;
    this.#clock = clock;
  }

  /** Takes edges that one attempt of one region raised, and sends them. */
  add(owner: AlarmOwner, edges: readonly AlarmEdge[]): void {
    const name = nameOf(owner);
    const room = Math.max(0, OUTBOX_EDGES_MAX - this.#edgeCount);
    const dropped = Math.max(0, edges.length - room);
    if (dropped > 0) this.#lossy.set(name, (this.#lossy.get(name) ?? 0) + dropped);
    for (let from = 0; from < Math.min(room, edges.length); from += BATCH_EDGES_MAX) {
      const part = edges.slice(from, Math.min(from + BATCH_EDGES_MAX, room));
      const batch = { seq: ++this.#seq, owner: name, edges: part, sentAtMs: 0 };
      this.#batches.set(batch.seq, batch);
      this.#edgeCount += part.length;
      this.#sendBatch(batch);
    }
  }

  /** The hub has stored the batch `seq`. */
  stored(seq: number): void {
    const batch = this.#batches.get(seq);
    if (batch === undefined) return;
    this.#batches.delete(seq);
    this.#edgeCount -= batch.edges.length;
    this.#waiting = this.#waiting.filter((waiting) => {
      if (this.#isUnstored(waiting.owner, waiting.upToSeq)) return true;
      waiting.resolve();
      return false;
    });
  }

  /** Resolves when every edge that `owner` has raised so far is stored, or when `signal` is aborted. */
  whenStored(owner: AlarmOwner, signal: AbortSignal): Promise<void> {
    const name = nameOf(owner);
    const upToSeq = this.#seq;
    if (signal.aborted || !this.#isUnstored(name, upToSeq)) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = { owner: name, upToSeq, resolve };
    this.#waiting.push(waiting);
    signal.addEventListener("abort", () => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      resolve();
    }, { once: true });
    return promise;
  }

  /** Edges of this attempt that were dropped. */
  droppedCount(owner: AlarmOwner): number {
    return this.#lossy.get(nameOf(owner)) ?? 0;
  }

  /** The attempt is over: its drops no longer matter. Its unstored edges stay, for they happened. */
  forget(owner: AlarmOwner): void {
    this.#lossy.delete(nameOf(owner));
  }

  /** Sends again, in order, what is unstored and was sent at least `sinceMs` ago. */
  resend(sinceMs: number): void {
    const dueMs = this.#clock.monotonicMs() - sinceMs;
    for (const batch of this.#batches.values()) if (batch.sentAtMs <= dueMs) this.#sendBatch(batch);
  }

  #sendBatch(batch: Batch): void {
    batch.sentAtMs = this.#clock.monotonicMs();
    this.#send({ kind: "alarms", seq: batch.seq, edges: batch.edges });
  }

  #isUnstored(owner: string, upToSeq: number): boolean {
    for (const batch of this.#batches.values()) {
      if (batch.seq > upToSeq) return false;
      if (batch.owner === owner) return true;
    }
    return false;
  }
}

export interface AlarmOwner {
  readonly jobId: string;
  readonly regionId: string;
  readonly attempt: Attempt;
}

function nameOf({ jobId, regionId, attempt }: AlarmOwner): string {
  return `${jobId}/${regionId}/${attempt}`;
}
