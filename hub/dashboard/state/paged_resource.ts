/// <reference lib="dom" />
/**
 * A long list for a view: loads as one scrolls, and renews what is seen when the hub says it changed.
 *
 * Touches the API, the clock and the event stream of the services in context.
 *
 * 1. However many events come, there is one fetch at a time and a pause of `RENEW_PAUSE_MS` between two.
 * 2. Rows out of sight are not fetched for an event; they are renewed when they come into sight.
 *
 * @module
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { RowSpan } from "../parts/virtual_window.ts";
import { failureText, isAbort } from "./api_client.ts";
import { createPagedList, type PagedWorld } from "./paged_list.ts";
import { useServices } from "./services.ts";

const RENEW_PAUSE_MS = 400;

export interface PagedResource<T> {
  readonly items: readonly T[];
  /** False until the first answer came. */
  readonly isLoaded: boolean;
  readonly hasMore: boolean;
  /** Why the last fetch failed; null when it did not. */
  readonly failure: string | null;
  more(): void;
  /** Tells which rows are seen. */
  seen(span: RowSpan): void;
  /** Renews what is seen now. */
  reload(): void;
}

interface Shown<T> {
  readonly key: string;
  readonly items: readonly T[];
  readonly isLoaded: boolean;
  readonly hasMore: boolean;
  readonly failure: string | null;
}

interface Control {
  more(): void;
  seen(span: RowSpan): void;
  reload(): void;
}

const IDLE: Control = { more: () => {}, seen: () => {}, reload: () => {} };

/**
 * @param key Names what is loaded; another key starts from nothing.
 * @param refreshOn Events after which what is seen is renewed.
 */
export function usePaged<T>(
  key: string,
  world: PagedWorld<T>,
  refreshOn: readonly string[],
): PagedResource<T> {
  const services = useServices();
  const empty: Shown<T> = { key, items: [], isLoaded: false, hasMore: true, failure: null };
  const [shown, setShown] = useState<Shown<T>>(empty);
  const control = useRef<Control>(IDLE);
  useEffect(() => {
    const started = startPaged(world, {
      after: (delayMs, run) => services.clock.after(delayMs, run),
      show: (state) => setShown({ key, ...state }),
    });
    control.current = started;
    const { stream } = services;
    const unsubscribe = stream.on(refreshOn, started.changed);
    const seenConnections = stream.connections.peek();
    const unwatch = stream.connections.subscribe((count) => {
      if (count > seenConnections) started.changed();
    });
    return () => {
      control.current = IDLE;
      started.stop();
      unsubscribe();
      unwatch();
    };
  }, [key]);
  const own = shown.key === key ? shown : empty;
  return {
    ...own,
    more: () => control.current.more(),
    seen: (span) => control.current.seen(span),
    reload: () => control.current.reload(),
  };
}

interface PagedShell<T> {
  after(delayMs: number, run: () => void): () => void;
  show(state: Omit<Shown<T>, "key">): void;
}

function startPaged<T>(world: PagedWorld<T>, shell: PagedShell<T>) {
  const gone = new AbortController();
  const list = createPagedList(world);
  let span: RowSpan = { from: 0, to: 0 };
  /** Rows from here on are of before the last event. */
  let oldFrom = Infinity;
  let isBusy = false;
  let wants: { more: boolean; renew: boolean } = { more: true, renew: false };
  let cancelPause: (() => void) | null = null;

  const run = async () => {
    if (isBusy || gone.signal.aborted) return;
    isBusy = true;
    const { more, renew } = wants;
    wants = { more: false, renew: false };
    let failure: string | null = null;
    try {
      if (renew) {
        oldFrom = span.to;
        await list.renew(span.from, span.to, gone.signal);
      }
      if (more) await list.more(gone.signal);
    } catch (thrown) {
      if (isAbort(thrown) || gone.signal.aborted) return;
      failure = failureText(thrown);
    } finally {
      isBusy = false;
    }
    if (gone.signal.aborted) return;
    const isLoaded = failure === null || list.items.length > 0;
    shell.show({ items: list.items, isLoaded, hasMore: list.hasMore, failure });
    if (wants.renew) pause();
    else if (wants.more) void run();
  };
  const pause = () => {
    cancelPause ??= shell.after(RENEW_PAUSE_MS, () => {
      cancelPause = null;
      void run();
    });
  };
  const changed = () => {
    wants.renew = true;
    pause();
  };
  void run();
  return {
    changed,
    more() {
      if (!list.hasMore) return;
      wants.more = true;
      void run();
    },
    seen(next: RowSpan) {
      span = next;
      if (next.to > oldFrom) changed();
    },
    reload() {
      // Nothing was loaded yet: the first page is what is missing.
      if (list.items.length === 0) wants.more = true;
      wants.renew = true;
      void run();
    },
    stop() {
      gone.abort();
      cancelPause?.();
    },
  };
}
