/**
 * Gives the event loop, timers and sockets a turn within a long piece of work.
 *
 * Touches a message channel: its messages are macrotasks without the delay of a timer.
 *
 * @module
 */

export class Turns {
  readonly #channel = new MessageChannel();
  readonly #waiting: (() => void)[] = [];

  constructor() {
    this.#channel.port1.onmessage = () => this.#waiting.shift()?.();
  }

  /** Resolves after other work had its turn. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#channel.port2.postMessage(null);
    });
  }

  /** Lets the process end; no `next` resolves from now on. */
  close(): void {
    this.#channel.port1.close();
  }
}
