import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { type MapStateKey, PersistentMap } from "../../agent/state/persistent_map.ts";
import { PersistentList } from "../../agent/state/persistent_list.ts";

/** Booleans and numbers beside the texts that they print as. */
const key: fc.Arbitrary<MapStateKey> = fc.oneof(
  fc.string({ maxLength: 2 }),
  fc.nat(50),
  fc.boolean(),
  fc.constantFrom("true", "1", "2"),
);
const change = fc.record({ key, value: fc.option(fc.nat(9), { nil: undefined }) });

Deno.test("persistent map: is a Map at every step, and older versions stay as they were (A5)", () => {
  fc.assert(fc.property(fc.array(change, { maxLength: 80, size: "max" }), (changes) => {
    const model = new Map<MapStateKey, number>();
    const versions: [PersistentMap, Map<MapStateKey, number>][] = [];
    let map = PersistentMap.EMPTY;
    for (const { key, value } of changes) {
      if (value === undefined) [map] = [map.remove(key), model.delete(key)];
      else [map] = [map.put(key, value), model.set(key, value)];
      versions.push([map, new Map(model)]);
    }
    for (const [version, expected] of versions) {
      strictEqual(version.size, expected.size);
      deepStrictEqual(new Map(version), expected);
      for (const [key, value] of expected) strictEqual(version.get(key), value);
    }
  }));
});

Deno.test("persistent map: equal content comes in equal order, whatever its history (C8)", () => {
  fc.assert(fc.property(fc.uniqueArray(key), fc.array(key), (keys, others) => {
    const plain = PersistentMap.from(keys.map((key) => [key, 1]));
    let other = PersistentMap.from([...others, ...keys.toReversed()].map((key) => [key, 1]));
    for (const key of others) if (!keys.includes(key)) other = other.remove(key);
    deepStrictEqual([...other], [...plain]);
  }));
});

Deno.test("persistent list: versions that grow from one another stay apart (A5)", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(), fc.nat())), (steps) => {
    const versions: [PersistentList, number[]][] = [[PersistentList.EMPTY, []]];
    for (const [from, item] of steps) {
      const [list, items] = versions[from % versions.length]!;
      versions.push([list.append(item), [...items, item]]);
    }
    for (const [list, items] of versions) deepStrictEqual(list.toArray(), items);
  }));
});
