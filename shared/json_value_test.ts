import { deepStrictEqual as equal } from "node:assert/strict";
import { toJsonValue } from "@shared/json_value.ts";

Deno.test("json value: what JSON can hold stays what it is", () => {
  const value = { n: 1, text: "a", yes: true, none: null, list: [1, { a: 2 }] };
  equal(
    JSON.stringify(toJsonValue(value)),
    '{"list":[1,{"a":2}],"n":1,"none":null,"text":"a","yes":true}',
  );
});

for (
  const [name, value, form] of [
    ["undefined", undefined, { $type: "undefined" }],
    ["minus zero", -0, { $type: "number", value: "-0" }],
    ["NaN", NaN, { $type: "number", value: "NaN" }],
    ["infinity", -Infinity, { $type: "number", value: "-Infinity" }],
    ["bigint", 12n, { $type: "bigint", value: "12" }],
    ["date", new Date(0), { $type: "date", value: "1970-01-01T00:00:00.000Z" }],
    ["bad date", new Date(NaN), { $type: "date", value: "invalid" }],
    ["map", new Map([[1, undefined]]), { $type: "map", entries: [[1, { $type: "undefined" }]] }],
    ["set", new Set(["a"]), { $type: "set", values: ["a"] }],
    ["bytes", new Uint8Array([1, 2]), { $type: "bytes", base64: "AQI=" }],
    ["floats", new Float64Array([0.5]), { $type: "floats", values: [0.5] }],
    ["own $type", { $type: "date" }, { $type: "object", entries: [["$type", "date"]] }],
  ] as const
) {
  Deno.test(`json value: ${name} has a form of its own`, () => equal(toJsonValue(value), form));
}

Deno.test("json value: what nests without an end is cut", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 300; i++) deep = [deep];
  const text = JSON.stringify(toJsonValue(deep));
  equal(text.includes('{"$type":"cut"}'), true);
});
