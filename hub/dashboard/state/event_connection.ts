/// <reference lib="dom" />
/**
 * Keeps one server-sent connection standing: closes it when it breaks, and tries again.
 *
 * Touches the network through the `EventSource` it is given.
 *
 * 1. There is never more than one connection, and none after `close`.
 * 2. After an error the next try comes within `RETRY_MAX_MS`.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";

/** The part of `EventSource` used here. */
export interface EventConnection {
  onopen: ((event: Event) => void) | null;
  onerror: ((event: Event) => void) | null;
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

export interface ConnectionEnds {
  readonly clock: Clock;
  readonly open: () => EventConnection;
  /** Types to be heard: a browser drops named events that nobody listens to. */
  readonly types: readonly string[];
  readonly onOpen: () => void;
  readonly onText: (text: string) => void;
  readonly onLost: () => void;
}

export interface KeptConnection {
  /** Opens it unless it stands or is being tried for. */
  start(): void;
  close(): void;
}

const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 15_000;

export function keepConnection(ends: ConnectionEnds): KeptConnection {
  let connection: EventConnection | null = null;
  let cancelRetry: (() => void) | null = null;
  let retryMs = RETRY_FIRST_MS;
  const close = () => {
    connection?.close();
    connection = null;
    cancelRetry?.();
    cancelRetry = null;
  };
  const connect = () => {
    close();
    const opened = ends.open();
    connection = opened;
    opened.onopen = () => {
      retryMs = RETRY_FIRST_MS;
      ends.onOpen();
    };
    opened.onerror = () => {
      // The browser's own retry gives up after an answer such as 502, so retries are ours.
      close();
      ends.onLost();
      cancelRetry = ends.clock.after(retryMs, connect);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    };
    for (const type of ends.types) {
      opened.addEventListener(type, (event) => ends.onText(event.data));
    }
  };
  return {
    start() {
      if (connection === null && cancelRetry === null) connect();
    },
    close,
  };
}
