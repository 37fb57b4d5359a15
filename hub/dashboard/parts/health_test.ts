import { equal } from "node:assert/strict";
import { agentMark, statusMark } from "./health.ts";

Deno.test("health: running and online stay calm, trouble does not", () => {
  equal(agentMark("online").tone, "calm");
  equal(agentMark("offline").tone, "bad");
  equal(statusMark("completed").tone, "calm");
  equal(statusMark("aborted").tone, "bad");
  equal(statusMark("some-later-word").tone, "active");
});
