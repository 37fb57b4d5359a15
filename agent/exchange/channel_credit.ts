/**
 * Credit of one channel, both ends: how many records and frames may be on their way.
 *
 * Pure. What travels back is not "so many more" but how many in all, so that a repeated or late word
 * changes nothing. Records bound what waits at the consumer; frames bound what waits at the broker, which
 * drops what it cannot keep.
 *
 * Invariants (tests/property/exchange_channel_test.ts):
 *
 *   A1  Never more frames are on their way than the consumer granted.
 *   A4  Records beyond the credit are what the producer was working on, and no more.
 *   A7  A batch without records goes out whatever the credit for records.
 *
 * @module
 */
import { CHANNEL_CREDIT_RECORDS } from "../runner/exchange_batch.ts";

/** Frames that may be sent before the consumer has said anything. */
export const FRAMES_AT_FIRST = 4;
/** Most frames of one channel on their way. */
export const FRAMES_WINDOW_MAX = 128;
/**
 * Frames of all channels into one connection together. With the credit that comes back for as many
 * channels the other way they stay below its Receive Maximum of 65,535, behind which a broker drops.
 */
const FRAMES_OF_CONNECTION = 24_000;
/** Channels each way that one connection carries. */
export const CHANNELS_MAX: number = FRAMES_OF_CONNECTION / FRAMES_AT_FIRST;

/** A producer that ran out goes on when so much is free again: it does not stop and go batch by batch. */
export const RESUME_CREDIT: number = CHANNEL_CREDIT_RECORDS / 2;
/** Records worked off that are told at once. */
const TOLD_RECORDS = CHANNEL_CREDIT_RECORDS / 8;

/** All since the channel began. */
export interface Grant {
  /** Records that the consumer has worked off. */
  readonly recordsWorkedOff: number;
  /** Frames that may be sent in all. */
  readonly framesGranted: number;
}

/** The producer's end. */
export class ProducerCredit {
  #recordsSent = 0;
  #recordsWorkedOff = 0;
  #framesSent = 0;
  #framesGranted = FRAMES_AT_FIRST;
  #hasRunOut = false;

  /** Records that may still be sent; below 0 when more were. */
  get records(): number {
    return CHANNEL_CREDIT_RECORDS - (this.#recordsSent - this.#recordsWorkedOff);
  }

  /** Whether one more frame may go to the broker. */
  get hasFrame(): boolean {
    return this.#framesSent < this.#framesGranted;
  }

  batchSent(recordCount: number): void {
    this.#recordsSent += recordCount;
    if (this.records <= 0) this.#hasRunOut = true;
  }

  frameSent(): void {
    this.#framesSent++;
  }

  /**
   * Takes the consumer's word.
   *
   * @returns `resumed` once after credit had run out; `impossible` when the word is not of this channel's
   *   consumer: more worked off than was sent, or more frames granted than any consumer grants.
   */
  granted({ recordsWorkedOff, framesGranted }: Grant): "noted" | "resumed" | "impossible" {
    if (
      recordsWorkedOff > this.#recordsSent || framesGranted > this.#framesSent + FRAMES_WINDOW_MAX
    ) return "impossible";
    this.#recordsWorkedOff = Math.max(this.#recordsWorkedOff, recordsWorkedOff);
    this.#framesGranted = Math.max(this.#framesGranted, framesGranted);
    if (!this.#hasRunOut || this.records < RESUME_CREDIT) return "noted";
    this.#hasRunOut = false;
    return "resumed";
  }
}

/** The consumer's end. */
export class ConsumerCredit {
  readonly #framesWindow: number;
  #recordsWorkedOff = 0;
  #framesTaken = 0;
  #toldRecords = 0;
  #toldFrames = 0;

  /** @param channelCount Channels that end in the same connection. */
  constructor(channelCount: number) {
    const share = Math.floor(FRAMES_OF_CONNECTION / Math.max(1, channelCount));
    this.#framesWindow = Math.min(FRAMES_WINDOW_MAX, Math.max(FRAMES_AT_FIRST, share));
  }

  /** Whether there is anything to tell. */
  get isUntold(): boolean {
    return this.#recordsWorkedOff > this.#toldRecords || this.#framesTaken > this.#toldFrames;
  }

  /** Whether the producer should not wait for it any longer. */
  get isUrgent(): boolean {
    return this.#recordsWorkedOff - this.#toldRecords >= TOLD_RECORDS ||
      2 * (this.#framesTaken - this.#toldFrames) >= this.#framesWindow;
  }

  workedOff(records: number): void {
    this.#recordsWorkedOff += records;
  }

  frameTaken(): void {
    this.#framesTaken++;
  }

  /** What to tell now; it counts as told. */
  tell(): Grant {
    this.#toldRecords = this.#recordsWorkedOff;
    this.#toldFrames = this.#framesTaken;
    return {
      recordsWorkedOff: this.#recordsWorkedOff,
      framesGranted: this.#framesTaken + this.#framesWindow,
    };
  }
}
