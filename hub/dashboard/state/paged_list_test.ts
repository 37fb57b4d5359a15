import { deepEqual, equal } from "node:assert/strict";
import { chained, createPagedList, type PagedWorld } from "./paged_list.ts";

interface Row {
  readonly id: number;
  readonly text: string;
}

/** Rows by falling id; a cursor is the id of the last row given out. */
function source(rows: Row[], limit = 3) {
  const calls: (string | null)[] = [];
  const world: PagedWorld<Row> = {
    load(cursor) {
      calls.push(cursor);
      const sorted = [...rows].sort((a, b) => b.id - a.id);
      const rest = cursor === null ? sorted : sorted.filter((row) => row.id < Number(cursor));
      const items = rest.slice(0, limit);
      const next = rest.length > limit ? String(items.at(-1)!.id) : null;
      return Promise.resolve({ items, next });
    },
    keyOf: (row) => String(row.id),
    order: (a, b) => b.id - a.id,
  };
  return { world, calls };
}

const rowsTo = (count: number): Row[] =>
  Array.from({ length: count }, (_, index) => ({ id: (index + 1) * 10, text: "old" }));
const signal = new AbortController().signal;
const ids = (rows: readonly Row[]) => rows.map((row) => row.id);

async function filled(rows: Row[], pages: number) {
  const { world, calls } = source(rows);
  const list = createPagedList(world);
  for (let page = 0; page < pages; page++) await list.more(signal);
  calls.length = 0;
  return { list, calls };
}

Deno.test("paged list: pages follow each other to the end, which is known", async () => {
  const { list } = await filled(rowsTo(7), 3);
  deepEqual(ids(list.items), [70, 60, 50, 40, 30, 20, 10]);
  equal(list.hasMore, false);
});

Deno.test("paged list: a renewal fetches the first page and those that are seen, no other", async () => {
  const rows = rowsTo(30);
  const { list, calls } = await filled(rows, 8);
  rows[11] = { id: 120, text: "new" };
  await list.renew(18, 20, signal);
  deepEqual(calls, [null, "130"]);
  equal(list.items.find((row) => row.id === 120)!.text, "new");
  equal(list.items.length, 24);
});

Deno.test("paged list: rows that came in between push none out", async () => {
  const rows = rowsTo(9);
  const { list } = await filled(rows, 2);
  for (const id of [91, 92, 93, 94]) rows.push({ id, text: "new" });
  await list.renew(0, 2, signal);
  deepEqual(ids(list.items), [94, 93, 92, 91, 90, 80, 70, 60, 50, 40]);
  equal(list.hasMore, true);
});

Deno.test("paged list: rows that are gone leave the page that is seen", async () => {
  const rows = rowsTo(9);
  const { list } = await filled(rows, 2);
  rows.splice(rows.findIndex((row) => row.id === 80), 1);
  await list.renew(0, 2, signal);
  deepEqual(ids(list.items), [90, 70, 60, 50, 40]);
});

Deno.test("paged list: a flood too long to be followed lets the rest go, and it loads again", async () => {
  const rows = rowsTo(9);
  const { list } = await filled(rows, 3);
  for (let id = 100; id < 120; id++) rows.push({ id, text: "new" });
  await list.renew(0, 2, signal);
  equal(list.items.length, 15);
  equal(list.hasMore, true);
  for (let page = 0; page < 6; page++) await list.more(signal);
  equal(list.items.length, 29);
});

Deno.test("paged list: chained lists read as one, empty ones are passed over", async () => {
  const first = source([{ id: 2, text: "a" }, { id: 1, text: "a" }], 1);
  const empty = source([]);
  const last = source([{ id: 9, text: "b" }]);
  const load = chained([first.world.load, empty.world.load, last.world.load]);
  const list = createPagedList({ ...first.world, load, order: () => 0 });
  for (let page = 0; page < 4 && list.hasMore; page++) await list.more(signal);
  deepEqual(ids(list.items), [2, 1, 9]);
  equal(list.hasMore, false);
});
