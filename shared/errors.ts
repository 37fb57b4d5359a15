/**
 * Operating errors: a network, bytes or a job that is not as it should be.
 *
 * Pure. An expected outcome (stale attempt, duplicate) is a returned union instead; a broken
 * invariant is an `AssertionError` and stops the process.
 *
 * @module
 */

/** Who has to act: the person, something outside (broker, disk, network), or us. */
export type ErrorDomain = "user" | "external" | "internal";

export interface PenstockErrorOptions {
  /** Stable, for programs: `savepoint-not-found`, `broker-unreachable`. */
  readonly code: string;
  readonly domain: ErrorDomain;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly isRetryable?: boolean;
  readonly cause?: unknown;
}

/** Base of every operating error. The message says what was wanted, what was found, what to do. */
export class PenstockError extends Error {
  override name = "PenstockError";
  readonly code: string;
  readonly domain: ErrorDomain;
  readonly isRetryable: boolean;

  constructor(message: string, options: PenstockErrorOptions) {
    super(message, { cause: options.cause });
    this.code = options.code;
    this.domain = options.domain;
    this.isRetryable = options.isRetryable ?? false;
  }
}

/** A job, a flag or a request that its author has to change. */
export class UserError extends PenstockError {
  override name = "UserError";
  /** Where the author wrote it, as `path:line`; null when that is not known. */
  readonly at: string | null;

  constructor(
    code: string,
    message: string,
    options: { cause?: unknown; at?: string | null } = {},
  ) {
    super(message, { code, domain: "user", cause: options.cause });
    this.at = options.at ?? null;
  }
}

/** The text of whatever was thrown, for logs and answers. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
