/// <reference lib="dom" />
/**
 * Keeps one connection to the hub's event stream and says how fresh what it told is.
 *
 *   connecting ──open──▶ live ──error──▶ reconnecting ──open──▶ live
 *   any of them ──pause──▶ paused ──resume──▶ connecting
 *
 * Touches the network through the `EventSource` it is given.
 *
 * 1. `connections` grows at each opening: views then fetch afresh, because events may have been missed.
 * 2. After an error the next try comes within `RETRY_MAX_MS`; there is never more than one connection.
 *
 * @module
 */
import { type ReadonlySignal, signal } from "@preact/signals";
import { EVENT_TYPES } from "@shared/api.ts";
import type { Clock } from "@shared/clock.ts";

/** One event as the hub sends it. */
export interface HubEvent {
  readonly id: number | null;
  readonly at: string;
  readonly type: string;
  readonly jobId: string | null;
  readonly agentId: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

export type StreamState = "connecting" | "live" | "reconnecting" | "paused" | "closed";

/** The part of `EventSource` used here. */
export interface EventConnection {
  onopen: ((event: Event) => void) | null;
  onerror: ((event: Event) => void) | null;
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

export interface EventStream {
  readonly state: ReadonlySignal<StreamState>;
  readonly connections: ReadonlySignal<number>;
  /** Monotonic time of the last sign of life, null before the first. */
  readonly lastSeenMs: ReadonlySignal<number | null>;
  start(): void;
  stop(): void;
  /** Nothing changes on the page until `resume`; ends by itself with `stop`. */
  pause(): void;
  resume(): void;
  /** Calls `listener` for each event whose type is `prefix` or begins with it and a dot. */
  on(prefixes: readonly string[], listener: (event: HubEvent) => void): () => void;
}

/** A browser drops named events that nobody listens to. */
const HEARD_TYPES = ["message", "heartbeat", ...EVENT_TYPES];

const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 15_000;

export function createEventStream(
  world: { readonly clock: Clock; readonly open: () => EventConnection },
): EventStream {
  const state = signal<StreamState>("closed");
  const connections = signal(0);
  const lastSeenMs = signal<number | null>(null);
  const listeners = new Set<(event: HubEvent) => void>();
  let connection: EventConnection | null = null;
  let cancelRetry: (() => void) | null = null;
  let retryMs = RETRY_FIRST_MS;

  const seen = () => lastSeenMs.value = world.clock.monotonicMs();
  const receive = (text: string) => {
    seen();
    const event = decode(text);
    if (event === null) return;
    for (const listener of [...listeners]) listener(event);
  };
  const close = () => {
    connection?.close();
    connection = null;
    cancelRetry?.();
    cancelRetry = null;
  };
  const connect = () => {
    close();
    const opened = world.open();
    connection = opened;
    opened.onopen = () => {
      retryMs = RETRY_FIRST_MS;
      seen();
      state.value = "live";
      connections.value += 1;
    };
    opened.onerror = () => {
      // The browser's own retry gives up after an answer such as 502, so retries are ours.
      close();
      state.value = "reconnecting";
      cancelRetry = world.clock.after(retryMs, connect);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    };
    for (const type of HEARD_TYPES) {
      opened.addEventListener(type, (event) => receive(event.data));
    }
  };

  return {
    state,
    connections,
    lastSeenMs,
    start() {
      if (connection !== null || cancelRetry !== null || state.value === "paused") return;
      state.value = "connecting";
      connect();
    },
    stop() {
      close();
      state.value = "closed";
    },
    pause() {
      if (state.value === "closed") return;
      close();
      state.value = "paused";
    },
    resume() {
      if (state.value !== "paused") return;
      state.value = "connecting";
      connect();
    },
    on(prefixes, listener) {
      const chosen = (event: HubEvent) => {
        if (prefixes.some((prefix) => matches(event.type, prefix))) listener(event);
      };
      listeners.add(chosen);
      return () => listeners.delete(chosen);
    },
  };
}

function matches(type: string, prefix: string): boolean {
  return type === prefix || type.startsWith(`${prefix}.`);
}

/** Null for a heartbeat without a body and for text that is no event. */
function decode(text: string): HubEvent | null {
  try {
    const parsed: unknown = JSON.parse(text);
    const isEvent = typeof parsed === "object" && parsed !== null && "type" in parsed &&
      "body" in parsed;
    return isEvent ? parsed as HubEvent : null;
  } catch {
    return null;
  }
}
