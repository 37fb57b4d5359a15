import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { createHash } from "node:crypto";
import { createApp } from "../app.ts";
import { uploadBlob } from "../../agent/checkpoint/blob_transfer.ts";
import { UploadBudget } from "../../agent/checkpoint/upload_budget.ts";
import type { Digest } from "@shared/ids.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import { UPLOAD_OFFSET_HEADER } from "@shared/object_store.ts";
import { FileObjectStore } from "@shared/platform/file_object_store.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import { openTestHub } from "../../tests/support/hub_app.ts";

interface Wire {
  /** Bytes of every request that reached the hub. */
  readonly sent: number[];
  /** Requests that nobody answers from now on, before they reach the hub. */
  lostBefore: number;
  /** Requests of which the answer is lost. */
  lostAfter: number;
}

/** A hub that keeps objects as files, and a network that loses what it is told to lose. */
async function openStore() {
  const test = await openTestHub();
  const directory = await Deno.makeTempDir();
  const { signingSecret } = test.deps;
  const store = new FileObjectStore(directory, {
    clock: test.clock,
    publicUrl: "http://hub.test",
    signingSecret,
  });
  const app = createApp({ ...test.deps, hub: { ...test.hub, objects: store } });
  const wire: Wire = { sent: [], lostBefore: 0, lostAfter: 0 };
  const fetchFromHub = (async (url: string, init: RequestInit) => {
    if (wire.lostBefore > 0) {
      wire.lostBefore--;
      throw new TypeError("connection refused");
    }
    const body = new Uint8Array(await new Response(init.body ?? null).arrayBuffer());
    const { method, headers } = init;
    const answer = await app.request(url, { method: method!, headers: headers!, body }, {
      remoteAddress: "192.0.2.1",
    });
    wire.sent.push(body.length);
    if (wire.lostAfter > 0) {
      wire.lostAfter--;
      throw new TypeError("connection reset");
    }
    return answer;
  }) as typeof fetch;
  const random = new SeededRandom(1);
  const sha256 = () => Promise.resolve("");
  const ports = { fetch: fetchFromHub, sha256, clock: instantClock(), random };
  return {
    store,
    wire,
    ports,
    async close() {
      await test.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** Time goes on whenever somebody waits for it. */
function instantClock(): ManualClock {
  const clock = new ManualClock();
  const after = clock.after.bind(clock);
  clock.after = (delayMs, fire) => {
    if (delayMs >= 30_000) return after(delayMs, fire);
    const cancel = after(delayMs, fire);
    queueMicrotask(() => clock.advance(delayMs));
    return cancel;
  };
  return clock;
}

function blob(sizeBytes: number): { bytes: Uint8Array; digest: Digest } {
  const bytes = new Uint8Array(sizeBytes).map((_, i) => (i * 31) & 255);
  return { bytes, digest: createHash("sha256").update(bytes).digest("hex") as Digest };
}

const signal = new AbortController().signal;

Deno.test("objects: an upload goes on where an outage cut it, and sends nothing twice", async () => {
  const { store, wire, ports, close } = await openStore();
  const { bytes, digest } = blob(700_000);
  const target = await store.signPut(digest, bytes.length);
  const upload = uploadBlob(target, bytes, { digest, signal, ports });
  const fetchBefore = ports.fetch;
  let count = 0;
  ports.fetch = ((url: string, init: RequestInit) => {
    if (++count === 2) wire.lostBefore = 5;
    return fetchBefore(url, init);
  }) as typeof fetch;
  await upload;
  const carried = wire.sent.filter((size) => size > 0).reduce((sum, size) => sum + size, 0);
  equal(carried, bytes.length);
  deepEqual(await store.get(digest), bytes);
  await close();
});

Deno.test("objects: an upload whose last answer was lost is found whole", async () => {
  const { store, wire, ports, close } = await openStore();
  const { bytes, digest } = blob(300_000);
  const target = await store.signPut(digest, bytes.length);
  const fetchBefore = ports.fetch;
  let count = 0;
  ports.fetch = ((url: string, init: RequestInit) => {
    if (++count === 3) wire.lostAfter = 1;
    return fetchBefore(url, init);
  }) as typeof fetch;
  await uploadBlob(target, bytes, { digest, signal, ports });
  equal(wire.sent.reduce((sum, size) => sum + size, 0), bytes.length);
  deepEqual(await store.get(digest), bytes);
  await close();
});

Deno.test("objects: an outage longer than the patience fails the upload", async () => {
  const { store, wire, ports, close } = await openStore();
  const { bytes, digest } = blob(300_000);
  wire.lostBefore = 1_000;
  const target = await store.signPut(digest, bytes.length);
  await rejects(uploadBlob(target, bytes, { digest, signal, ports }), /connection refused/);
  equal(1_000 - wire.lostBefore, 24);
  await close();
});

Deno.test("objects: parts that do not make the object are thrown away (S16)", async () => {
  const { store, ports, close } = await openStore();
  const { bytes, digest } = blob(300_000);
  const target = await store.signPut(digest, bytes.length);
  const put = (body: Uint8Array, range: string) =>
    ports.fetch(target.url, {
      method: "PUT",
      body: body as Uint8Array<ArrayBuffer>,
      headers: { "content-range": range },
    });
  const first = await put(bytes.subarray(0, 100_000), "bytes 0-99999/300000");
  deepEqual([first.status, first.headers.get(UPLOAD_OFFSET_HEADER)], [202, "100000"]);
  const gap = await put(bytes.subarray(0, 10), "bytes 200000-200009/300000");
  deepEqual([gap.status, gap.headers.get(UPLOAD_OFFSET_HEADER)], [202, "100000"]);
  equal((await put(bytes.subarray(0, 10), "bytes 100000-100009/300001")).status, 416);
  equal((await put(bytes.subarray(0, 10), "bytes 100000-100019/300000")).status, 422);
  const wrong = await put(bytes.subarray(0, 200_000), "bytes 100000-299999/300000");
  equal(wrong.status, 422);
  equal(await store.get(digest), null);
  equal(await store.partial.size(digest), 0);
  await uploadBlob(target, bytes, { digest, signal, ports });
  deepEqual(await store.get(digest), bytes);
  await close();
});

Deno.test("objects: a limited upload takes the time that its rate says", async () => {
  const { store, ports, close } = await openStore();
  const { bytes, digest } = blob(320_000);
  const uploads = new UploadBudget(32_000, ports.clock);
  const target = await store.signPut(digest, bytes.length);
  await uploadBlob(target, bytes, { digest, signal, ports: { ...ports, uploads } });
  const tookMs = ports.clock.monotonicMs();
  ok(tookMs >= 8_000 && tookMs <= 10_000, `${tookMs} ms`);
  deepEqual(await store.get(digest), bytes);
  await close();
});
