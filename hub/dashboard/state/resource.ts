/// <reference lib="dom" />
/**
 * Fetches what a view shows, and fetches it again when the hub says it changed.
 *
 * Touches the API, the clock and the event stream of the services in context.
 *
 * 1. A refetch never empties the view: what was there stays until the answer comes, and stays on failure.
 * 2. However many events come, there is at most one fetch under way and one more in
 *    `REFETCH_PAUSE_MS`.
 * 3. While a person has paused the page, nothing is fetched again but what the person asks for.
 *
 * @module
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Page } from "@shared/api.ts";
import type { Clock } from "@shared/clock.ts";
import { failureText, isAbort } from "./api_client.ts";
import { useServices } from "./services.ts";

const REFETCH_PAUSE_MS = 400;

export interface Resource<T> {
  /** The last answer; null before the first. */
  readonly value: T | null;
  /** Why the last fetch failed; null when it did not. */
  readonly failure: string | null;
  reload(): void;
}

/**
 * What `load` gives, again after each event of `refreshOn` and each new connection of the stream.
 *
 * @param key Names what is loaded; another key starts from nothing, null loads nothing.
 * @param everyMs Fetches again this often as well, for what changes without an event.
 */
export function useResource<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  refreshOn: readonly string[],
  everyMs: number | null = null,
): Resource<T> {
  const { clock, stream } = useServices();
  const [answer, setAnswer] = useState<
    { key: string | null; value: T | null; failure: string | null }
  >({
    key,
    value: null,
    failure: null,
  });
  const reload = useRef(() => {});
  const latestLoad = useRef(load);
  latestLoad.current = load;
  useEffect(() => {
    if (key === null) return;
    const gone = new AbortController();
    const fetchOnce = async () => {
      try {
        const value = await latestLoad.current(gone.signal);
        if (!gone.signal.aborted) setAnswer({ key, value, failure: null });
      } catch (thrown) {
        if (isAbort(thrown) || gone.signal.aborted) return;
        const failure = failureText(thrown);
        setAnswer((last) => ({ key, value: last.key === key ? last.value : null, failure }));
      }
    };
    const isPaused = () => stream.state.peek() === "paused";
    const refetcher = createRefetcher(clock, fetchOnce, isPaused, everyMs);
    reload.current = refetcher.now;
    refetcher.now();
    const unsubscribe = stream.on(refreshOn, refetcher.soon);
    const seenConnections = stream.connections.peek();
    const unwatch = stream.connections.subscribe((count) => {
      if (count > seenConnections) refetcher.soon();
    });
    return () => {
      gone.abort();
      refetcher.stop();
      unsubscribe();
      unwatch();
    };
  }, [key]);
  const isOwn = answer.key === key;
  return {
    value: isOwn ? answer.value : null,
    failure: isOwn ? answer.failure : null,
    reload: () => reload.current(),
  };
}

interface Refetcher {
  now(): void;
  soon(): void;
  stop(): void;
}

/** Runs `fetchOnce` when asked, one at a time; what is asked for meanwhile follows after a pause. */
function createRefetcher(
  clock: Clock,
  fetchOnce: () => Promise<void>,
  isPaused: () => boolean,
  everyMs: number | null,
): Refetcher {
  let isStopped = false;
  let isFetching = false;
  let isWanted = false;
  let cancelPause: (() => void) | null = null;
  let cancelRepeat: (() => void) | null = null;
  const now = () => {
    if (isStopped) return;
    if (isFetching) {
      isWanted = true;
      return;
    }
    isFetching = true;
    isWanted = false;
    void fetchOnce().then(() => {
      isFetching = false;
      if (isWanted) soon();
    });
  };
  const soon = () => {
    if (isStopped || cancelPause !== null) return;
    cancelPause = clock.after(REFETCH_PAUSE_MS, () => {
      cancelPause = null;
      now();
    });
  };
  const repeat = (everyMs: number) => {
    cancelRepeat = clock.after(everyMs, () => {
      if (!isPaused()) now();
      repeat(everyMs);
    });
  };
  if (everyMs !== null) repeat(everyMs);
  return {
    now,
    soon,
    stop() {
      isStopped = true;
      cancelPause?.();
      cancelRepeat?.();
    },
  };
}

/** One GET. */
export function useGet<T>(
  path: string | null,
  refreshOn: readonly string[],
  everyMs: number | null = null,
): Resource<T> {
  const { api } = useServices();
  return useResource<T>(path, (signal) => api.get<T>(path!, signal), refreshOn, everyMs);
}

export interface ListResource<T> extends Resource<Page<T>> {
  /** Fetches one page more. */
  more(): void;
}

/** A list behind cursors; a refresh fetches as many pages as are shown. */
export function useList<T>(
  path: string | null,
  refreshOn: readonly string[],
  everyMs: number | null = null,
): ListResource<T> {
  const { api } = useServices();
  const pageCount = useRef(1);
  const shownPath = useRef(path);
  if (shownPath.current !== path) {
    shownPath.current = path;
    pageCount.current = 1;
  }
  const resource = useResource<Page<T>>(
    path,
    (signal) => api.pages<T>(path!, pageCount.current, signal),
    refreshOn,
    everyMs,
  );
  return {
    ...resource,
    more: () => {
      pageCount.current += 1;
      resource.reload();
    },
  };
}
