/** The index against a map, with keys that collide, go and come again. */
import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { KeyIndex, NO_ROW } from "./key_index.ts";
import { mapKeyOf, type TableKey } from "./table_entry.ts";

const key: fc.Arbitrary<TableKey> = fc.oneof(
  fc.nat(40),
  fc.nat(40).map((n) => n << 20),
  fc.nat(40).map(String),
  fc.constantFrom("", "07", "x", "1e3", "4294967296"),
);

Deno.test("key index: finds what was added and not deleted, texts that are numbers as those", () => {
  fc.assert(fc.property(fc.array(key, { minLength: 1, maxLength: 400 }), (keys) => {
    const index = new KeyIndex();
    const rows = new Map<TableKey, number>();
    for (const [row, one] of keys.entries()) {
      const known = rows.get(mapKeyOf(one));
      deepStrictEqual(index.find(one), known ?? NO_ROW);
      if (known === undefined) {
        index.add(one, row);
        rows.set(mapKeyOf(one), row);
      } else {
        index.delete(one);
        rows.delete(mapKeyOf(one));
      }
      deepStrictEqual(index.size, rows.size);
    }
    for (const one of keys) deepStrictEqual(index.find(one), rows.get(mapKeyOf(one)) ?? NO_ROW);
  }));
});

Deno.test("key index: grows", () => {
  const index = new KeyIndex();
  for (let row = 0; row < 5_000; row++) index.add(row * 64, row);
  for (let row = 0; row < 5_000; row++) deepStrictEqual(index.find(row * 64), row);
  deepStrictEqual(index.find(1), NO_ROW);
});
