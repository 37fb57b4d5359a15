import { deepEqual } from "node:assert/strict";
import type { Digest } from "./ids.ts";
import { OBJECT_URL_TTL_MAX_MS, signObjectUrl, verifyObjectUrl } from "./object_url.ts";

const digest = "ab".repeat(32) as Digest;
const put = { method: "PUT", digest, sizeBytes: 1000, expiresAtMs: 60_000 } as const;
const url = signObjectUrl("http://hub:8080", put, "secret");
const verdict = (method: string, address: string, nowMs = 0, secret = "secret") => {
  const found = verifyObjectUrl({ method, url: address }, secret, nowMs);
  return found.kind === "granted" ? "granted" : found.reason;
};

Deno.test("object URL: grants what was signed", () => {
  deepEqual(verifyObjectUrl({ method: "PUT", url }, "secret", 59_999), {
    kind: "granted",
    grant: put,
  });
  const get = { ...put, method: "GET", sizeBytes: null } as const;
  const address = signObjectUrl("http://hub:8080", get, "secret");
  deepEqual(verifyObjectUrl({ method: "GET", url: address }, "secret", 0), {
    kind: "granted",
    grant: get,
  });
});

Deno.test("object URL: refuses another method, object, size, time, secret or signature", () => {
  deepEqual(verdict("GET", url), "malformed");
  deepEqual(verdict("DELETE", url), "malformed");
  deepEqual(verdict("GET", url.replace("size=1000&", "")), "bad-signature");
  deepEqual(verdict("PUT", url.replace(digest, "cd".repeat(32))), "bad-signature");
  deepEqual(verdict("PUT", url.replace(digest, "../etc")), "malformed");
  deepEqual(verdict("PUT", url.replace("size=1000", "size=5000000")), "bad-signature");
  deepEqual(verdict("PUT", url.replace("expires=60000", "expires=70000")), "bad-signature");
  deepEqual(verdict("PUT", url, 0, "another"), "bad-signature");
  deepEqual(verdict("PUT", url.replace(/sig=.*/, "sig=")), "bad-signature");
  deepEqual(verdict("PUT", url, 60_000), "expired");
});

Deno.test("object URL: refuses a life of more than 15 minutes though well signed (S14)", () => {
  const long = signObjectUrl(
    "http://hub",
    { ...put, expiresAtMs: OBJECT_URL_TTL_MAX_MS + 1 },
    "secret",
  );
  deepEqual(verdict("PUT", long, 0), "expired");
  deepEqual(verdict("PUT", long, 1), "granted");
});
