import { deepEqual, equal } from "node:assert/strict";
import { agentMark, alarmStateText, equipmentMark, statusMark } from "./health.ts";

const NOW_MS = Date.parse("2026-03-01T12:00:00Z");
const at = (agoMs: number) => new Date(NOW_MS - agoMs).toISOString();

Deno.test("health: equipment without fresh signal is never normal", () => {
  const mark = (lastAt: string | null, activeAlarms = 0) =>
    equipmentMark({ lastAt, activeAlarms }, NOW_MS);
  deepEqual(mark(at(1_000)), { tone: "calm", text: "normal" });
  deepEqual(mark(at(16_000)), { tone: "unknown", text: "stale" });
  deepEqual(mark(null), { tone: "unknown", text: "unknown" });
  deepEqual(mark(at(1_000), 1), { tone: "bad", text: "alarm" });
  deepEqual(mark(at(90_000), 1), { tone: "bad", text: "alarm, no fresh signal" });
});

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
