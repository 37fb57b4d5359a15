/**
 * Makes a machine an agent of a hub, once: a one-off join token becomes a credential of its own.
 *
 * Touches network and files through ports. The credential lies in `credential.json`, mode 600; the join
 * token is read from its file when it is needed and kept nowhere else (S1).
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import type { Enrolment } from "@shared/api.ts";
import { messageOf, PenstockError, UserError } from "@shared/errors.ts";
import type { LocalFiles } from "@shared/local_files.ts";
import type { Logger } from "@shared/logger.ts";
import type { Random } from "@shared/random.ts";
import { backoffMs, sleep } from "./backoff.ts";

const CREDENTIAL_VERSION = 1;
const BACKOFF = { firstMs: 500, maxMs: 10_000 };
/** Longest wait that a hub can ask for. */
const RETRY_AFTER_MAX_MS = 10 * 60_000;
/** Code of the hub's answer to a repeated request whose first one has not ended. */
const UNDER_WAY = "request-under-way";
/** Of a refusal's text, how much is shown. */
const ANSWER_CHARS_MAX = 500;

export interface EnrolmentOptions {
  readonly hubUrl: string;
  readonly joinTokenFile: string | null;
  /** Enrols anew, and replaces the credential that is there. */
  readonly isForced: boolean;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly dataDir: string;
  readonly files: LocalFiles;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Ends the waiting for a hub that cannot be reached. */
  readonly signal: AbortSignal;
}

export interface AgentIdentity extends Enrolment {
  /** Hub that this agent is enrolled to. */
  readonly hubUrl: string;
  /** Whether an earlier start had enrolled it. */
  readonly isFromBefore: boolean;
}

/** One try: enrolled, or why not yet. */
type TryResult =
  | { readonly enrolment: Enrolment }
  /** `waitMs`: the hub asked to be left alone for that long. */
  | { readonly reason: string; readonly waitMs: number };

/**
 * The agent's identity, from `credential.json` or by enrolling now; tries until the hub answers.
 *
 * @throws {UserError} `no-join-token`, `enrolment-rejected` with the hub's reason.
 * @throws {PenstockError} `bad-credential-file`, or whatever the signal was aborted with.
 */
export async function enrol(options: EnrolmentOptions): Promise<AgentIdentity> {
  const path = `${options.dataDir}/credential.json`;
  const kept = options.isForced ? null : await options.files.read(path);
  if (kept !== null) return { ...decodeCredential(path, kept), isFromBefore: true };
  const token = await readToken(options);
  // One key for all tries: an answer lost on the way does not use the token up.
  const idempotencyKey = options.random.uuid();
  for (let count = 1;; count++) {
    const result = await ask(options, token, idempotencyKey);
    if ("enrolment" in result) {
      const { agentId, name, credential } = result.enrolment;
      const content = {
        version: CREDENTIAL_VERSION,
        hubUrl: options.hubUrl,
        agentId,
        name,
        credential,
      };
      await options.files.writeDurably(path, encode(content), 0o600);
      return { ...content, isFromBefore: false };
    }
    options.logger.warn("Could not enrol yet", { hub: options.hubUrl, reason: result.reason });
    const delayMs = Math.max(result.waitMs, backoffMs(count, BACKOFF, options.random));
    await sleep(options.clock, delayMs, options.signal);
    options.signal.throwIfAborted();
  }
}

async function readToken(
  { joinTokenFile, files, dataDir, isForced }: EnrolmentOptions,
): Promise<string> {
  const bytes = joinTokenFile === null ? null : await files.read(joinTokenFile);
  const token = bytes === null ? "" : new TextDecoder().decode(bytes).trim();
  if (token !== "") return token;
  throw new UserError(
    "no-join-token",
    (isForced ? "Cannot enrol anew: " : `Cannot enrol: ${dataDir} holds no credential and `) +
      (joinTokenFile === null
        ? "no --join-token-file is given"
        : `there is no join token in ${joinTokenFile}`) +
      `. Make one with "penstock tokens create"`,
  );
}

async function ask(
  { hubUrl, name, labels, fetch, signal }: EnrolmentOptions,
  token: string,
  idempotencyKey: string,
): Promise<TryResult> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${hubUrl}/api/v1/enrol`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        "idempotency-key": idempotencyKey,
      },
      body: JSON.stringify({ name, labels }),
      signal,
    });
    text = await response.text();
  } catch (error) {
    return { reason: messageOf(error), waitMs: 0 };
  }
  const body = parse(text);
  if (response.ok && isEnrolment(body)) return { enrolment: body };
  if (isWorthATry(response.status, body)) {
    const reason = `The hub answered ${response.status}`;
    return { reason, waitMs: retryAfterMs(response.headers) };
  }
  throw new UserError(
    "enrolment-rejected",
    `The hub ${hubUrl} did not enrol agent "${name}": ${reasonOf(body, response.status, text)}`,
  );
}

/** The hub is busy, or is still at work on a try of which the answer was lost. */
function isWorthATry(status: number, body: unknown): boolean {
  if (status === 409) return (body as { code?: unknown } | null)?.code === UNDER_WAY;
  return status >= 500 || status === 429;
}

/** The wait that `Retry-After` asks for, in seconds there; 0 when it says nothing of use. */
function retryAfterMs(headers: Headers): number {
  const seconds = Number(headers.get("retry-after") ?? 0);
  return Number.isFinite(seconds) ? Math.min(Math.max(0, 1000 * seconds), RETRY_AFTER_MAX_MS) : 0;
}

/** The text of an RFC 9457 problem, else the answer itself. */
function reasonOf(body: unknown, status: number, text: string): string {
  const { detail, title } = (body ?? {}) as { detail?: unknown; title?: unknown };
  if (typeof detail === "string") return detail;
  if (typeof title === "string") return title;
  return `it answered ${status} ${JSON.stringify(text.slice(0, ANSWER_CHARS_MAX))}`;
}

function decodeCredential(path: string, bytes: Uint8Array): Enrolment & { hubUrl: string } {
  const body = parse(new TextDecoder().decode(bytes)) as Record<string, unknown> | null;
  if (body?.version === CREDENTIAL_VERSION && isEnrolment(body)) {
    const { hubUrl } = body as unknown as { hubUrl: unknown };
    if (typeof hubUrl === "string") {
      const { agentId, name, credential } = body;
      return { agentId, name, credential, hubUrl };
    }
  }
  throw new PenstockError(
    `Cannot read ${path}: want a credential of version ${CREDENTIAL_VERSION}. ` +
      `Remove the file and enrol with a new join token`,
    { code: "bad-credential-file", domain: "user" },
  );
}

function isEnrolment(body: unknown): body is Enrolment {
  const { agentId, name, credential } = (body ?? {}) as Record<string, unknown>;
  return [agentId, name, credential].every((field) => typeof field === "string" && field !== "");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function encode(content: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(content, null, 2) + "\n");
}
