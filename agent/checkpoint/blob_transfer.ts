/**
 * Moves one blob to or from the object store over a signed URL, with a bounded number of tries.
 *
 * Touches the network through the `fetch` it is given.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { messageOf, PenstockError } from "@shared/errors.ts";
import type { Digest } from "@shared/ids.ts";
import type { SignedUrl } from "@shared/object_store.ts";
import type { Random } from "@shared/random.ts";
import { backoffMs, sleep } from "../backoff.ts";
import type { Sha256 } from "./local_store.ts";

export const TRANSFER_TRIES_MAX = 3;
/** One try, connection to last byte. */
export const TRANSFER_TRY_MS = 30_000;
const BACKOFF = { firstMs: 500, maxMs: 5_000 };
/** Of an error answer, how much is shown. */
const ANSWER_CHARS_MAX = 200;

export interface TransferPorts {
  readonly sha256: Sha256;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly random: Random;
}

/** Result of one try; `isFinal` ends the tries. */
type TryResult<T> =
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "failed"; readonly error: PenstockError; readonly isFinal: boolean };

/**
 * Uploads `bytes`; when it resolves the store has answered that it holds them.
 *
 * @throws {PenstockError} `upload-refused` when the store refuses these bytes or the URL, `upload-failed`
 *   when every try failed or `signal` was aborted.
 */
export async function uploadBlob(
  target: SignedUrl,
  bytes: Uint8Array,
  options: { digest: Digest; signal: AbortSignal; ports: TransferPorts },
): Promise<void> {
  const what = `upload object "${options.digest}"`;
  await tryOften<undefined>(what, "upload-failed", options, async (signal) => {
    const response = await options.ports.fetch(target.url, {
      method: "PUT",
      headers: { ...target.headers },
      body: bytes as Uint8Array<ArrayBuffer>,
      signal,
    });
    const answer = await response.text();
    if (response.ok) return { kind: "done", value: undefined };
    return refusal(what, "upload-refused", response.status, answer);
  });
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
  return tryOften<Uint8Array>(what, "download-failed", options, async (signal) => {
    const response = await options.ports.fetch(source.url, {
      headers: { ...source.headers },
      signal,
    });
    if (!response.ok) {
      const answer = await response.text();
      if (response.status !== 404) {
        return refusal(what, "download-refused", response.status, answer);
      }
      return final(`Cannot ${what}: the object store has no such object`, "object-missing");
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
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

async function tryOften<T>(
  what: string,
  code: string,
  options: { signal: AbortSignal; ports: TransferPorts },
  once: (signal: AbortSignal) => Promise<TryResult<T>>,
): Promise<T> {
  const { signal, ports } = options;
  for (let count = 1;; count++) {
    const result = await tryOnce(what, code, options, once);
    if (result.kind === "done") return result.value;
    if (result.isFinal || signal.aborted || count === TRANSFER_TRIES_MAX) throw result.error;
    await sleep(ports.clock, backoffMs(count, BACKOFF, ports.random), signal);
    signal.throwIfAborted();
  }
}

async function tryOnce<T>(
  what: string,
  code: string,
  { signal, ports }: { signal: AbortSignal; ports: TransferPorts },
  once: (signal: AbortSignal) => Promise<TryResult<T>>,
): Promise<TryResult<T>> {
  const slow = new AbortController();
  const cancel = ports.clock.after(TRANSFER_TRY_MS, () => {
    slow.abort(new Error(`no end after ${TRANSFER_TRY_MS} ms`));
  });
  try {
    return await once(AbortSignal.any([signal, slow.signal]));
  } catch (cause) {
    const message = `Cannot ${what}: ${messageOf(cause)}`;
    const error = new PenstockError(message, {
      code,
      domain: "external",
      isRetryable: true,
      cause,
    });
    return { kind: "failed", error, isFinal: signal.aborted };
  } finally {
    cancel();
  }
}
