/** The index against a map, with keys that collide, go and come again. */
import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { KeyIndex, NO_ROW, PROBES_MAX } from "./key_index.ts";
import { mapKeyOf, type TableKey } from "./table_entry.ts";

/** Inverse of the index's multiplier, modulo 2^32. */
const INVERSE = 0x0e8b2f51;

const key: fc.Arbitrary<TableKey> = fc.oneof(
  fc.nat(40),
  fc.nat(40).map((n) => n << 20),
  fc.nat(40).map(String),
  fc.constantFrom("", "07", "x", "1e3", "4294967296", "Förderer-1", "\ud800"),
  // Their hashes are equal.
  fc.constantFrom("costarring", "liquid"),
);

Deno.test("key index: finds what was added and not deleted, texts that are numbers as those", () => {
  fc.assert(fc.property(fc.array(key, { minLength: 1, maxLength: 400 }), (keys) => {
    const texts: string[] = [];
    const index = new KeyIndex(texts);
    const rows = new Map<TableKey, number>();
    for (const [row, one] of keys.entries()) {
      texts[row] = String(one);
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
  const texts = Array.from(
    { length: 5_000 },
    (_, i) => i % 2 === 0 ? String(i * 64) : `device-${i}`,
  );
  const index = new KeyIndex(texts);
  for (const [row, text] of texts.entries()) index.add(text, row);
  for (const [row, text] of texts.entries()) deepStrictEqual(index.find(text), row);
  deepStrictEqual(index.find(1), NO_ROW);
  deepStrictEqual(index.find("device-2"), NO_ROW);
});

Deno.test("key index: keys made up to collide are found behind the slots that are looked at", () => {
  // Times the multiplier of the hash these are the small numbers, so all belong to slot 0.
  const colliding = Array.from({ length: 4_000 }, (_, i) => Math.imul(i, INVERSE) >>> 0)
    .filter((number) => number < 1e9).slice(0, 4 * PROBES_MAX);
  const index = new KeyIndex(colliding.map(String));
  for (const [row, number] of colliding.entries()) index.add(number, row);
  deepStrictEqual(index.size, colliding.length);
  for (const number of colliding.slice(0, PROBES_MAX)) index.delete(number);
  for (const [row, number] of colliding.entries()) {
    deepStrictEqual(index.find(number), row < PROBES_MAX ? NO_ROW : row);
  }
  deepStrictEqual(index.size, colliding.length - PROBES_MAX);
});
