/**
 * Moves one blob to or from the object store over a signed URL, with a bounded number of tries.
 *
 * Touches the network through the `fetch` it is given. Where the store takes ranges, a large blob goes in
 * parts: what has arrived stays there, and the next try goes on behind it, also after an outage of the hub.
 * Other stores get the blob again from its beginning. All uploads of an agent share one budget.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { messageOf, PenstockError } from "@shared/errors.ts";
import type { Digest } from "@shared/ids.ts";
import {
  contentRange,
  type SignedUrl,
  UPLOAD_OFFSET_HEADER,
  UPLOAD_RANGES_HEADER,
} from "@shared/object_store.ts";
import type { Random } from "@shared/random.ts";
import { backoffMs, sleep } from "../backoff.ts";
import type { Sha256 } from "./local_store.ts";
import type { UploadBudget } from "./upload_budget.ts";

/** Tries that get an answer which is no success. */
export const TRANSFER_TRIES_MAX = 3;
/** Tries of an upload in a row that get no answer at all: about a minute and a half of outage. */
export const OUTAGE_TRIES_MAX = 24;
/** One request, connection to last byte. */
export const TRANSFER_TRY_MS = 30_000;
/** Bytes of one request where the store takes ranges. */
export const PART_BYTES_MAX = 256 * 1024;
const PART_BYTES_MIN = 4 * 1024;
const BACKOFF = { firstMs: 500, maxMs: 5_000 };
/** Of an error answer, how much is shown. */
const ANSWER_CHARS_MAX = 200;

export interface TransferPorts {
  readonly sha256: Sha256;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly random: Random;
  /** Left out: uploads are not limited. */
  readonly uploads?: UploadBudget;
}

/** Result of one try; `isFinal` ends the tries. */
type TryResult<T> =
  | { readonly kind: "done"; readonly value: T }
  | {
    readonly kind: "failed";
    readonly error: PenstockError;
    readonly isFinal: boolean;
    /** Nobody answered: an outage, which is waited for longer than an answer that is no success. */
    readonly isOutage?: boolean;
    /** It got further than any try before. */
    readonly isFurther?: boolean;
  };

interface UploadOptions {
  readonly digest: Digest;
  readonly signal: AbortSignal;
  readonly ports: TransferPorts;
}

/**
 * Uploads `bytes`; when it resolves the store has answered that it holds them.
 *
 * @throws {PenstockError} `upload-refused` when the store refuses these bytes or the URL, `upload-failed`
 *   when every try failed or `signal` was aborted.
 */
export async function uploadBlob(
  target: SignedUrl,
  bytes: Uint8Array,
  options: UploadOptions,
): Promise<void> {
  const { signal, ports } = options;
  const partBytes = partBytesOf(ports.uploads);
  if (target.headers[UPLOAD_RANGES_HEADER] !== undefined && bytes.length > partBytes) {
    return await uploadParts(target, bytes, { ...options, partBytes });
  }
  const what = `upload object "${options.digest}"`;
  await tryOften<undefined>(what, "upload-failed", options, async (once) => {
    await ports.uploads?.take(bytes.length, signal);
    signal.throwIfAborted();
    const { response, answer } = await once((signal) => put(target, bytes, { signal, ports }));
    if (response.ok) return { kind: "done", value: undefined };
    return refusal(what, "upload-refused", response.status, answer);
  });
}

/** A part is at most what the budget gives in a second, so that a slow line never times out. */
function partBytesOf(uploads: UploadBudget | undefined): number {
  if (uploads === undefined) return PART_BYTES_MAX;
  return Math.max(PART_BYTES_MIN, Math.min(PART_BYTES_MAX, uploads.bytesPerSecond));
}

async function uploadParts(
  target: SignedUrl,
  bytes: Uint8Array,
  options: UploadOptions & { readonly partBytes: number },
): Promise<void> {
  const { signal, ports, partBytes } = options;
  const what = `upload object "${options.digest}"`;
  let furthest = 0;
  await tryOften<undefined>(what, "upload-failed", options, async (once) => {
    // What the store says it holds is where to go on; an earlier try may have got further than it knew.
    let offset: number | null = null;
    const start = furthest;
    for (;;) {
      const part = offset === null ? NOTHING : bytes.subarray(offset, offset + partBytes);
      await ports.uploads?.take(part.length, signal);
      signal.throwIfAborted();
      const range = contentRange(offset, part.length, bytes.length);
      const sent: Answer = await once((signal) => put(target, part, { signal, ports, range }));
      const { response, answer } = sent;
      if (response.status === 200) return { kind: "done", value: undefined };
      const told: number = Number(response.headers.get(UPLOAD_OFFSET_HEADER) ?? NaN);
      if (response.status !== 202 || !Number.isInteger(told) || told === offset) {
        return {
          ...refusal(what, "upload-refused", response.status, answer),
          isFurther: furthest > start,
        };
      }
      offset = told;
      furthest = Math.max(furthest, told);
    }
  });
}

interface Answer {
  readonly response: Response;
  readonly answer: string;
}

const NOTHING = new Uint8Array(0);

async function put(
  target: SignedUrl,
  body: Uint8Array,
  { signal, ports, range }: { signal: AbortSignal; ports: TransferPorts; range?: string },
): Promise<Answer> {
  const response = await ports.fetch(target.url, {
    method: "PUT",
    headers: { ...target.headers, ...(range === undefined ? {} : { "content-range": range }) },
    body: body as Uint8Array<ArrayBuffer>,
    signal,
  });
  return { response, answer: await response.text() };
}

/**
 * Downloads a blob and verifies size and digest (C8).
 *
 * @param want `bytes` null: the size is not known beforehand.
 * @throws {PenstockError} Naming the object. Not retryable: `object-missing`, `object-corrupt`.
 *   Retryable: `download-refused`, `download-failed`.
 */
export function downloadBlob(
  source: SignedUrl,
  want: { digest: Digest; bytes: number | null },
  options: { signal: AbortSignal; ports: TransferPorts },
): Promise<Uint8Array> {
  const what = `fetch object "${want.digest}"`;
  return tryOften<Uint8Array>(what, "download-failed", options, async (once) => {
    const got = await once(async (signal) => {
      const response = await options.ports.fetch(source.url, {
        headers: { ...source.headers },
        signal,
      });
      return { response, body: await response.arrayBuffer() };
    });
    if (!got.response.ok) {
      if (got.response.status !== 404) {
        const answer = new TextDecoder().decode(got.body);
        return refusal(what, "download-refused", got.response.status, answer);
      }
      return final(`Cannot ${what}: the object store has no such object`, "object-missing");
    }
    const bytes = new Uint8Array(got.body);
    const problem = await mismatch(bytes, want, options.ports);
    if (problem === null) return { kind: "done", value: bytes };
    return final(`Cannot ${what}: ${problem}`, "object-corrupt");
  });
}

async function mismatch(
  bytes: Uint8Array,
  want: { digest: Digest; bytes: number | null },
  { sha256 }: TransferPorts,
): Promise<string | null> {
  if (want.bytes !== null && bytes.length !== want.bytes) {
    return `it has ${bytes.length} bytes, want ${want.bytes}`;
  }
  const found = await sha256(bytes);
  return found === want.digest ? null : `it has digest ${found}`;
}

/** Client errors other than timeouts and rate limits will not go away by asking again. */
function refusal(what: string, code: string, status: number, answer: string): TryResult<never> {
  const isFinal = status < 500 && status !== 408 && status !== 429;
  const message = `Cannot ${what}: the object store answered ${status} ` +
    JSON.stringify(answer.slice(0, ANSWER_CHARS_MAX));
  const error = new PenstockError(message, { code, domain: "external", isRetryable: true });
  return { kind: "failed", error, isFinal };
}

function final(message: string, code: string): TryResult<never> {
  return {
    kind: "failed",
    error: new PenstockError(message, { code, domain: "external" }),
    isFinal: true,
  };
}

/** Carries one request out within its time; throws when nobody answers. */
type Once = <A>(request: (signal: AbortSignal) => Promise<A>) => Promise<A>;

async function tryOften<T>(
  what: string,
  code: string,
  options: { signal: AbortSignal; ports: TransferPorts },
  attempt: (once: Once) => Promise<TryResult<T>>,
): Promise<T> {
  const { signal, ports } = options;
  let answeredCount = 0;
  let outageCount = 0;
  for (;;) {
    const result = await tryOnce(what, code, options, attempt);
    if (result.kind === "done") return result.value;
    if (result.isFurther === true) answeredCount = outageCount = 0;
    if (result.isOutage === true) outageCount++;
    else {
      answeredCount++;
      outageCount = 0;
    }
    const outagesMax = code === "upload-failed" ? OUTAGE_TRIES_MAX : TRANSFER_TRIES_MAX;
    const isLast = answeredCount >= TRANSFER_TRIES_MAX || outageCount >= outagesMax;
    if (result.isFinal || signal.aborted || isLast) throw result.error;
    const count = Math.max(1, answeredCount + outageCount);
    await sleep(ports.clock, backoffMs(count, BACKOFF, ports.random), signal);
    signal.throwIfAborted();
  }
}

async function tryOnce<T>(
  what: string,
  code: string,
  { signal, ports }: { signal: AbortSignal; ports: TransferPorts },
  attempt: (once: Once) => Promise<TryResult<T>>,
): Promise<TryResult<T>> {
  const once: Once = async (request) => {
    const slow = new AbortController();
    const cancel = ports.clock.after(TRANSFER_TRY_MS, () => {
      slow.abort(new Error(`no end after ${TRANSFER_TRY_MS} ms`));
    });
    try {
      return await request(AbortSignal.any([signal, slow.signal]));
    } finally {
      cancel();
    }
  };
  try {
    return await attempt(once);
  } catch (cause) {
    const error = new PenstockError(`Cannot ${what}: ${messageOf(cause)}`, {
      code,
      domain: "external",
      isRetryable: true,
      cause,
    });
    return { kind: "failed", error, isFinal: signal.aborted, isOutage: true };
  }
}
