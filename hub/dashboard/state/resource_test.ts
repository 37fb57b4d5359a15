import { deepEqual } from "node:assert/strict";
import type { Page } from "@shared/api.ts";
import { firstPages } from "./resource.ts";

/** Numbers 0 to 4, two on a page; a cursor is the number that the next page begins with. */
function pageOf(cursor: string | null): Promise<Page<number>> {
  const start = Number(cursor ?? 0);
  const items = [0, 1, 2, 3, 4].slice(start, start + 2);
  return Promise.resolve({ items, next: start + 2 < 5 ? String(start + 2) : null });
}

Deno.test("resource: a list is fetched as far as it is shown, and says what leads on", async () => {
  const { signal } = new AbortController();
  deepEqual(await firstPages(pageOf, 1, signal), { items: [0, 1], next: "2" });
  deepEqual(await firstPages(pageOf, 2, signal), { items: [0, 1, 2, 3], next: "4" });
  deepEqual(await firstPages(pageOf, 9, signal), { items: [0, 1, 2, 3, 4], next: null });
});
