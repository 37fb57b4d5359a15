import { equal } from "node:assert/strict";
import { createHash } from "node:crypto";
import { sha256 } from "./sha256.ts";

Deno.test("sha256: agrees with the platform's at every length around a block, and beyond ASCII", () => {
  const texts = Array.from({ length: 130 }, (_, length) => "x".repeat(length));
  for (const text of [...texts, "ä€😀".repeat(50), "abc\n".repeat(10_000)]) {
    equal(sha256(text), createHash("sha256").update(text).digest("hex"));
  }
});
