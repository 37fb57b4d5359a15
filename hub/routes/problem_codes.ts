/**
 * Which problems an operation answers with, by status and code: those of every operation, made of what it
 * takes, and those of its own.
 *
 * Pure. A test holds the table against the refusals in the source.
 *
 * @module
 */
import type { OpenApiOperation, OpenApiResponse } from "../openapi_document.ts";
import { TITLES } from "../problems.ts";

type Codes = Readonly<Record<number, readonly string[]>>;

/** Codes of one operation beside those that its shape brings. */
const OWN: Readonly<Record<string, Codes>> = {
  "post /api/v1/jobs": {
    400: ["body-invalid", "bundle-invalid"],
    404: ["savepoint-not-found", "job-not-found"],
    409: [
      "job-name-taken",
      "savepoint-claimed",
      "savepoint-incompatible",
      "savepoint-not-completed",
      "sessions-taken",
      "gap-needs-consent",
      "object-missing",
      "job-not-running",
    ],
    422: ["broker-unknown", "local-only", "window-too-small", "bundle-refused"],
    503: ["bundle-being-deleted"],
  },
  "post /api/v1/jobs/{id}/savepoints": { 409: ["job-not-running", "operation-under-way"] },
  "post /api/v1/jobs/{id}/rollbacks": {
    400: ["reason-missing"],
    404: ["savepoint-not-found"],
    409: ["job-not-running", "operation-under-way", "gap-needs-consent", "savepoint-incompatible"],
    412: ["precondition-failed"],
  },
  "post /api/v1/jobs/{id}/stop": {
    409: ["job-not-running", "operation-under-way"],
    412: ["precondition-failed"],
  },
  "post /api/v1/jobs/{id}/cancel": {
    409: ["job-not-running", "operation-under-way"],
    412: ["precondition-failed"],
  },
  "post /api/v1/jobs/{id}/rescale": {
    409: ["job-not-running", "operation-under-way"],
    412: ["precondition-failed"],
  },
  "post /api/v1/jobs/{id}/rebalance": {
    409: ["job-not-running", "operation-under-way"],
    412: ["precondition-failed"],
  },
  "delete /api/v1/savepoints/{id}": { 409: ["savepoint-needed", "savepoint-pending"] },
  "get /api/v1/savepoints/{id}/diff": {
    409: ["savepoint-not-completed"],
    429: ["diffs-under-way"],
    503: ["savepoint-unreadable"],
  },
  "get /api/v1/jobs/{id}/state/{operator}": {
    404: ["operator-not-found", "key-not-found", "savepoint-not-found"],
    409: ["operator-not-keyed", "savepoint-not-completed"],
    503: ["state-unavailable", "savepoint-unreadable"],
  },
  "get /api/v1/jobs/{id}/series": { 400: ["metric-unknown", "span-empty"] },
  "get /api/v1/equipment/{equipment}/samples": { 400: ["span-empty"] },
  "get /api/v1/equipment/{equipment}/markers": { 400: ["span-empty"] },
  "get /api/v1/plant/equipment": { 400: ["path-invalid"] },
  "get /api/v1/alarms/health": { 400: ["span-invalid"] },
  "post /api/v1/alarms/{id}/shelve": { 422: ["shelving-too-long"] },
  "post /api/v1/alarms/shelve": { 422: ["shelving-too-long"] },
  "post /api/v1/notifications/channels": { 422: ["channel-unusable"] },
  "patch /api/v1/notifications/channels/{id}": { 422: ["channel-unusable"] },
  "post /api/v1/operations/{id}/cancel": {
    409: ["operation-ended", "operation-beyond-cancel"],
  },
  "post /api/v1/tokens": { 400: ["body-invalid"] },
  "delete /api/v1/tokens/{id}": { 409: ["last-admin-token"] },
  "post /api/v1/enrol": { 401: ["join-token-invalid"], 429: ["too-many-failures"] },
  "post /api/v1/session": { 401: ["token-unknown"], 429: ["too-many-failures"] },
  "patch /api/v1/settings": {
    400: ["precondition-invalid"],
    412: ["precondition-failed"],
    428: ["precondition-required"],
  },
  "get /api/v1/agents/connect": { 426: ["websocket-needed"] },
  "get /api/v1/events": { 400: ["event-id-invalid"], 503: ["too-many-streams"] },
  "get /api/v1/jobs/{id}/checkpoints/summary": { 400: ["span-empty"] },
  "put /objects/{digest}": { 413: ["object-too-large"], 422: ["digest-mismatch", "size-mismatch"] },
  "get /objects/{digest}": { 416: ["range-invalid", "ranges-unsupported"] },
};

const MEANINGS: Readonly<Record<number, string>> = {
  400: "The request is not as it should be",
  401: "The caller is not known",
  403: "The caller may not do that",
  404: "There is no such thing",
  409: "What is there stands against it",
  412: "It changed since it was read",
  413: "The body is too large",
  415: "The body is no JSON by its media type",
  416: "There are no such bytes",
  422: "It can be read but not be carried out",
  426: "This path switches to a WebSocket",
  428: "`If-Match` is needed",
  429: "Too much at once",
  500: "The hub made a mistake",
  503: "Something the hub needs does not answer",
};

/** Problem answers of an operation, by status, each with its codes and an example. */
export function problemsOf(
  method: string,
  path: string,
  operation: OpenApiOperation,
): Record<string, OpenApiResponse> {
  const own = OWN[`${method} ${path}`] ?? {};
  const codes = new Map<number, string[]>();
  for (const [status, names] of [...shared(method, path, operation), ...Object.entries(own)]) {
    codes.set(Number(status), [...new Set([...codes.get(Number(status)) ?? [], ...names])]);
  }
  const sorted = [...codes].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    sorted.map(([status, names]) => [String(status), problemResponse(path, status, names)]),
  );
}

/** Codes that come with what an operation takes. */
function shared(
  method: string,
  path: string,
  operation: OpenApiOperation,
): (readonly [number, readonly string[]])[] {
  const parameters = operation.parameters ?? [];
  const has = (name: string) => parameters.some((parameter) => parameter.name === name);
  const hasBody = operation.requestBody?.content["application/json"] !== undefined;
  const nouns = [...path.matchAll(/([a-z-]+?)s?\/\{[^}]+\}/g)].map(([, noun]) => noun!);
  const found: (readonly [number, readonly string[]])[] = [[500, ["internal"]]];
  if (parameters.length > 0 || hasBody) found.push([400, ["request-invalid"]]);
  if (has("cursor")) found.push([400, ["cursor-invalid"]]);
  if (hasBody) {
    found.push([400, ["request-malformed"]]);
    found.push([413, ["body-too-large"]], [415, ["media-type-unsupported"]]);
  }
  if (operation["x-penstock-role"] !== "public") {
    found.push([401, ["token-unknown"]], [429, ["too-many-requests"]]);
    found.push([403, ["role-insufficient", ...(method === "get" ? [] : ["origin-foreign"])]]);
    found.push([503, ["hub-starting", "deposed"]]);
  }
  if (nouns.length > 0) found.push([404, nouns.map((noun) => `${noun}-not-found`)]);
  if (method === "post") {
    found.push([400, ["idempotency-key-invalid"]], [409, ["request-under-way"]]);
    found.push([422, ["idempotency-key-reused"]]);
  }
  return found;
}

function problemResponse(path: string, status: number, codes: readonly string[]): OpenApiResponse {
  const [first = "internal"] = codes;
  const meaning = MEANINGS[status] ?? "A problem";
  return {
    description: `${meaning}: ${codes.map((code) => `\`${code}\``).join(", ")}`,
    content: {
      "application/problem+json": {
        schema: { $ref: "#/components/schemas/Problem" },
        example: {
          type: `urn:penstock:problem:${first}`,
          title: TITLES[status] ?? "Internal error",
          status,
          detail: "What was wanted, what was found, what to do",
          code: first,
          instance: path.replace(/\{[^}]+\}/g, "0194f6a2-7d1c-7b3e-9a55-2f6c1de0a901"),
          traceId: "0194f6a2-9c40-7d2b-8f01-5b7a3c9e1d22",
          ...(status === 400 ? { errors: [{ path: "limit", message: "Too big" }] } : {}),
        },
      },
    },
  };
}
