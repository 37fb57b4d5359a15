/**
 * `ETag` and `If-Match`: a change is made on what its author saw, or not at all (RFC 9110, 13.1.1).
 *
 * Pure.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type HubRequest, Refusal } from "./http.ts";

const TAG_LENGTH = 32;
const IF_MATCH_LENGTH_MAX = 1_000;

/** Strong tag of a text that stands for everything the tag is to cover, with its quotes. */
export function entityTag(text: string): string {
  return `"${createHash("sha256").update(text).digest("hex").slice(0, TAG_LENGTH)}"`;
}

/** Tells whether a tag is one of those in `If-Match`; null when the request has none. */
export function ifMatch(c: HubRequest): ((etag: string) => boolean) | null {
  const header = c.req.header("if-match");
  if (header === undefined) return null;
  if (header.length > IF_MATCH_LENGTH_MAX) {
    throw new Refusal(400, "precondition-invalid", "If-Match is too long");
  }
  const tags = header.split(",").map((tag) => tag.trim());
  return (etag) => tags.includes("*") || tags.includes(etag);
}

/** 412: what the caller saw is no longer so. */
export function stale(what: string, etag: string): Refusal {
  return new Refusal(
    412,
    "precondition-failed",
    `${what} changed since you read it: read it again, then send its new ETag as If-Match`,
    {},
    { etag },
  );
}

/** 428: the change may overwrite what somebody else did meanwhile. */
export function preconditionMissing(what: string): Refusal {
  return new Refusal(
    428,
    "precondition-required",
    `Send the ETag of ${what} as If-Match, so that no change of somebody else is overwritten`,
  );
}
