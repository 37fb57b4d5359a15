import { deepStrictEqual as equal, throws } from "node:assert/strict";
import { decodeAgentMessage } from "./messages.ts";

const status = (reason: string) =>
  JSON.stringify({
    kind: "status",
    jobId: "j",
    regionId: "r.0",
    attempt: 1,
    status: "failed",
    reason,
    isRetryable: true,
  });

Deno.test("messages: what no database can hold arrives as replacement characters", () => {
  for (const odd of ["\0", "\ud800", "\udc00"]) {
    const message = decodeAgentMessage(status(`a${odd}${odd}b`));
    equal(message.kind === "status" && message.reason, "a\ufffd\ufffdb");
  }
});

Deno.test("messages: whole surrogate pairs and written escapes arrive as they are", () => {
  for (const text of ["pump 🚰", "C:\\u0000", "\\ud800"]) {
    const message = decodeAgentMessage(status(text));
    equal(message.kind === "status" && message.reason, text);
  }
  throws(() => decodeAgentMessage('{"kind":"\\u0000"'), { code: "bad-message" });
});

Deno.test("messages: an agent that does not say whether it can go autonomous holds (P6)", () => {
  const hello = { kind: "hello", version: 1, agentVersion: "1", bootId: "b", labels: {} };
  const message = decodeAgentMessage(JSON.stringify({ ...hello, regions: [] }));
  equal(message.kind === "hello" && (message.canGoAutonomous ?? false), false);
});
