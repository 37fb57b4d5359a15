/// <reference lib="dom" />
/**
 * Calls the REST API of the hub that served the page.
 *
 * Touches the network through the `fetch` it is given.
 *
 * 1. Every change carries an `Idempotency-Key` of its own.
 * 2. A refusal reaches the caller as `ApiError` with the hub's own words, never as a bare status.
 * 3. An operation is followed over the restart of the hub: only a refusal ends it early.
 *
 * @module
 */
import type { OperationView, Problem } from "@shared/api.ts";
import type { Clock } from "@shared/clock.ts";
import { type HubClient, hubClient, read } from "@shared/hub_client.ts";
import type { Api } from "../../api_type.ts";

/** Short, so that progress is seen between the looks. */
const OPERATION_WAIT_SECONDS = 2;
/** Looks at one operation before the page stops watching; the operation goes on at the hub. */
const OPERATION_LOOKS_MAX = 1_800;
/** Between two looks when the hub could not answer. */
const LOOK_AGAIN_MS = 2_000;

/** The hub refused or could not be reached; `status` is 0 when there was no answer. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string;
  readonly problem: Problem | null;

  constructor(status: number, message: string, problem: Problem | null) {
    super(message);
    this.status = status;
    this.code = problem?.code ?? (status === 0 ? "hub-unreachable" : "unexpected-answer");
    this.problem = problem;
  }
}

export interface ApiWorld {
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  /** Unguessable text, new at each call. */
  newKey(): string;
  /** Called with the hub's time, ms since the epoch, whenever an answer tells it. */
  hubTimeSeen(hubNowMs: number): void;
  /** Called when the hub no longer knows the caller. */
  signedOut(): void;
}

export interface ApiClient {
  /** The API by path, with parameters and answers typed as the hub's routes declare them. */
  readonly hub: HubClient<Api>;
  /** Of the hub itself, outside of /api/v1; an answer that says "not ready" is an answer too. */
  getHub<T>(path: "/version" | "/readyz"): Promise<T>;
  /** Follows an operation to its end by long polls; each state seen goes to `onProgress`. */
  follow(
    operationId: string,
    onProgress: (operation: OperationView) => void,
    signal: AbortSignal,
  ): Promise<OperationView>;
}

const BASE = "/api/v1";

export function createApiClient(world: ApiWorld): ApiClient {
  const call = async (path: string, init: RequestInit): Promise<Response> => {
    const response = await reached(world, BASE + path, { credentials: "same-origin", ...init });
    const hubNowMs = Date.parse(response.headers.get("date") ?? "");
    if (!Number.isNaN(hubNowMs)) world.hubTimeSeen(hubNowMs);
    if (response.ok) return response;
    const error = await refusalOf(response);
    if (response.status === 401 && path !== "/session") world.signedOut();
    throw error;
  };
  const hub = typedApi(call, world);
  return {
    hub,
    async getHub<T>(path: string): Promise<T> {
      return await (await reached(world, path, {})).json() as T;
    },
    follow: (operationId, onProgress, signal) =>
      followed({ hub, clock: world.clock }, { operationId, onProgress, signal }),
  };
}

/** @throws {ApiError} When there was no answer. */
async function reached(
  world: Pick<ApiWorld, "fetch">,
  url: string,
  init: RequestInit,
): Promise<Response> {
  try {
    return await world.fetch(url, init);
  } catch (thrown) {
    if (isAbort(thrown)) throw thrown;
    throw new ApiError(0, "The hub cannot be reached. Check the network and that it runs.", null);
  }
}

type SendCall = (path: string, init: RequestInit) => Promise<Response>;

/** The client that goes by the routes' types; what it sends and how it fails is as with `call`. */
function typedApi(call: SendCall, world: ApiWorld): HubClient<Api> {
  return hubClient<Api>({
    hubUrl: "",
    fetch(url, init) {
      const headers = new Headers(init.headers);
      if ((init.method ?? "GET") !== "GET") headers.set("idempotency-key", world.newKey());
      return call(url.slice(url.indexOf(BASE) + BASE.length), { ...init, headers });
    },
  });
}

/** Looks at an operation until it ends; a hub that restarts meanwhile is waited for. */
async function followed(
  { hub, clock }: { readonly hub: ApiClient["hub"]; readonly clock: Clock },
  { operationId, onProgress, signal }: {
    readonly operationId: string;
    readonly onProgress: (operation: OperationView) => void;
    readonly signal: AbortSignal;
  },
): Promise<OperationView> {
  const asked = { param: { id: operationId } };
  for (let look = 0; look < OPERATION_LOOKS_MAX; look++) {
    const query = look === 0 ? {} : { wait: `${OPERATION_WAIT_SECONDS}s` };
    try {
      const answer = hub.operations[":id"].$get({ ...asked, query }, { init: { signal } });
      const operation: OperationView = await read(answer);
      onProgress(operation);
      if (operation.status !== "pending" && operation.status !== "running") return operation;
    } catch (thrown) {
      if (!isPassing(thrown)) throw thrown;
      await paused(clock, signal);
    }
  }
  throw new ApiError(0, `Operation ${operationId} takes long; it goes on at the hub.`, null);
}

/** Whether the hub could not answer now and may later. */
function isPassing(thrown: unknown): boolean {
  if (!(thrown instanceof ApiError)) return false;
  return thrown.status === 0 || thrown.status === 429 || thrown.status >= 500;
}

/** Waits `LOOK_AGAIN_MS`. */
function paused(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(LOOK_AGAIN_MS, resolve);
    signal.addEventListener("abort", () => {
      cancel();
      reject(signal.reason);
    }, { once: true });
  });
}

async function refusalOf(response: Response): Promise<ApiError> {
  const isProblem = (response.headers.get("content-type") ?? "").includes("json");
  try {
    if (isProblem) {
      const problem = await response.json() as Problem;
      return new ApiError(response.status, problem.detail || problem.title, problem);
    }
  } catch {
    // A body that is cut off or no JSON tells no more than its status does.
  }
  return new ApiError(response.status, `The hub answered ${response.status}.`, null);
}

/** What to show a person about a failed call. */
export function failureText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** What to say of a change that failed: `undone` only where the hub said so, for else nobody knows. */
export function changeFailure(undone: string, thrown: unknown): string {
  const isUnknown = thrown instanceof ApiError && thrown.status === 0;
  return `${isUnknown ? "It is not known whether it was done." : undone} ${failureText(thrown)}`;
}

/** Whether a call ended only because the view that asked has gone. */
export function isAbort(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === "AbortError";
}
