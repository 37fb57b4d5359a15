/**
 * The object route of a hub that keeps objects as files: signed PUT and GET, nothing else (S14).
 *
 * Touches the object store. A PUT is stored only when its size is the one signed for and its bytes have
 * the digest they are named by (S16).
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { createHash } from "node:crypto";
import { type Digest, DIGEST_PATTERN } from "@shared/ids.ts";
import { verifyObjectUrl } from "@shared/object_url.ts";
import { type HubApp, notFound, Refusal, type RouteDeps, serve } from "./http.ts";

/** Largest object taken in. */
const OBJECT_BYTES_MAX = 1024 * 1024 * 1024;

const params = z.object({ digest: z.string().regex(DIGEST_PATTERN) });
const signature = {
  expires: z.string().openapi({ description: "Milliseconds since the epoch" }),
  sig: z.string(),
};
const bytes = { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } };

const putRoute = createRoute({
  method: "put",
  path: "/objects/{digest}",
  tags: ["objects"],
  summary: "Store one object under a signed address",
  request: { params, query: z.strictObject({ ...signature, size: z.string() }) },
  responses: { 200: { description: "Durable" } },
});

const getRoute = createRoute({
  method: "get",
  path: "/objects/{digest}",
  tags: ["objects"],
  summary: "Fetch one object under a signed address",
  request: { params, query: z.strictObject(signature) },
  responses: { 200: { description: "The bytes", content: bytes } },
});

export function addObjectRoutes(app: HubApp, deps: RouteDeps): void {
  serve(app, deps, "public", putRoute, async (c) => {
    const grant = grantOf(deps, c.req.raw);
    const wanted = grant.sizeBytes ?? 0;
    if (wanted > OBJECT_BYTES_MAX) {
      throw new Refusal(413, "object-too-large", `Objects have at most ${OBJECT_BYTES_MAX} bytes`);
    }
    const body = await readExactly(c.req.raw.body, wanted);
    const found = createHash("sha256").update(body).digest("hex");
    if (found !== grant.digest) {
      throw new Refusal(
        422,
        "digest-mismatch",
        `The body has digest ${found}, the address names ${grant.digest}: nothing was stored`,
      );
    }
    await deps.hub.objects.put(grant.digest, body);
    return c.body(null, 200);
  });
  serve(app, deps, "public", getRoute, async (c) => {
    const { digest } = grantOf(deps, c.req.raw);
    const found = await deps.hub.objects.get(digest as Digest);
    if (found === null) throw notFound("object", digest);
    return c.body(found as Uint8Array<ArrayBuffer>, 200, {
      "content-type": "application/octet-stream",
      "content-length": String(found.length),
    });
  });
}

function grantOf(deps: RouteDeps, request: Request) {
  const verdict = verifyObjectUrl(request, deps.signingSecret, deps.hub.clock.nowMs());
  if (verdict.kind === "granted") return verdict.grant;
  throw new Refusal(403, `object-url-${verdict.reason}`, `The address is ${verdict.reason}`);
}

/** @throws {Refusal} 422 if the body is shorter or longer than `sizeBytes`. */
async function readExactly(
  body: ReadableStream<Uint8Array> | null,
  sizeBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(sizeBytes);
  let received = 0;
  for await (const chunk of body ?? []) {
    if (received + chunk.length > sizeBytes) throw wrongSize(sizeBytes, "more");
    bytes.set(chunk, received);
    received += chunk.length;
  }
  if (received !== sizeBytes) throw wrongSize(sizeBytes, `${received} bytes`);
  return bytes;
}

function wrongSize(wantedBytes: number, found: string): Refusal {
  return new Refusal(
    422,
    "size-mismatch",
    `The address is signed for ${wantedBytes} bytes, the body has ${found}: nothing was stored`,
  );
}
