/// <reference lib="dom" />
/**
 * Fetches the signals of one equipment for a span, as fine as the screen, and lets them grow.
 *
 * Touches the API and the sample stream of the services in context.
 *
 * 1. Another span does not empty the charts: what is there stays until the answer comes.
 * 2. At most `TAIL_MAX` streamed samples of a signal are held between two fetches.
 *
 * @module
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { read } from "@shared/hub_client.ts";
import type { SampleSeries } from "@shared/plant_api.ts";
import type { LiveSample } from "../state/sample_stream.ts";
import { type Resource, until, useResource } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import type { ChosenTime } from "./time_range.tsx";
import { instantsOf } from "./time_span.ts";

/** Streamed samples by signal, oldest first. */
export type Tails = ReadonlyMap<string, readonly LiveSample[]>;

export const signalKeyOf = (signal: { readonly jobId: string; readonly operatorUid: string }) =>
  `${signal.jobId}/${signal.operatorUid}`;

const TAIL_MAX = 1_200;
const TAIL_SHOWN_EVERY_MS = 250;
const POINTS_MIN = 200;
const POINTS_MAX = 2_000;
const POINTS_STEP = 100;
/** What stands beside a chart. */
const MARGIN_PX = 140;
const REFETCH_MIN_MS = 15_000;
const REFETCH_MAX_MS = 60_000;
/** Times a span is fetched afresh while it passes by once. */
const REFETCHES_PER_SPAN = 300;

/** Points that a chart as wide as the page has room for. */
export function pointsFor(widthPx: number): number {
  const wanted = Math.ceil((widthPx - MARGIN_PX) / POINTS_STEP) * POINTS_STEP;
  return Math.min(POINTS_MAX, Math.max(POINTS_MIN, wanted));
}

export function useSamples(
  equipment: string,
  time: ChosenTime,
  nowMs: number,
): Resource<readonly SampleSeries[]> {
  const { hub } = useServices();
  const series = useResource<readonly SampleSeries[]>(equipment, async (signal) => {
    const points = String(pointsFor(globalThis.innerWidth));
    const asked = {
      param: { equipment },
      query: { ...instantsOf(time.spanAt(nowMs)), points },
    };
    return (await read(hub.equipment[":equipment"].samples.$get(asked, until(signal)))).items;
  }, []);
  useRefetch(series, time, nowMs);
  return series;
}

/** Fetches again when another span is chosen, and now and then while a span moves on. */
export function useRefetch(resource: Resource<unknown>, time: ChosenTime, nowMs: number): void {
  const { range } = time;
  const everyMs = range.kind === "absolute" ? null : Math.min(
    REFETCH_MAX_MS,
    Math.max(REFETCH_MIN_MS, range.spanMs / REFETCHES_PER_SPAN),
  );
  const step = `${time.key} ${everyMs === null ? "" : Math.floor(nowMs / everyMs)}`;
  const last = useRef(step);
  useEffect(() => {
    if (last.current !== step) resource.reload();
    last.current = step;
  }, [step]);
}

/** What the stream brought of `equipment`; `onMissed` runs when some of it was missed. */
export function useTails(equipment: string, onMissed: () => void): Tails {
  const { clock, samples } = useServices();
  const [tails, setTails] = useState<Tails>(new Map());
  const missed = useRef(onMissed);
  missed.current = onMissed;
  useEffect(() => {
    const held = new Map<string, LiveSample[]>();
    let cancel: (() => void) | null = null;
    const show = () => {
      cancel = null;
      setTails(new Map(held));
    };
    const watch = samples.watch(equipment, (found) => {
      for (const sample of found) hold(held, sample);
      cancel ??= clock.after(TAIL_SHOWN_EVERY_MS, show);
    });
    const unwatch = watch.connections.subscribe((count) => {
      if (count > 1) missed.current();
    });
    return () => {
      unwatch();
      watch.close();
      cancel?.();
      setTails(new Map());
    };
  }, [equipment]);
  return tails;
}

function hold(held: Map<string, LiveSample[]>, sample: LiveSample): void {
  const key = signalKeyOf(sample);
  const tail = held.get(key) ?? [];
  held.set(key, tail);
  tail.push(sample);
  if (tail.length > TAIL_MAX) tail.splice(0, tail.length - TAIL_MAX);
}
