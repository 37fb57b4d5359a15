/**
 * The hub's REST API as the command line uses it.
 *
 * Touches the network. Every answer that is not a success becomes a `CliError` whose exit code follows
 * the contract: 1 failed, 2 usage, 3 not found, 4 conflict, 5 timed out.
 *
 * @module
 */
import type { JobSummary, OperationView, Page, Problem } from "@shared/api.ts";

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_NOT_FOUND = 3;
export const EXIT_CONFLICT = 4;
export const EXIT_TIMED_OUT = 5;

/** Pages fetched for one listing before it is cut. */
const PAGES_MAX = 100;

/** Ends the command with `exitCode` and its message on stderr. */
export class CliError extends Error {
  override name = "CliError";
  constructor(message: string, readonly exitCode: number, readonly problem: Problem | null = null) {
    super(message);
  }
}

export interface HubAddress {
  readonly hubUrl: string;
  readonly token: string;
}

export class HubApi {
  readonly #address: HubAddress;

  constructor(address: HubAddress) {
    this.#address = address;
  }

  get hubUrl(): string {
    return this.#address.hubUrl;
  }

  get<T>(path: string): Promise<T> {
    return this.#call<T>("GET", path);
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
      cursor = answer.next;
      if (cursor === null) break;
    }
    return items;
  }

  /** POST with an `Idempotency-Key` of its own, so that a retry of the same call is safe. */
  post<T>(path: string, body: unknown): Promise<T> {
    return this.#call<T>("POST", path, body);
  }

  delete(path: string): Promise<void> {
    return this.#call<void>("DELETE", path);
  }

  /** A job by id, or by name where one running job (or else exactly one job) has it. */
  async job(idOrName: string): Promise<JobSummary> {
    const jobs = await this.list<JobSummary>("/jobs?limit=200");
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
    throw new CliError(
      `No job has the id or name "${idOrName}": see \`penstock jobs list\``,
      EXIT_NOT_FOUND,
    );
  }

  /** The operation as soon as it ended, or as it stands after `waitSeconds`. */
  operation(id: string, waitSeconds: number): Promise<OperationView> {
    return this.get<OperationView>(`/operations/${id}?wait=${waitSeconds}s`);
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.#address.token}` };
    const init: RequestInit = { method, headers };
    if (method === "POST") {
      headers["content-type"] = "application/json";
      headers["idempotency-key"] = crypto.randomUUID();
      init.body = JSON.stringify(body ?? {});
    }
    const response = await this.#fetch(`${this.#address.hubUrl}/api/v1${path}`, init);
    const text = await response.text();
    if (!response.ok) throw errorOf(response.status, text, `${method} ${path}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new CliError(
        `Cannot reach the hub at ${this.#address.hubUrl}: ${reason}. ` +
          `Name another with --hub or PENSTOCK_HUB`,
        EXIT_FAILED,
      );
    }
  }
}

function errorOf(status: number, text: string, call: string): CliError {
  let problem: Problem | null = null;
  try {
    problem = JSON.parse(text) as Problem;
  } catch {
    // Not from the hub: a proxy's page, say. The status alone must do.
  }
  const detail = problem?.detail ?? problem?.title ?? `${call} answered ${status}`;
  const fields = problem?.errors?.map((error) => `\n  ${error.path}: ${error.message}`) ?? [];
  return new CliError(detail + fields.join(""), exitCodeOf(status), problem);
}

function exitCodeOf(status: number): number {
  if (status === 400 || status === 422) return EXIT_USAGE;
  if (status === 404) return EXIT_NOT_FOUND;
  if (status === 409 || status === 412) return EXIT_CONFLICT;
  if (status === 504) return EXIT_TIMED_OUT;
  return EXIT_FAILED;
}
