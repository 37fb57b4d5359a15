/**
 * The hub's REST API as the command line uses it.
 *
 * Touches the network. Every answer that is not a success becomes a `CliError` whose exit code follows
 * the contract: 1 failed, 2 usage, 3 not found, 4 conflict, 5 timed out; and 130 for a wait that Ctrl-C left.
 *
 * @module
 */
import type { AgentView, OperationView, Page, Problem } from "@shared/api.ts";
import type { JobSummary, SavepointView } from "@shared/job_api.ts";
import { type HubClient, hubClient, read } from "@shared/hub_client.ts";
import type { Api } from "../../hub/api_type.ts";
import { didYouMean } from "./suggest.ts";

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_NOT_FOUND = 3;
export const EXIT_CONFLICT = 4;
export const EXIT_TIMED_OUT = 5;
/** 128 + SIGINT, as shells say it. */
export const EXIT_DETACHED = 130;

/** Pages fetched for one listing before it is cut. */
const PAGES_MAX = 100;
/** Time that the hub has to answer, beyond what it was asked to wait. */
const ANSWER_TIMEOUT_MS = 60_000;

/** Ends the command with `exitCode` and its message on stderr. */
export class CliError extends Error {
  override name = "CliError";
  constructor(message: string, readonly exitCode: number, readonly problem: Problem | null = null) {
    super(message);
  }
}

/** Nobody answered: the hub is away, perhaps about to come back. */
export class HubAway extends CliError {
  override name = "HubAway";
}

export interface HubAddress {
  readonly hubUrl: string;
  readonly token: string;
  /** Time that the hub has to answer; default: a minute. */
  readonly timeoutMs?: number;
}

interface ListQuery {
  limit: string;
  cursor?: string;
}

export class HubApi {
  readonly #address: HubAddress;
  /** The API by path, with parameters and answers typed as the hub's routes declare them. */
  readonly api: HubClient<Api>;

  constructor(address: HubAddress) {
    this.#address = address;
    this.api = hubClient<Api>({
      hubUrl: address.hubUrl,
      fetch: (url, init) => this.#send(url, init),
    });
  }

  get hubUrl(): string {
    return this.#address.hubUrl;
  }

  async get<T>(path: string): Promise<T> {
    return await this.#call<T>("GET", path);
  }

  /** Every item of a paged list, up to a bounded number of pages. */
  async list<T>(path: string): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < PAGES_MAX; page++) {
      const separator = path.includes("?") ? "&" : "?";
      const query = cursor === null ? "" : `${separator}cursor=${encodeURIComponent(cursor)}`;
      const answer: Page<T> = await this.get(path + query);
      items.push(...answer.items);
      // A list that is never long has no pages.
      cursor = answer.next ?? null;
      if (cursor === null) break;
    }
    return items;
  }

  /** POST with an `Idempotency-Key` of its own, so that a retry of the same call is safe. */
  async post<T>(path: string, body: unknown): Promise<T> {
    return await this.#call<T>("POST", path, body ?? {});
  }

  async delete(path: string): Promise<void> {
    await this.#call<void>("DELETE", path);
  }

  /** An answer as it comes, of a path of the API or, such as /readyz, of the hub; any status is fine. */
  async raw(
    path: string,
    headers: Readonly<Record<string, string>> = {},
    signal: AbortSignal | null = null,
  ): Promise<Response> {
    const url = path.startsWith("/api/") || /^\/(healthz|readyz|version|metrics)$/.test(path)
      ? `${this.#address.hubUrl}${path}`
      : `${this.#address.hubUrl}/api/v1${path}`;
    return await this.#fetch(url, { headers: { ...this.#authorization(), ...headers }, signal });
  }

  /** A job by id, or by name where one running job (or else exactly one job) has it. */
  async job(idOrName: string): Promise<JobSummary> {
    const jobs: JobSummary[] = await this.all((query) => this.api.jobs.$get({ query }));
    const byId = jobs.find((job) => job.id === idOrName);
    if (byId !== undefined) return byId;
    const named = jobs.filter((job) => job.name === idOrName);
    const running = named.filter((job) => job.desiredState === "running");
    const found = running.length === 1 ? running[0] : named.length === 1 ? named[0] : undefined;
    if (found !== undefined) return found;
    if (named.length > 1) {
      const ids = named.map((job) => job.id).join(", ");
      throw new CliError(
        `${named.length} jobs are named "${idOrName}": name one by id: ${ids}`,
        EXIT_CONFLICT,
      );
    }
    throw notFound("job", "id or name", idOrName, jobs.map(({ name }) => name));
  }

  /** An agent by id or by name. */
  async agent(idOrName: string): Promise<AgentView> {
    const agents: AgentView[] = await this.all((query) => this.api.agents.$get({ query }));
    const found = agents.find((agent) => agent.id === idOrName) ??
      agents.find((agent) => agent.name === idOrName && agent.status !== "removed");
    if (found !== undefined) return found;
    throw notFound("agent", "id or name", idOrName, agents.map(({ name }) => name));
  }

  /** A savepoint by id, by the beginning of one that no other has, or by a label that one alone has. */
  async savepoint(idOrLabel: string): Promise<SavepointView> {
    const all: SavepointView[] = await this.all((query) => this.api.savepoints.$get({ query }));
    const byId = all.find(({ id }) => id === idOrLabel);
    if (byId !== undefined) return byId;
    const matching = all.filter(({ id, label }) =>
      label === idOrLabel || (idOrLabel.length >= 8 && id.startsWith(idOrLabel))
    );
    if (matching.length === 1) return matching[0]!;
    if (matching.length > 1) {
      const ids = matching.map(({ id }) => id).join(", ");
      throw new CliError(
        `${matching.length} savepoints are meant by "${idOrLabel}": name one by id: ${ids}`,
        EXIT_CONFLICT,
      );
    }
    const labels = all.flatMap(({ id, label }) => label === null ? [id] : [id, label]);
    throw notFound("savepoint", "id or label", idOrLabel, labels);
  }

  /** The operation as soon as it ended, or as it stands after `waitSeconds`. */
  operation(id: string, waitSeconds: number): Promise<OperationView> {
    const query = { wait: `${waitSeconds}s` };
    return read(this.api.operations[":id"].$get({ param: { id }, query }));
  }

  /** Every item of a list that comes in pages, up to a bounded number of them. */
  async all<T>(
    page: (query: ListQuery) => Promise<{ json(): Promise<Page<T>> }>,
  ): Promise<T[]> {
    const items: T[] = [];
    let next: string | null = null;
    for (let count = 0; count < PAGES_MAX && (count === 0 || next !== null); count++) {
      const cursor = next === null ? {} : { cursor: next };
      const answer: Page<T> = await read(page({ limit: "200", ...cursor }));
      items.push(...answer.items);
      next = answer.next;
    }
    return items;
  }

  #authorization(): Record<string, string> {
    return { authorization: `Bearer ${this.#address.token}` };
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const sent = body === undefined
      ? {}
      : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const response = await this.#send(`${this.#address.hubUrl}/api/v1${path}`, { method, ...sent });
    const text = await response.text();
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** Sends a request with what every one carries; answers a success, throws everything else. */
  async #send(url: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("authorization", this.#authorization()["authorization"]!);
    if (init.method === "POST") headers.set("idempotency-key", crypto.randomUUID());
    const signal = AbortSignal.timeout(this.#address.timeoutMs ?? ANSWER_TIMEOUT_MS);
    const response = await this.#fetch(url, { ...init, headers, signal });
    if (response.ok) return response;
    const path = url.slice(`${this.#address.hubUrl}/api/v1`.length);
    throw errorOf(response.status, await response.text(), `${init.method ?? "GET"} ${path}`);
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new HubAway(
        `Cannot reach the hub at ${this.#address.hubUrl}: ${reason}. ` +
          `Name another with --hub, PENSTOCK_HUB or --context, or run \`penstock doctor\``,
        EXIT_FAILED,
      );
    }
  }
}

function notFound(
  noun: string,
  by: string,
  found: string,
  known: readonly string[],
): CliError {
  return new CliError(
    `No ${noun} has the ${by} "${found}".${didYouMean(found, known)} ` +
      `See \`penstock ${noun}s list\``,
    EXIT_NOT_FOUND,
  );
}

function errorOf(status: number, text: string, call: string): CliError {
  let problem: Problem | null = null;
  try {
    problem = JSON.parse(text) as Problem;
  } catch {
    // Not from the hub: a proxy's page, say. The status alone must do.
  }
  const detail = problem?.detail ?? problem?.title ?? `${call} answered ${status}`;
  const hint = status === 401 ? ". Give a good one with --token, PENSTOCK_TOKEN or --context" : "";
  // One field alone is the detail already.
  const errors = problem?.errors?.length === 1 ? [] : problem?.errors ?? [];
  const fields = errors.map((error) => `\n  ${error.path}: ${error.message}`);
  return new CliError(detail + hint + fields.join(""), exitCodeOf(status), problem);
}

function exitCodeOf(status: number): number {
  if (status === 400 || status === 422) return EXIT_USAGE;
  if (status === 404) return EXIT_NOT_FOUND;
  if (status === 409 || status === 412 || status === 428) return EXIT_CONFLICT;
  if (status === 504) return EXIT_TIMED_OUT;
  return EXIT_FAILED;
}
