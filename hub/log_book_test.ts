import { deepEqual, equal, ok } from "node:assert/strict";
import { createLogger } from "@shared/platform/logger.ts";
import { AGENT_LINES_MAX, HUB_LINES_MAX, LogBook } from "./log_book.ts";

const AT_MS = Date.parse("2026-01-05T00:00:00Z");

Deno.test("log book: what the hub's logger and agents write is found by source, level and job", () => {
  const book = new LogBook();
  const logger = createLogger("debug", (line) => book.addOwn(line));
  logger.info("Hub started", { url: "http://hub" });
  logger.with({ jobId: "j1" }).warn("Checkpoint was declined", { reason: "upload-failed" });
  book.addAgents("gateway-1", [
    { atMs: AT_MS, level: "error", message: "Runner ended", fields: { jobId: "j1" } },
  ]);
  const messages = (filter: Parameters<LogBook["select"]>[0], limit = 10) =>
    book.select(filter, limit).map(({ message }) => message);
  deepEqual(messages({}), ["Hub started", "Checkpoint was declined", "Runner ended"]);
  deepEqual(messages({}, 1), ["Runner ended"]);
  deepEqual(messages({ source: "hub" }), ["Hub started", "Checkpoint was declined"]);
  deepEqual(messages({ level: "error" }), ["Runner ended"]);
  deepEqual(messages({ jobId: "j1", source: "hub" }), ["Checkpoint was declined"]);
  deepEqual(book.select({ source: "gateway-1" }, 1), [{
    at: "2026-01-05T00:00:00.000Z",
    source: "gateway-1",
    level: "error",
    message: "Runner ended",
    fields: { jobId: "j1" },
  }]);
});

Deno.test("log book: memory is bounded for the hub, for each agent, and in agents", () => {
  const book = new LogBook();
  const logger = createLogger("info", (line) => book.addOwn(line));
  for (let i = 0; i < HUB_LINES_MAX + 10; i++) logger.info(`Line ${i}`);
  equal(book.select({ source: "hub" }, 1e6).length, HUB_LINES_MAX);
  equal(book.select({ source: "hub" }, 1e6)[0]!.message, "Line 10");
  const line = { atMs: AT_MS, level: "info", message: "Said", fields: {} } as const;
  for (let agent = 0; agent < 150; agent++) book.addAgents(`a-${agent}`, [line]);
  equal(book.select({ source: "a-0" }, 10).length, 0);
  equal(book.select({ source: "a-149" }, 10).length, 1);
  equal(book.select({ source: "hub" }, 1e6).length, HUB_LINES_MAX);
  book.addAgents("a-149", Array.from({ length: AGENT_LINES_MAX + 5 }, () => line));
  equal(book.select({ source: "a-149" }, 1e6).length, AGENT_LINES_MAX);
});

Deno.test("log book: secrets are in no line, whatever field or text they come in", () => {
  const book = new LogBook();
  const told: string[] = [];
  book.subscribe((line) => told.push(JSON.stringify(line)));
  const logger = createLogger("info", (line) => book.addOwn(line));
  const secrets = [
    "pst_Zm9vYmFyYmF6cXV4",
    "pag_Zm9vYmFyYmF6cXV4",
    "pj_0123456789abcdef_Zm9vYmFy",
    "hunter2!",
    "c2lnbmF0dXJl",
    "eyJhbGciOi.abc",
  ];
  logger.error(`Token ${secrets[0]} was refused`, {
    password: secrets[3],
    error: new Error(`at mqtt://plant:${secrets[3]}@broker:1883 failed`),
  });
  book.addAgents("gateway-1", [{
    atMs: AT_MS,
    level: "warn",
    message: `Could not put https://store/x?a=1&X-Amz-Signature=${secrets[4]}`,
    fields: {
      joinToken: secrets[2],
      nested: [{
        text: `Bearer ${secrets[5]}`,
        credential: secrets[1],
        own: `is ${secrets[1]} and ${secrets[2]}`,
      }],
      headers: { Authorization: secrets[5], "x-request-id": "kept" },
    },
  }]);
  const all = JSON.stringify(book.select({}, 10)) + told.join("");
  for (const secret of secrets) ok(!all.includes(secret), `${secret} is in ${all}`);
  ok(all.includes("kept") && all.includes("broker:1883"));
});

Deno.test("log book: a listener that logs does not call itself again", () => {
  const book = new LogBook();
  const logger = createLogger("info", (line) => book.addOwn(line));
  let calls = 0;
  book.subscribe(() => {
    calls++;
    logger.info("Listener wrote");
  });
  logger.info("First");
  equal(calls, 1);
  equal(book.select({}, 10).length, 2);
});
