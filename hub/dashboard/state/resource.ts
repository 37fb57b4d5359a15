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
import type { ClientRequestOptions } from "hono/client";
import type { Page } from "@shared/api.ts";
import type { Clock } from "@shared/clock.ts";
import { type AnswerOf, read } from "@shared/hub_client.ts";
import { failureText, isAbort } from "./api_client.ts";
import { useServices } from "./services.ts";

const REFETCH_PAUSE_MS = 400;
/** Pages fetched for one list; the rest stays behind "Load more". */
const PAGES_MAX = 20;

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

/** A GET of the typed client, such as `hub.jobs[":id"]`. */
export interface Readable<A, R> {
  readonly $get: (asked: A, options?: ClientRequestOptions) => Promise<R>;
}

/** An answer whose body can be read. */
interface Answer {
  json(): Promise<unknown>;
}

/** Gives a call up when `signal` says so. */
export const until = (signal: AbortSignal): ClientRequestOptions => ({ init: { signal } });

/** The query that leads on from `cursor`; null is the beginning. */
export const from = (cursor: string | null): { readonly cursor?: string } =>
  cursor === null ? {} : { cursor };

/**
 * One GET.
 *
 * @param endpoint The same at each rendering: what differs is in `asked`; null asks for nothing.
 */
export function useAnswer<A, R extends Answer>(
  endpoint: Readable<A, R>,
  asked: NoInfer<A> | null,
  refreshOn: readonly string[],
  everyMs: number | null = null,
): Resource<AnswerOf<R>> {
  return useResource(
    asked === null ? null : JSON.stringify(asked),
    (signal) => read(endpoint.$get(asked!, until(signal))),
    refreshOn,
    everyMs,
  );
}

export interface ListResource<T> extends Resource<Page<T>> {
  /** Fetches one page more. */
  more(): void;
}

/** The items of a page. */
type ItemOf<R> = AnswerOf<R> extends { readonly items: readonly (infer T)[] } ? T : never;

/** A list behind cursors; a refresh fetches as many pages as are shown. */
export function useAnswers<A extends object, R extends Answer>(
  endpoint: Readable<A, R>,
  asked: NoInfer<A> | null,
  refreshOn: readonly string[],
  everyMs: number | null = null,
): ListResource<ItemOf<R>> {
  const key = asked === null ? null : JSON.stringify(asked);
  const pageCount = useRef(1);
  const shownKey = useRef(key);
  if (shownKey.current !== key) {
    shownKey.current = key;
    pageCount.current = 1;
  }
  const load = (cursor: string | null, signal: AbortSignal) => {
    const page = endpoint.$get(withCursor(asked!, cursor), until(signal));
    return read(page) as Promise<Page<ItemOf<R>>>;
  };
  const resource = useResource<Page<ItemOf<R>>>(
    key,
    (signal) => firstPages(load, pageCount.current, signal),
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

function withCursor<A extends object>(asked: A, cursor: string | null): A {
  const query = "query" in asked ? asked.query as object : {};
  return { ...asked, query: { ...query, ...from(cursor) } };
}

/** The first `pageCount` pages of a list as one page; `next` leads on from there. */
export async function firstPages<T>(
  load: (cursor: string | null, signal: AbortSignal) => Promise<Page<T>>,
  pageCount: number,
  signal: AbortSignal,
): Promise<Page<T>> {
  const items: T[] = [];
  let next: string | null = null;
  for (let page = 0; page < Math.min(pageCount, PAGES_MAX); page++) {
    const found = await load(next, signal);
    items.push(...found.items);
    next = found.next;
    if (next === null) break;
  }
  return { items, next };
}
