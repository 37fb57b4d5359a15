/**
 * Gives the event loop, timers and sockets a turn within a long piece of work.
 *
 * Touches a message channel: its messages are macrotasks without the delay of a timer.
 *
 * @module
 */

/** A function whose promise resolves after other work had its turn. */
export function createTurns(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port2.postMessage(null);
    });
}
