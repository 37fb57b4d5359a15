import { deepEqual, equal } from "node:assert/strict";
import { agentMark, alarmStateText, statusMark } from "./health.ts";

Deno.test("health: running and online stay calm, trouble does not", () => {
  equal(agentMark("online").tone, "calm");
  equal(agentMark("offline").tone, "bad");
  equal(statusMark("completed").tone, "calm");
  equal(statusMark("aborted").tone, "bad");
  equal(statusMark("some-later-word").tone, "active");
});

Deno.test("health: acknowledging and clearing are two different facts", () => {
  const text = (isActive: boolean, isAcknowledged: boolean) =>
    alarmStateText({ isActive, isAcknowledged });
  deepEqual(
    [text(true, false), text(true, true), text(false, false), text(false, true)],
    ["active, unacknowledged", "active, acknowledged", "cleared, unacknowledged", "cleared"],
  );
});
