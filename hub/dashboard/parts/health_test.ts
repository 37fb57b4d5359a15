import { equal } from "node:assert/strict";
import { agentMark, oddestText, statusMark } from "./health.ts";

Deno.test("health: running and online stay calm, trouble does not", () => {
  equal(agentMark("online").tone, "calm");
  equal(agentMark("offline").tone, "bad");
  equal(statusMark("completed").tone, "calm");
  equal(statusMark("aborted").tone, "bad");
  equal(statusMark("some-later-word").tone, "active");
});

Deno.test("health: equipment whose signals are all as usual is not called unwatched", () => {
  const worst = { jobId: "j", operatorUid: "vibration", score: 9 };
  equal(oddestText({ signals: 2, worst }), "vibration");
  equal(oddestText({ signals: 2, worst: null }), "none is off");
  equal(oddestText({ signals: 0, worst: null }), "no signal");
});
