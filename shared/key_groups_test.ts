import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import { groupsOf, hashOfKey, keyGroupOf, rangesOf } from "@shared/key_groups.ts";

/** Vectors of MurmurHash3 x86 32 with seed 0, over every length of the tail: never to change. */
const GOLDEN: readonly [key: string, hash: number][] = [
  ["", 0],
  ["test", 0xba6bd213],
  ["Hello, world!", 0xc0363e43],
  ["The quick brown fox jumps over the lazy dog", 0x2e4ff723],
  ["aaaa", 0x7eeed987],
  ["aaa", 0xb4d05fb7],
  ["abc", 0xb3dd93fa],
  ["ππππππππ", 0xec72b6e8],
  ["größe", 0xe3d3963f],
];

Deno.test("key groups: the hash of a key is frozen (S1)", () => {
  for (const [key, hash] of GOLDEN) strictEqual(hashOfKey(key), hash, key);
});

Deno.test("key groups: a key has one group in range, and groups fill evenly", () => {
  const counts = new Array<number>(KEY_GROUP_COUNT).fill(0);
  for (let i = 0; i < 12_800; i++) counts[keyGroupOf(`device-${i}`)]!++;
  strictEqual(counts.length, KEY_GROUP_COUNT);
  strictEqual(counts.every((count) => count > 50 && count < 160), true, String(counts));
});

Deno.test("key groups: ranges hold exactly the groups, both ends included", () => {
  deepStrictEqual(rangesOf([0, 1, 2, 5, 127]), [[0, 2], [5, 5], [127, 127]]);
  deepStrictEqual(groupsOf([[0, 2], [5, 5]]), [0, 1, 2, 5]);
  const sorted = fc.uniqueArray(fc.nat(KEY_GROUP_COUNT - 1))
    .map((groups) => groups.sort((a, b) => a - b));
  fc.assert(fc.property(sorted, (groups) => {
    deepStrictEqual(groupsOf(rangesOf(groups)), groups);
  }));
});
