/**
 * What every view may use: made once in `main.tsx`, handed down by context.
 *
 * @module
 */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { ReadonlySignal } from "@preact/signals";
import type { Clock } from "@shared/clock.ts";
import type { Router } from "../router.ts";
import type { ApiClient } from "./api_client.ts";
import type { EventStream } from "./event_stream.ts";
import type { LiveState } from "./live_state.ts";
import type { SampleStream } from "./sample_stream.ts";
import type { SessionControl } from "./session.ts";
import type { Theme } from "./theme.ts";
import type { Toasts } from "./toasts.ts";

export interface Services {
  readonly api: ApiClient;
  /** The hub's API by path, with parameters and answers typed as its routes declare them. */
  readonly hub: ApiClient["hub"];
  readonly clock: Clock;
  /** The hub's time as far as known, ms since the epoch; moves once a second. */
  readonly now: ReadonlySignal<number>;
  readonly router: Router;
  readonly stream: EventStream;
  readonly live: LiveState;
  readonly samples: SampleStream;
  readonly session: SessionControl;
  readonly theme: Theme;
  readonly toasts: Toasts;
}

export const ServicesContext = createContext<Services | null>(null);

/** The services of the page; to be called while rendering. */
export function useServices(): Services {
  const services = useContext(ServicesContext);
  if (services === null) throw new Error("View was rendered outside of ServicesContext");
  return services;
}
