/**
 * The object stores over a real directory and a real S3 server, and the URLs they hand to agents.
 *
 * @module
 */
import { deepEqual, equal, notEqual, ok, rejects } from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Digest } from "@shared/ids.ts";
import type { ObjectStore } from "@shared/object_store.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { FileObjectStore } from "@shared/platform/file_object_store.ts";
import { openObjectStore } from "@shared/platform/open_object_store.ts";
import { verifyStored } from "../../hub/blob_verification.ts";
import { hasS3, startS3 } from "../support/s3.ts";

const server = await hasS3() ? await startS3() : null;
Deno.test.afterAll(() => server?.stop());

const fileOptions = { clock: systemClock, publicUrl: "http://hub", signingSecret: "secret" };
const store = server === null ? null : openObjectStore(server.spec, {
  ...fileOptions,
  s3Credentials: server.credentials,
});
if (store !== null) await store.check();

function blob(
  text: string,
  sizeBytes = text.length,
): { digest: Digest; bytes: Uint8Array<ArrayBuffer> } {
  const bytes = new Uint8Array(sizeBytes);
  bytes.set(new TextEncoder().encode(text));
  return { digest: createHash("sha256").update(bytes).digest("hex") as Digest, bytes };
}

async function digestsIn(objects: ObjectStore): Promise<Digest[]> {
  const found: Digest[] = [];
  for await (const { digest } of objects.list()) found.push(digest);
  return found.sort();
}

/** What every object store does. */
async function behavesAsStore(objects: ObjectStore): Promise<void> {
  const [small, large, empty] = [blob("small"), blob("large", 9_000_000), blob("")];
  const absent = blob("absent").digest;
  const before = Date.now();
  for (const { digest, bytes } of [small, large, empty, small]) await objects.put(digest, bytes);
  for (const { digest, bytes } of [small, large, empty]) {
    const found = await objects.get(digest);
    equal(createHash("sha256").update(found!).digest("hex"), digest);
    deepEqual(await verifyStored(objects, digest, bytes.length), { kind: "verified" });
  }
  equal(await objects.get(absent), null);
  equal(await objects.stat(absent), null);
  deepEqual(await verifyStored(objects, absent, 1), { kind: "absent" });
  deepEqual(await verifyStored(objects, small.digest, 4), { kind: "wrong-size", foundBytes: 5 });
  deepEqual(await digestsIn(objects), [small.digest, large.digest, empty.digest].sort());
  for await (const { modifiedAtMs } of objects.list()) {
    ok(Math.abs(modifiedAtMs - before) < 60_000, `modified at ${modifiedAtMs}`);
  }
  for (const digest of [small.digest, large.digest, empty.digest, absent]) {
    await objects.delete(digest);
  }
  deepEqual(await digestsIn(objects), []);
  await objects.check();
}

Deno.test("file objects: put, get, stat, list and delete", async () => {
  const directory = await Deno.makeTempDir();
  await behavesAsStore(new FileObjectStore(`${directory}/objects`, fileOptions));
  await Deno.remove(directory, { recursive: true });
});

Deno.test("file objects: bytes that are not those of the name are refused and leave nothing", async () => {
  const directory = await Deno.makeTempDir();
  const objects = new FileObjectStore(directory, fileOptions);
  await rejects(objects.put(blob("wanted").digest, blob("other").bytes), /its bytes have digest/);
  deepEqual(await digestsIn(objects), []);
  await rejects(objects.get("../../etc/passwd" as Digest), /names no object/);
  await Deno.remove(directory, { recursive: true });
});

const s3 = (title: string, run: (objects: ObjectStore) => Promise<void>) =>
  Deno.test({ name: `S3 objects: ${title}`, ignore: store === null, fn: () => run(store!) });

s3("put, get, stat, list and delete", behavesAsStore);

async function upload(
  objects: ObjectStore,
  signedFor: { digest: Digest; bytes: Uint8Array },
  body: Uint8Array<ArrayBuffer>,
  change: (headers: Record<string, string>) => Record<string, string> = (headers) => headers,
): Promise<number> {
  const { url, headers } = await objects.signPut(signedFor.digest, signedFor.bytes.length);
  const response = await fetch(url, { method: "PUT", body, headers: change({ ...headers }) });
  await response.body?.cancel();
  return response.status;
}

s3(
  "a signed PUT takes the bytes it was signed for, a signed GET returns them (S14)",
  async (objects) => {
    const wanted = blob("snapshot");
    equal(await upload(objects, wanted, wanted.bytes), 200);
    deepEqual(await verifyStored(objects, wanted.digest, 8), { kind: "verified" });
    const { url, headers } = await objects.signGet(wanted.digest);
    const response = await fetch(url, { headers });
    deepEqual(await response.bytes(), wanted.bytes);
    await objects.delete(wanted.digest);
  },
);

s3("a signed PUT refuses another size (S14)", async (objects) => {
  const wanted = blob("a snapshot of 1 kB", 1000);
  const body = new Uint8Array(5_000_000);
  const withoutLength = ({ "content-length": _, ...headers }: Record<string, string>) => headers;
  notEqual(await upload(objects, wanted, body, withoutLength), 200);
  equal(await objects.stat(wanted.digest), null);
});

s3(
  "a signed PUT refuses other content of the same size, or it is found out (S14, S16)",
  async (objects) => {
    const wanted = blob("wanted!");
    const status = await upload(objects, wanted, blob("forged!").bytes);
    if (status === 200) {
      equal((await verifyStored(objects, wanted.digest, 7)).kind, "wrong-digest");
    } else {
      equal(await objects.stat(wanted.digest), null);
    }
    await objects.delete(wanted.digest);
  },
);

s3("a signed PUT refuses changed checksum headers and another key (S14)", async (objects) => {
  const [wanted, forged] = [blob("wanted!"), blob("forged!")];
  const lie = (headers: Record<string, string>) => ({
    ...headers,
    "x-amz-content-sha256": forged.digest,
  });
  equal(await upload(objects, wanted, forged.bytes, lie), 403);
  const { url, headers } = await objects.signPut(wanted.digest, 7);
  const elsewhere = url.replace(wanted.digest, forged.digest);
  const response = await fetch(elsewhere, { method: "PUT", body: forged.bytes, headers });
  await response.body?.cancel();
  equal(response.status, 403);
  deepEqual(await digestsIn(objects), []);
});

Deno.test("S3 objects: a store that is not there fails within the time limit and says where", async () => {
  const nowhere = openObjectStore("s3://127.0.0.1:1/bucket?tls=0", {
    ...fileOptions,
    s3Credentials: { accessKey: "a", secretKey: "b" },
  });
  await rejects(nowhere.get(blob("x").digest), /127.0.0.1:1\/bucket failed at GET/);
  await rejects(nowhere.check(), /127.0.0.1:1\/bucket failed at check/);
});
