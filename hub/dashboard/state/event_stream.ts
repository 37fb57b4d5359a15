/// <reference lib="dom" />
/**
 * Keeps one connection to the hub's event stream and says how fresh what it told is.
 *
 *   connecting ──open──▶ live ──error──▶ reconnecting ──open──▶ live
 *   any of them ──pause──▶ paused ──resume──▶ connecting
 *   connecting, live, reconnecting ──hidden──▶ connecting, without a connection until it is seen again
 *
 * Touches the network through the `EventSource` it is given.
 *
 * 1. `connections` grows at each opening: views then fetch afresh, because events may have been missed.
 * 2. Samples do not come this way: a plant has more of them than a page can show (`sample_stream.ts`).
 * 3. A page that nobody can see has no connection: a browser allows few to one hub over plain http, and
 *    the tabs in the background would take them from the one that is looked at.
 *
 * @module
 */
import { effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import { EVENT_TYPES } from "@shared/api.ts";
import type { Clock } from "@shared/clock.ts";
import { type EventConnection, keepConnection } from "./event_connection.ts";

export type { EventConnection } from "./event_connection.ts";

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

const STREAM_TYPES = EVENT_TYPES.filter((type) => type !== "samples");

/** What the hub is asked for: families, because the query has a bound. */
export const STREAM_QUERY = new URLSearchParams({
  types: [
    ...new Set(
      ["heartbeat", ...STREAM_TYPES].map((type) =>
        type.includes(".") ? `${type.slice(0, type.indexOf("."))}.*` : type
      ),
    ),
  ].join(","),
}).toString();

export interface EventStreamWorld {
  readonly clock: Clock;
  readonly open: () => EventConnection;
  /** Whether somebody can see the page. */
  readonly isVisible: ReadonlySignal<boolean>;
}

export function createEventStream(world: EventStreamWorld): EventStream {
  const state = signal<StreamState>("closed");
  const connections = signal(0);
  const lastSeenMs = signal<number | null>(null);
  const listeners = new Set<(event: HubEvent) => void>();
  const seen = () => lastSeenMs.value = world.clock.monotonicMs();
  const connection = keepConnection({
    ...world,
    types: ["message", "heartbeat", ...STREAM_TYPES],
    onOpen() {
      seen();
      state.value = "live";
      connections.value += 1;
    },
    onText(text) {
      seen();
      const event = decodeEvent(text);
      if (event === null) return;
      for (const listener of [...listeners]) listener(event);
    },
    onLost: () => state.value = "reconnecting",
  });
  const become = (next: StreamState) => {
    connection.close();
    state.value = next;
    if (next === "connecting" && world.isVisible.peek()) connection.start();
  };
  effect(() => {
    void world.isVisible.value;
    untracked(() => {
      if (state.value !== "closed" && state.value !== "paused") become("connecting");
    });
  });
  return {
    state,
    connections,
    lastSeenMs,
    start: () => state.value === "closed" ? become("connecting") : undefined,
    stop: () => become("closed"),
    pause: () => state.value === "closed" ? undefined : become("paused"),
    resume: () => state.value === "paused" ? become("connecting") : undefined,
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
export function decodeEvent(text: string): HubEvent | null {
  try {
    const parsed: unknown = JSON.parse(text);
    const isEvent = typeof parsed === "object" && parsed !== null && "type" in parsed &&
      "body" in parsed;
    return isEvent ? parsed as HubEvent : null;
  } catch {
    return null;
  }
}
