import { deepEqual, equal } from "node:assert/strict";
import { createLogger } from "./logger.ts";
import { PenstockError } from "@shared/errors.ts";

Deno.test("logger: one JSON object a line, from the level on, with the fields of its parents", () => {
  const lines: string[] = [];
  const logger = createLogger("info", (line) => lines.push(line)).with({ jobId: "j" });
  logger.debug("Was not written");
  logger.error("Upload failed", {
    bytes: 3n,
    error: new PenstockError("no disk", { code: "disk-full", domain: "external" }),
  });
  equal(lines.length, 1);
  const { at, ...line } = JSON.parse(lines[0]!);
  equal(Number.isNaN(Date.parse(at)), false);
  deepEqual(line, {
    level: "error",
    message: "Upload failed",
    jobId: "j",
    bytes: "3",
    error: { name: "PenstockError", message: "no disk", code: "disk-full" },
  });
});
