/**
 * Sends one signed message to a webhook.
 *
 * Touches the network. SSRF (S27): the name is resolved here, every address is judged at each sending, and
 * the connection goes to the address that was judged; a name that resolves differently a moment later
 * changes nothing. The certificate is checked against the name. Redirects are not followed, the answer is
 * read to a limit, and the whole takes ten seconds at most (S25, S29).
 *
 * @module
 */
import { createHmac } from "node:crypto";
import http from "node:http";
import https from "node:https";
import type { Clock } from "@shared/clock.ts";
import { PenstockError } from "@shared/errors.ts";
import { type AllowedTargets, hostOf, portOf, refusalOf, urlRefusal } from "./address_guard.ts";

const TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 64 * 1024;

export interface WebhookMessage {
  readonly url: string;
  readonly secret: string;
  /** The same when the same is sent again. */
  readonly deliveryId: string;
  readonly body: string;
}

export interface WebhookWorld {
  readonly clock: Clock;
  readonly allowed: AllowedTargets;
  /** Addresses of a name. */
  resolve(hostname: string): Promise<readonly string[]>;
  /** Authority that vouches for targets beside the known ones; PEM. */
  readonly caPem?: string;
}

/**
 * Resolves when the target answered with 2xx.
 *
 * @throws {PenstockError} Saying what was in the way, in words for people.
 */
export async function sendWebhook(message: WebhookMessage, world: WebhookWorld): Promise<void> {
  const url = new URL(message.url);
  const limit = new AbortController();
  const cancel = world.clock.after(TIMEOUT_MS, () => {
    limit.abort(failure(`The target did not answer within ${TIMEOUT_MS / 1000} s`));
  });
  const late = new Promise<never>((_, reject) => {
    limit.signal.addEventListener("abort", () => reject(limit.signal.reason));
  });
  const sent = deliver(url, message, world, limit.signal);
  const status = await Promise.race([sent, late]).finally(cancel);
  if (status >= 200 && status < 300) return;
  const redirect = status >= 300 && status < 400 ? "; redirects are not followed" : "";
  throw failure(`The target answered with ${status}${redirect}`);
}

/** @returns The status of the answer. */
async function deliver(
  url: URL,
  message: WebhookMessage,
  world: WebhookWorld,
  signal: AbortSignal,
): Promise<number> {
  const address = await checkedAddress(url, world);
  signal.throwIfAborted();
  const seconds = Math.floor(world.clock.nowMs() / 1000);
  return await post({ url, address, caPem: world.caPem, signal }, message.body, {
    "content-type": "application/json",
    "content-length": String(new TextEncoder().encode(message.body).length),
    "user-agent": "penstock",
    "penstock-delivery": message.deliveryId,
    "penstock-signature": signatureOf(message, seconds),
  });
}

/** `t=SECONDS,v1=HEX`: HMAC-SHA256 over `delivery id.t.body` under the channel's secret. */
export function signatureOf(
  { secret, deliveryId, body }: Pick<WebhookMessage, "secret" | "deliveryId" | "body">,
  seconds: number,
): string {
  const code = createHmac("sha256", secret).update(`${deliveryId}.${seconds}.${body}`).digest(
    "hex",
  );
  return `t=${seconds},v1=${code}`;
}

/** The address to connect to: every address of the name has to be a good one. */
async function checkedAddress(url: URL, { allowed, resolve }: WebhookWorld): Promise<string> {
  const refused = urlRefusal(url, allowed);
  if (refused !== null) throw failure(`Nothing is sent to ${url.host}: ${refused}`);
  const host = hostOf(url);
  const addresses = /^[\d.]+$|:/.test(host) ? [host] : await addressesOf(host, resolve);
  if (!allowed.allowsHost(host)) {
    for (const address of addresses) {
      const why = refusalOf(address, allowed);
      if (why === null) continue;
      throw failure(
        `Nothing is sent to ${host}: its address ${address} is ${why}; ` +
          "--allow-webhook-to at the start of the hub lets it",
      );
    }
  }
  return addresses[0]!;
}

async function addressesOf(
  host: string,
  resolve: WebhookWorld["resolve"],
): Promise<readonly string[]> {
  let found: readonly string[] = [];
  try {
    found = await resolve(host);
  } catch (cause) {
    throw failure(`${host} has no address`, cause);
  }
  if (found.length === 0) throw failure(`${host} has no address`);
  return found;
}

function post(
  { url, address, caPem, signal }: {
    readonly url: URL;
    readonly address: string;
    readonly caPem: string | undefined;
    readonly signal: AbortSignal;
  },
  body: string,
  headers: Record<string, string>,
): Promise<number> {
  const family = address.includes(":") ? 6 : 4;
  const host = hostOf(url);
  const options: https.RequestOptions = {
    method: "POST",
    host,
    port: portOf(url),
    path: `${url.pathname}${url.search}`,
    headers: { ...headers, host: url.host },
    agent: false,
    lookup(_name, asked, done) {
      if (asked.all === true) done(null, [{ address, family }]);
      else done(null, address, family);
    },
    ...(caPem === undefined ? {} : { ca: caPem }),
  };
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? https : http).request(options);
    signal.addEventListener("abort", () => void request.destroy());
    const fail = (cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      reject(failure(`The target could not be reached: ${reason}`, cause));
    };
    request.on("error", fail);
    request.on("response", (response) => {
      let size = 0;
      const end = () => resolve(response.statusCode ?? 0);
      response.on("error", fail);
      response.on("data", (chunk: Uint8Array) => {
        size += chunk.length;
        if (size <= ANSWER_BYTES_MAX) return;
        end();
        request.destroy();
      });
      response.on("end", end);
    });
    request.end(body);
  });
}

function failure(message: string, cause?: unknown): PenstockError {
  return new PenstockError(message, {
    code: "webhook-failed",
    domain: "external",
    isRetryable: true,
    ...(cause === undefined ? {} : { cause }),
  });
}
