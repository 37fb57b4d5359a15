/**
 * How fast this agent may upload: one token bucket over all of its regions.
 *
 * The bucket is pure; `UploadBudget` waits on a `Clock`.
 *
 *  1. Over any span the bytes taken are at most `bytesPerSecond` times the span, plus one burst and one
 *     request: a request larger than the burst is served when the level is not negative, and leaves a debt.
 *  2. Waiters go in the order they came.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { UserError } from "@shared/errors.ts";
import { sleep } from "../backoff.ts";

/** What may be sent at once after a pause, as a share of a second. */
const BURST_SECONDS = 1;
/** A limit below this could not carry one checkpoint of the smallest job. */
export const UPLOAD_LIMIT_MIN_BYTES = 1_000;

export interface TokenBucket {
  readonly bytesPerSecond: number;
  readonly burstBytes: number;
  /** Bytes that may be sent now; negative while a debt is paid off. */
  readonly levelBytes: number;
  readonly atMs: number;
}

/** A full bucket. */
export function createBucket(bytesPerSecond: number, nowMs: number): TokenBucket {
  const burstBytes = bytesPerSecond * BURST_SECONDS;
  return { bytesPerSecond, burstBytes, levelBytes: burstBytes, atMs: nowMs };
}

/** Milliseconds until something may be taken; 0 when now. */
export function waitOf(bucket: TokenBucket, nowMs: number): number {
  const { levelBytes, bytesPerSecond } = filled(bucket, nowMs);
  return levelBytes >= 0 ? 0 : Math.ceil(-levelBytes * 1000 / bytesPerSecond);
}

/** The bucket after `bytes` were taken from it. */
export function takeFrom(bucket: TokenBucket, bytes: number, nowMs: number): TokenBucket {
  const now = filled(bucket, nowMs);
  return { ...now, levelBytes: now.levelBytes - bytes };
}

function filled(bucket: TokenBucket, nowMs: number): TokenBucket {
  const elapsedMs = Math.max(0, nowMs - bucket.atMs);
  const levelBytes = Math.min(
    bucket.burstBytes,
    bucket.levelBytes + elapsedMs * bucket.bytesPerSecond / 1000,
  );
  return { ...bucket, levelBytes, atMs: Math.max(nowMs, bucket.atMs) };
}

/** The limit that all uploads of an agent share. */
export class UploadBudget {
  readonly bytesPerSecond: number;
  readonly #clock: Clock;
  #bucket: TokenBucket;
  #last: Promise<void> = Promise.resolve();

  /** @param bytesPerSecond At least `UPLOAD_LIMIT_MIN_BYTES`. */
  constructor(bytesPerSecond: number, clock: Clock) {
    this.bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
    this.#bucket = createBucket(bytesPerSecond, clock.monotonicMs());
  }

  /** Resolves when `bytes` may be sent, or `signal` is aborted. */
  take(bytes: number, signal: AbortSignal): Promise<void> {
    const turn = this.#last.then(async () => {
      const waitMs = waitOf(this.#bucket, this.#clock.monotonicMs());
      if (waitMs > 0) await sleep(this.#clock, waitMs, signal);
      if (signal.aborted) return;
      this.#bucket = takeFrom(this.#bucket, bytes, this.#clock.monotonicMs());
    });
    this.#last = turn;
    return turn;
  }
}

const RATE = /^(\d{1,9}(?:\.\d{1,3})?)(bit|kbit|mbit|b|kb|mb)(?:\/s)?$/i;
const BYTES_PER = { bit: 1 / 8, kbit: 1_000 / 8, mbit: 1_000_000 / 8, b: 1, kb: 1_000, mb: 1e6 };

/**
 * `256kbit`, `10mbit`, `64kB`, `1.5MB`, each with or without `/s`, as bytes per second.
 *
 * @throws {UserError} `bad-rate`.
 */
export function parseRate(text: string): number {
  const match = RATE.exec(text.trim());
  const unit = match?.[2]?.toLowerCase() as keyof typeof BYTES_PER | undefined;
  const bytes = match === null || unit === undefined
    ? NaN
    : Math.floor(Number(match[1]) * BYTES_PER[unit]);
  if (bytes >= UPLOAD_LIMIT_MIN_BYTES) return bytes;
  throw new UserError(
    "bad-rate",
    `Cannot read the rate "${text}": want a number and a unit, such as 256kbit, 10mbit, 64kB or 1MB, ` +
      `of at least ${UPLOAD_LIMIT_MIN_BYTES} bytes per second`,
  );
}
