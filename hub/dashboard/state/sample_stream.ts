/// <reference lib="dom" />
/**
 * Brings the samples of the equipment that is shown, and of no other.
 *
 * Touches the network through the `EventSource` it is given.
 *
 * 1. It is connected only while a view watches, the page is not paused, and somebody can see it: a hidden
 *    page has missed samples, so views fetch afresh when `connections` grows.
 *
 * @module
 */
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import type { Clock } from "@shared/clock.ts";
import { type EventConnection, keepConnection } from "./event_connection.ts";
import { decodeEvent, type EventStream } from "./event_stream.ts";

/** One sample of one signal. */
export interface LiveSample {
  readonly jobId: string;
  readonly operatorUid: string;
  readonly equipment: string;
  readonly atMs: number;
  readonly value: number | null;
  readonly score: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface SampleWatch {
  /** Times samples began to come: more than one means that some were missed between. */
  readonly connections: ReadonlySignal<number>;
  close(): void;
}

export interface SampleStream {
  /** Calls `listener` with what comes of `equipment`, until closed. */
  watch(
    equipment: string,
    listener: (samples: readonly LiveSample[]) => void,
  ): SampleWatch;
}

export interface SampleWorld {
  readonly clock: Clock;
  readonly open: (query: string) => EventConnection;
  readonly isVisible: ReadonlySignal<boolean>;
  readonly stream: Pick<EventStream, "state">;
}

export function createSampleStream(world: SampleWorld): SampleStream {
  return {
    watch(equipment, listener) {
      const connections = signal(0);
      const query = new URLSearchParams({ types: "samples", equipment }).toString();
      const connection = keepConnection({
        clock: world.clock,
        open: () => world.open(query),
        types: ["samples"],
        onOpen: () => connections.value += 1,
        onText(text) {
          const samples = samplesOf(text).filter((sample) => sample.equipment === equipment);
          if (samples.length > 0) listener(samples);
        },
        onLost() {},
      });
      const dispose = effect(() => {
        const state = world.stream.state.value;
        const isWanted = world.isVisible.value && state !== "paused" && state !== "closed";
        if (isWanted) connection.start();
        else connection.close();
      });
      return {
        connections,
        close() {
          dispose();
          connection.close();
        },
      };
    },
  };
}

/** The samples of an event; entries that are none are left out. */
export function samplesOf(text: string): readonly LiveSample[] {
  const event = decodeEvent(text);
  const list = event?.body["samples"];
  if (event === null || !Array.isArray(list)) return [];
  return list.flatMap((entry: unknown) => {
    const sample = sampleOf(entry, event.jobId);
    return sample === null ? [] : [sample];
  });
}

function sampleOf(entry: unknown, jobId: string | null): LiveSample | null {
  if (typeof entry !== "object" || entry === null) return null;
  const field = entry as Readonly<Record<string, unknown>>;
  const { atMs, operatorUid, key } = field;
  const job = typeof field["jobId"] === "string" ? field["jobId"] : jobId;
  if (typeof atMs !== "number" || typeof operatorUid !== "string" || typeof key !== "string") {
    return null;
  }
  return {
    jobId: job ?? "",
    operatorUid,
    equipment: key,
    atMs,
    value: numberOf(field["value"]),
    score: numberOf(field["score"]),
    low: numberOf(field["low"]),
    high: numberOf(field["high"]),
  };
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
