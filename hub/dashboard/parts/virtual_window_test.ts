import { deepEqual, equal } from "node:assert/strict";
import {
  OVERSCAN_ROWS,
  rowForKey,
  rowsInView,
  scrollToShow,
  selectedAfter,
} from "./virtual_window.ts";

Deno.test("virtual window: only the rows seen and a few around them are drawn", () => {
  const span = rowsInView({ scrollPx: 40_000, viewPx: 400 }, 40, 10_000);
  deepEqual(span, { from: 1_000 - OVERSCAN_ROWS, to: 1_011 + OVERSCAN_ROWS });
});

Deno.test("virtual window: no row is missing or invented at either end", () => {
  equal(rowsInView({ scrollPx: 0, viewPx: 400 }, 40, 10_000).from, 0);
  equal(rowsInView({ scrollPx: 399_600, viewPx: 400 }, 40, 10_000).to, 10_000);
  deepEqual(rowsInView({ scrollPx: 0, viewPx: 400 }, 40, 0), { from: 0, to: 0 });
  deepEqual(rowsInView({ scrollPx: 9_000, viewPx: 400 }, 40, 3), { from: 0, to: 3 });
});

Deno.test("virtual window: keys move within the table and stop at its ends", () => {
  const table = { count: 100, pageRows: 10 };
  equal(rowForKey("ArrowDown", 99, table), 99);
  equal(rowForKey("ArrowUp", 0, table), 0);
  equal(rowForKey("PageDown", 5, table), 14);
  equal(rowForKey("PageUp", 5, table), 0);
  equal(rowForKey("Home", 50, table), 0);
  equal(rowForKey("End", 50, table), 99);
  equal(rowForKey("a", 50, table), null);
  equal(rowForKey("ArrowDown", 0, { count: 0, pageRows: 10 }), null);
});

Deno.test("virtual window: a row that is seen already does not scroll", () => {
  const view = { scrollPx: 400, viewPx: 400 };
  equal(scrollToShow(12, view, 40, 30), 400);
  equal(scrollToShow(5, view, 40, 30), 200);
  equal(scrollToShow(30, view, 40, 30), 30 * 40 + 70 - 400);
});

Deno.test("virtual window: shift takes or leaves everything between two rows", () => {
  const keys = ["a", "b", "c", "d"];
  const one = selectedAfter(new Set(), keys, { index: 1, anchor: null });
  deepEqual([...one], ["b"]);
  deepEqual([...selectedAfter(one, keys, { index: 3, anchor: 1 })].sort(), ["b", "c", "d"]);
  deepEqual([...selectedAfter(one, keys, { index: 1, anchor: null })], []);
  deepEqual([...selectedAfter(new Set(["b", "c"]), keys, { index: 2, anchor: 0 })], []);
});
