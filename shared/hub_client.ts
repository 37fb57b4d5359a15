/**
 * A typed client of the hub's REST API, for the command line and the dashboard.
 *
 * Touches the network through the `fetch` it is given. The type of the API comes from its routes: whoever
 * makes a client names it, `hubClient<Api>(…)` with `import type { Api } from "hub/api_type.ts"`, so that
 * nothing of the hub is loaded. Calls go by path: `api.jobs[":id"].$get({ param: { id } })`.
 *
 * @module
 */
import type { Hono } from "hono";
import { hc } from "hono/client";

/** Any API as a type; `Api` of `hub/api_type.ts` is one. */
// deno-lint-ignore no-explicit-any
type AnyApi = Hono<any, any, any>;

/** The API below `/api/v1`. */
export type HubClient<A extends AnyApi> = ReturnType<typeof hc<A, string>> extends
  { api: { v1: infer Client } } ? Client : never;

export interface HubClientWorld {
  /** Where the hub is, without a trailing slash; empty: where the page came from. */
  readonly hubUrl: string;
  /**
   * Sends a request and answers a success; everything else it throws, in the words of its caller.
   * Adds what every request carries: the token, an `Idempotency-Key`, a time limit.
   */
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** What an answer of success holds once it was read. */
export type AnswerOf<R> = R extends { json(): Promise<infer T> } ? T : never;

/** A client of the API at `world.hubUrl`. Parameters of paths are encoded by the client. */
export function hubClient<A extends AnyApi>(world: HubClientWorld): HubClient<A> {
  const client = hc<A>(world.hubUrl === "" ? "/" : world.hubUrl, {
    fetch: (input: RequestInfo | URL, init?: RequestInit) => world.fetch(String(input), init ?? {}),
  }) as unknown as { api: { v1: object } };
  return encoding(client.api.v1) as HubClient<A>;
}

/** The body of an answer, typed as its route declares it. */
export async function read<R extends { json(): Promise<unknown> }>(
  answer: Promise<R>,
): Promise<AnswerOf<R>> {
  return await (await answer).json() as AnswerOf<R>;
}

type Call = (...args: unknown[]) => unknown;

/** The client with every `param` of a call percent-encoded: names of equipment may hold a slash. */
function encoding(inner: object): object {
  return new Proxy(inner, {
    get(target, name) {
      const found = Reflect.get(target, name);
      return typeof found === "function" ? encoding(found) : found;
    },
    apply(target, _self, args: unknown[]) {
      const [asked, ...rest] = args;
      return (target as Call)(encodedParams(asked), ...rest);
    },
  });
}

function encodedParams(asked: unknown): unknown {
  if (typeof asked !== "object" || asked === null || !("param" in asked)) return asked;
  const params = Object.entries(asked.param as Record<string, string>);
  return {
    ...asked,
    param: Object.fromEntries(params.map(([name, value]) => [name, encodeURIComponent(value)])),
  };
}
