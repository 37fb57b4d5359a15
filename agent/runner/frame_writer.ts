/**
 * Writes frames to the agent in order, without holding up the processing.
 *
 * Touches the byte port it is given. Frames wait in a queue while the pipe is full. What is written is given
 * away: its memory goes back as soon as the pipe has it.
 *
 * @module
 */

import { release } from "../state/byte_stream.ts";

export interface BytePort {
  /** Resolves with how many of the bytes were taken, at least one. */
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
}

export class FrameWriter {
  readonly #port: BytePort;
  readonly #onBroken: () => void;
  #queue: Uint8Array[] = [];
  #writing: Promise<void> | null = null;
  #isSynchronous = false;

  /** @param onBroken Called when the other end is gone. */
  constructor(port: BytePort, onBroken: () => void) {
    this.#port = port;
    this.#onBroken = onBroken;
  }

  /** From now on every frame is written before `write` returns, so that a process that stops dead has said all it said. */
  writeSynchronously(): void {
    this.#isSynchronous = true;
  }

  /** @param frame A frame, or a part of one with the rest right behind it. */
  write(frame: Uint8Array): void {
    if (this.#isSynchronous && this.#writing === null) return this.writeNow(frame);
    this.#queue.push(frame);
    this.#writing ??= this.#drain();
  }

  /** Writes at once, past whatever waits; only for a writer that was made synchronous before. */
  writeNow(frame: Uint8Array): void {
    try {
      for (let offset = 0; offset < frame.length;) {
        offset += this.#port.writeSync(frame.subarray(offset));
      }
      release(frame);
    } catch {
      this.#onBroken();
    }
  }

  /** Resolves when everything written so far is with the other end. */
  async drained(): Promise<void> {
    await this.#writing;
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const frames = this.#queue;
        this.#queue = [];
        for (const frame of frames) {
          for (let offset = 0; offset < frame.length;) {
            offset += await this.#port.write(frame.subarray(offset));
          }
          release(frame);
        }
      }
    } catch {
      this.#onBroken();
    } finally {
      this.#writing = null;
    }
  }
}
