import { deepStrictEqual as equal } from "node:assert/strict";
import { digestOf, MemoryFiles, MemoryLogger, sha256, utf8 } from "../testdata/fake_world.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import { LocalStore, UNOWNED_KEEP_MS } from "./local_store.ts";

const [a, b] = [utf8("a"), utf8("b")];
const [digestA, digestB] = [digestOf(a), digestOf(b)];

async function opened(files = new MemoryFiles()) {
  const clock = new ManualClock();
  const store = await LocalStore.open({
    files,
    sha256,
    directory: "/p",
    clock,
    logger: new MemoryLogger(),
  });
  return { files, clock, store, names: () => [...files.content.keys()].sort() };
}

Deno.test("local store: what no owner refers to is deleted, what one still does is not", async () => {
  const { store, names } = await opened();
  store.refer("one", [digestA, digestB]);
  store.refer("two", [digestA]);
  await store.put(digestA, a);
  await store.put(digestB, b);
  store.refer("one", []);
  await store.settled();
  equal(names(), [`/p/${digestA}`]);
});

Deno.test("local store: a corrupt copy counts as absent and is removed", async () => {
  const { store, files, names } = await opened();
  store.refer("one", [digestA]);
  await store.put(digestA, a);
  files.content.set(`/p/${digestA}`, b);
  equal(await store.get(digestA), null);
  equal(names(), []);
  await store.put(digestA, a);
  equal(await store.get(digestA), a);
});

Deno.test("local store: pieces of earlier runs stay a while for who comes back", async () => {
  const files = new MemoryFiles();
  files.content.set(`/p/${digestA}`, a);
  files.content.set(`/p/${digestB}`, b);
  files.content.set(`/p/${digestB}.part`, b);
  const { store, clock, names } = await opened(files);
  equal(names().length, 2);
  store.refer("one", [digestA]);
  clock.advance(UNOWNED_KEEP_MS);
  await store.settled();
  equal(names(), [`/p/${digestA}`]);
});

Deno.test("local store: what a region that left referred to goes after a while", async () => {
  const { store, clock, names } = await opened();
  store.refer("one", [digestA]);
  await store.put(digestA, a);
  store.release("one");
  await store.settled();
  equal(names(), [`/p/${digestA}`]);
  clock.advance(UNOWNED_KEEP_MS);
  await store.settled();
  equal(names(), []);
});

Deno.test("local store: what is written again while it is being removed stays", async () => {
  const files = new MemoryFiles();
  const { store, names } = await opened(files);
  store.refer("one", [digestA]);
  await store.put(digestA, a);
  const begun = Promise.withResolvers<void>();
  const removal = Promise.withResolvers<void>();
  const remove = files.remove;
  files.remove = async (path) => {
    begun.resolve();
    await removal.promise;
    await remove(path);
  };
  store.refer("one", []);
  await begun.promise;
  store.refer("two", [digestA]);
  const written = store.put(digestA, a);
  removal.resolve();
  await written;
  await store.settled();
  equal(names(), [`/p/${digestA}`]);
  equal(await store.get(digestA), a);
});
