/**
 * Bounds the bodies of requests before anything reads them (S21).
 *
 * Touches the request. A body whose length is announced is judged by that; one that comes in chunks is
 * read up to the bound and handed on whole. The new request is made of parts and not of the old one:
 * copying a request makes the runtime watch it for being aborted, and say so on the terminal.
 *
 * @module
 */
import type { MiddlewareHandler } from "hono";
import { type HubEnv, Refusal } from "./routes/http.ts";

/** @param sizeMaxOf Bound of a path, bytes; null leaves the body to the route. */
export function boundBody(sizeMaxOf: (path: string) => number | null): MiddlewareHandler<HubEnv> {
  return async (c, next) => {
    const sizeMax = sizeMaxOf(c.req.path);
    const { headers, body, method } = c.req.raw;
    const announced = headers.has("transfer-encoding") ? null : headers.get("content-length");
    if (sizeMax !== null && announced !== null) {
      if (Number(announced) > sizeMax) throw tooLarge(sizeMax);
    } else if (sizeMax !== null && method !== "GET" && method !== "HEAD") {
      const bytes = await readUpTo(body, sizeMax);
      c.req.raw = new Request(c.req.url, {
        method,
        headers,
        ...(bytes.length === 0 ? {} : { body: bytes }),
      });
    }
    await next();
  };
}

async function readUpTo(
  body: ReadableStream<Uint8Array> | null,
  sizeMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > sizeMax) throw tooLarge(sizeMax);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

function tooLarge(sizeMax: number): Refusal {
  return new Refusal(413, "body-too-large", `The body may have at most ${sizeMax} bytes`);
}
