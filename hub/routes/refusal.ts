/**
 * Refusals: what a request is told that is not carried out (RFC 9457).
 *
 * Pure.
 *
 * @module
 */
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { UserError } from "@shared/errors.ts";

/** A request that is refused, with everything its problem answer says. */
export class Refusal extends UserError {
  override name = "Refusal";
  constructor(
    readonly status: ContentfulStatusCode,
    code: string,
    detail: string,
    /** Further members of the problem, such as `errors` or `gaps`. */
    readonly members: Readonly<Record<string, unknown>> = {},
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(code, detail);
  }
}

export function notFound(what: string, id: string): Refusal {
  return new Refusal(404, `${what}-not-found`, `There is no ${what} "${id}"`);
}

export function unauthorized(): Refusal {
  return new Refusal(
    401,
    "token-unknown",
    "Send a valid token as `Authorization: Bearer …`",
    {},
    { "www-authenticate": 'Bearer realm="penstock"' },
  );
}

export function tooManyRequests(retryAfterSeconds: number): Refusal {
  return new Refusal(
    429,
    "too-many-requests",
    `This token asks faster than the hub lets one caller: wait ${retryAfterSeconds} s`,
    {},
    { "retry-after": String(retryAfterSeconds) },
  );
}
