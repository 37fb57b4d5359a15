import { deepEqual } from "node:assert/strict";
import fc from "fast-check";
import { LineReader } from "./line_reader.ts";

/** Hands `bytes` out in parts of the given sizes, over and over. */
function inParts(bytes: Uint8Array, sizes: readonly number[]) {
  let at = 0;
  let turn = 0;
  return (into: Uint8Array) => {
    const size = Math.min(sizes[turn++ % sizes.length]!, into.length, bytes.length - at);
    into.set(bytes.subarray(at, at + size));
    at += size;
    return size;
  };
}

function linesOf(text: string, sizes: readonly number[], lineBytesMax = 1_000) {
  const reader = new LineReader(inParts(new TextEncoder().encode(text), sizes), lineBytesMax);
  const lines: (readonly [number: number, line: string | null])[] = [];
  while (reader.next()) lines.push([reader.number, reader.isTooLong ? null : reader.line]);
  return lines;
}

Deno.test("line reader: numbers lines, takes CRLF for an end, passes over empty lines and the byte order mark", () => {
  deepEqual(linesOf("\ufeffa\r\n\nb\n\r\nc", [100]), [[1, "a"], [3, "b"], [5, "c"]]);
});

Deno.test("line reader: gives the same lines however the bytes arrive", () => {
  fc.assert(fc.property(
    fc.array(fc.string({ unit: fc.constantFrom("a", "ä", "€", "😀", "{", "\r") }), {
      maxLength: 20,
    }),
    fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 }),
    (lines, sizes) => {
      const text = lines.join("\n");
      deepEqual(linesOf(text, sizes), linesOf(text, [1_000_000]));
    },
  ));
});

Deno.test("line reader: tells a line that is too long and goes on behind it", () => {
  const text = `ok\n${"x".repeat(30)}\nfine\n${"y".repeat(30)}`;
  for (const sizes of [[1], [7], [1_000]]) {
    deepEqual(linesOf(text, sizes, 20), [[1, "ok"], [2, null], [3, "fine"], [4, null]]);
  }
});

Deno.test("line reader: keeps a line longer than its chunk", () => {
  const long = "z".repeat(3_000_000);
  deepEqual(linesOf(`a\n${long}\nb`, [1_000_000], 4_000_000), [[1, "a"], [2, long], [3, "b"]]);
});

Deno.test("line reader: does not hold a line longer than its chunk and its limit", () => {
  deepEqual(linesOf(`a\n${"z".repeat(3_000_000)}\nb`, [1_000_000], 1_500_000), [
    [1, "a"],
    [2, null],
    [3, "b"],
  ]);
});
