/**
 * Problems (RFC 9457): how everything that goes wrong is told, in one shape.
 *
 * Pure but for the log. A mistake of ours shows a request id and nothing of its inside (S23); the same id
 * stands in the log.
 *
 * @module
 */
import { HTTPException } from "hono/http-exception";
import type { Problem } from "@shared/api.ts";
import { PenstockError } from "@shared/errors.ts";
import { DeposedError } from "./db/hub_state_store.ts";
import type { HubRequest, RouteDeps } from "./routes/http.ts";
import { Refusal } from "./routes/refusal.ts";

/** Refuses a request whose parts are not as the route declares them, naming every field. */
export function refuseInvalid(
  result: { success: boolean; error?: { issues: readonly Issue[] } },
): undefined {
  if (result.success) return;
  const errors = (result.error?.issues ?? []).flatMap(errorsOf);
  const detail = errors.map(({ path, message }) => path === "" ? message : `${path}: ${message}`)
    .join("; ");
  throw new Refusal(400, "request-invalid", detail, { errors });
}

interface Issue {
  readonly code?: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

function errorsOf(issue: Issue): { path: string; message: string }[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys" && issue.keys !== undefined) {
    return issue.keys.map((key) => ({
      path: [...path, key].join("."),
      message: "Unknown field",
    }));
  }
  return [{ path: path.join("."), message: issue.message }];
}

/** The answer to whatever a route threw. */
export function answerError(thrown: Error, c: HubRequest, deps: RouteDeps): Response {
  if (thrown instanceof Refusal) return problemAnswer(c, thrown);
  if (thrown instanceof HTTPException) {
    const code = thrown.status === 415 ? "media-type-unsupported" : "request-malformed";
    return problemAnswer(c, new Refusal(thrown.status as 400, code, thrown.message || "Malformed"));
  }
  if (thrown instanceof DeposedError) {
    return problemAnswer(c, new Refusal(503, thrown.code, thrown.message));
  }
  if (thrown instanceof PenstockError && thrown.domain === "user") {
    return problemAnswer(c, new Refusal(422, thrown.code, thrown.message));
  }
  const unstorable = unstorableOf(thrown);
  if (unstorable !== null) return problemAnswer(c, new Refusal(400, "request-invalid", unstorable));
  const requestId = c.get("requestId");
  deps.hub.logger.error("Request failed", { requestId, path: c.req.path, error: thrown });
  const isRetryable = thrown instanceof PenstockError && thrown.isRetryable;
  return problemAnswer(
    c,
    isRetryable
      ? new Refusal(503, (thrown as PenstockError).code, "Something the hub needs does not answer")
      : new Refusal(500, "internal", `The hub failed; its log knows request ${requestId}`),
  );
}

const UNSTORABLE_TEXT =
  "A text holds a character that cannot be stored: NUL, or half a surrogate pair";
const UNSTORABLE_TIME = "A time is outside of what can be stored: want years from 1 on";
/** PostgreSQL's codes for what no column of it can hold. */
const UNSTORABLE: ReadonlyMap<string, string> = new Map([
  ["22021", UNSTORABLE_TEXT],
  ["22P02", UNSTORABLE_TEXT],
  ["22P05", UNSTORABLE_TEXT],
  ["22008", UNSTORABLE_TIME],
]);

function unstorableOf({ cause }: Error): string | null {
  if (!(cause instanceof Error) || !("code" in cause)) return null;
  return UNSTORABLE.get(String(cause.code)) ?? null;
}

/** Titles of problems by status. */
export const TITLES: Readonly<Record<number, string>> = {
  400: "Invalid request",
  401: "Not authenticated",
  403: "Not allowed",
  404: "Not found",
  405: "Method not allowed",
  409: "Conflict",
  412: "Changed meanwhile",
  413: "Too large",
  415: "Unsupported media type",
  422: "Cannot be processed",
  426: "Upgrade needed",
  428: "Precondition needed",
  429: "Too many requests",
  503: "Not available now",
};

export function problemAnswer(c: HubRequest, refusal: Refusal): Response {
  const problem: Problem = {
    type: `urn:penstock:problem:${refusal.code}`,
    title: TITLES[refusal.status] ?? "Internal error",
    status: refusal.status,
    detail: refusal.message,
    code: refusal.code,
    instance: c.req.path,
    traceId: c.get("requestId"),
    ...refusal.members,
  };
  return c.body(JSON.stringify(problem), refusal.status, {
    "content-type": "application/problem+json",
    ...refusal.headers,
  });
}
