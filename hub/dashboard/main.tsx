/// <reference lib="dom" />
/**
 * Starts the dashboard in a browser: makes the services out of what the window offers, and renders.
 *
 * Touches the window; the only place of the dashboard with a clock and chance of its own.
 *
 * @module
 */
import { render } from "preact";
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import type { Clock } from "@shared/clock.ts";
import { App } from "./app.tsx";
import { createRouter } from "./router.ts";
import { createApiClient } from "./state/api_client.ts";
import { createEventStream, STREAM_QUERY } from "./state/event_stream.ts";
import { createLiveState } from "./state/live_state.ts";
import { createSampleStream } from "./state/sample_stream.ts";
import { type Services, ServicesContext } from "./state/services.ts";
import { createSession, type Fragment } from "./state/session.ts";
import { createTheme } from "./state/theme.ts";
import { createToasts } from "./state/toasts.ts";

const TICK_MS = 1_000;
const KEY_BYTES = 16;

const browserClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
};

const fragment: Fragment = {
  read: () => location.hash.slice(1),
  clear: () => history.replaceState(null, "", location.pathname + location.search),
};

/** Random hex; `crypto.randomUUID` is missing on pages served over plain http. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function openEvents(query: string): EventSource {
  return new EventSource(`/api/v1/events?${query}`);
}

/** Whether somebody can see the page. */
function pageVisibility(): ReadonlySignal<boolean> {
  const isVisible = signal(!document.hidden);
  document.addEventListener("visibilitychange", () => isVisible.value = !document.hidden);
  return isVisible;
}

function createServices(): Services {
  // The browser's clock may be wrong; ages are shown by the hub's.
  let hubAheadMs = 0;
  const now = signal(Date.now());
  setInterval(() => now.value = Date.now() + hubAheadMs, TICK_MS);
  const api = createApiClient({
    clock: browserClock,
    fetch: (input, init) => fetch(input, init),
    newKey,
    hubTimeSeen(hubNowMs) {
      const aheadMs = hubNowMs - Date.now();
      // The header counts whole seconds, so a small difference tells nothing.
      hubAheadMs = Math.abs(aheadMs) > 2 * TICK_MS ? aheadMs : 0;
    },
    signedOut: () => session.expired(),
  });
  const session = createSession(api.hub, fragment);
  const isVisible = pageVisibility();
  const stream = createEventStream({
    clock: browserClock,
    open: () => openEvents(STREAM_QUERY),
    isVisible,
  });
  return {
    api,
    hub: api.hub,
    clock: browserClock,
    now,
    router: createRouter(window),
    stream,
    live: createLiveState(stream, browserClock),
    samples: createSampleStream({
      clock: browserClock,
      open: openEvents,
      isVisible,
      stream,
    }),
    session,
    theme: createTheme(window),
    toasts: createToasts(browserClock),
  };
}

const services = createServices();
effect(() => {
  if (services.session.session.value.kind === "signedIn") services.stream.start();
  else services.stream.stop();
});
void services.session.start();
render(
  <ServicesContext.Provider value={services}>
    <App />
  </ServicesContext.Provider>,
  document.getElementById("app")!,
);
