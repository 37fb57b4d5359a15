/**
 * The object route of a hub that keeps objects as files: signed PUT and GET, nothing else (S14).
 *
 * Touches the object store. A PUT is stored only when its size is the one signed for and its bytes have
 * the digest they are named by (S16). With `Content-Range` a PUT brings one part: 202 says how much has
 * arrived, 200 that all of it is stored. `bytes *` followed by the size asks where to go on.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { createHash } from "node:crypto";
import { type Digest, DIGEST_PATTERN } from "@shared/ids.ts";
import {
  type PartialObjects,
  readContentRange,
  UPLOAD_OFFSET_HEADER,
} from "@shared/object_store.ts";
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
  responses: {
    200: { description: "Durable" },
    202: {
      description: `A part has arrived; ${UPLOAD_OFFSET_HEADER} says where the next one begins`,
    },
  },
});

const getRoute = createRoute({
  method: "get",
  path: "/objects/{digest}",
  tags: ["objects"],
  summary: "Fetch one object under a signed address",
  request: { params, query: z.strictObject(signature) },
  responses: { 200: { description: "The bytes", content: bytes } },
});

export const objectRoutes = [putRoute, getRoute] as const;

export function addObjectRoutes(app: HubApp, deps: RouteDeps): void {
  serve(app, deps, "public", putRoute, async (c) => {
    const grant = grantOf(deps, c.req.raw);
    const wanted = grant.sizeBytes ?? 0;
    if (wanted > OBJECT_BYTES_MAX) {
      throw new Refusal(413, "object-too-large", `Objects have at most ${OBJECT_BYTES_MAX} bytes`);
    }
    const range = c.req.header("content-range");
    if (range !== undefined) {
      const arrived = await takePart(deps, c.req.raw.body, { range, ...grant, sizeBytes: wanted });
      if (arrived === "stored") return c.body(null, 200);
      if (arrived < wanted) {
        return c.body(null, 202, { [UPLOAD_OFFSET_HEADER]: String(arrived) });
      }
    }
    const body = range === undefined
      ? await readExactly(c.req.raw.body, wanted)
      : await partialOf(deps).take(grant.digest);
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

/** @returns Bytes of the object that have arrived, or that it is stored whole already. */
async function takePart(
  deps: RouteDeps,
  body: ReadableStream<Uint8Array> | null,
  upload: { readonly range: string; readonly digest: Digest; readonly sizeBytes: number },
): Promise<number | "stored"> {
  const range = readContentRange(upload.range);
  if (range === null || range.totalBytes !== upload.sizeBytes) {
    throw new Refusal(
      416,
      "range-invalid",
      `Content-Range is "${upload.range}": want a part of the ${upload.sizeBytes} bytes signed for`,
    );
  }
  const partial = partialOf(deps);
  if (range.offset !== null) {
    const bytes = await readExactly(body, range.partBytes);
    return await partial.append(upload.digest, range.offset, bytes);
  }
  // An upload that was answered before, its answer lost: everything is here already.
  const stored = await deps.hub.objects.stat(upload.digest);
  return stored?.bytes === upload.sizeBytes ? "stored" : await partial.size(upload.digest);
}

function partialOf(deps: RouteDeps): PartialObjects {
  const { partial } = deps.hub.objects;
  if (partial !== undefined) return partial;
  throw new Refusal(416, "ranges-unsupported", "This object store takes objects whole");
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
