import { deepEqual, equal } from "node:assert/strict";
import { createLogger } from "@shared/platform/logger.ts";
import { LINES_MAX, LogLines } from "./log_lines.ts";

Deno.test("log lines: what was logged comes out once, with level, message and fields", () => {
  const lines = new LogLines();
  const logger = createLogger("info", (line) => lines.push(line)).with({ jobId: "j" });
  logger.warn("Lost the hub", { reason: "closed" });
  logger.debug("Did not reach the hub");
  const [line, ...others] = lines.take();
  deepEqual({ ...line, atMs: 0 }, {
    atMs: 0,
    level: "warn",
    message: "Lost the hub",
    fields: { jobId: "j", reason: "closed" },
  });
  deepEqual(others, []);
  deepEqual(lines.take(), []);
});

Deno.test("log lines: of too many the oldest are left out, and it says how many", () => {
  const lines = new LogLines();
  const logger = createLogger("info", (line) => lines.push(line));
  for (let i = 0; i < LINES_MAX + 7; i++) logger.info("Turned", { i });
  const taken = lines.take();
  equal(taken.length, LINES_MAX + 1);
  deepEqual(taken[0]!.fields, { lines: 7 });
  deepEqual(taken[1]!.fields, { i: 7 });
});

Deno.test("log lines: fields cannot pass for time, level or message", () => {
  const lines = new LogLines();
  const logger = createLogger("info", (line) => lines.push(line));
  logger.info("Turned", { at: "job.ts:3", level: "loud", message: null, i: 1 });
  const [line] = lines.take();
  deepEqual({ ...line, atMs: Number.isFinite(line?.atMs) }, {
    atMs: true,
    level: "info",
    message: "Turned",
    fields: { i: 1 },
  });
});
