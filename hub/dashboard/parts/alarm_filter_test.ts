import { deepEqual, equal } from "node:assert/strict";
import type { AlarmView } from "@shared/plant_api.ts";
import {
  alarmFilterOf,
  alarmPath,
  byUrgency,
  foldedRows,
  isNarrowed,
  sourceOf,
} from "./alarm_filter.ts";
import { calmRows } from "./calm_rows.ts";

const alarm = (id: string, change: Partial<AlarmView> = {}): AlarmView => ({
  id,
  jobId: "job",
  operatorUid: "watch",
  sinkUid: "alarms",
  equipment: "pump",
  kind: "condition",
  priority: "high",
  text: "Vibration",
  cause: "",
  consequence: "",
  response: "",
  state: "unacknowledged",
  isActive: true,
  isAcknowledged: false,
  acknowledgedBy: null,
  acknowledgedAt: null,
  comment: null,
  raisedAt: "2026-03-01T10:00:00.000Z",
  clearedAt: null,
  shelvedUntil: null,
  shelvedBy: null,
  shelveReason: null,
  suppressedBy: null,
  outOfServiceBy: null,
  outOfServiceReason: null,
  isChattering: false,
  occurrences: 1,
  value: null,
  score: null,
  threshold: null,
  low: null,
  high: null,
  ...change,
});

Deno.test("alarm filter: without a choice, what needs attention is asked for and nothing else", () => {
  const filter = alarmFilterOf({});
  equal(alarmPath("/alarms", filter), "/alarms?state=attention");
  equal(isNarrowed(filter), false);
});

Deno.test("alarm filter: choices of the address reach the hub, unknown ones do not", () => {
  const filter = alarmFilterOf({
    state: "nothing",
    priority: "low,urgent,critical",
    job: "j1",
    search: "a&b",
    alarm: "opened",
  });
  const url = new URL(alarmPath("/alarms", filter), "http://hub.test");
  deepEqual(Object.fromEntries(url.searchParams), {
    state: "attention",
    priority: "critical,low",
    jobId: "j1",
    search: "a&b",
  });
  equal(isNarrowed(filter), true);
});

Deno.test("alarm filter: urgent before new", () => {
  const old = alarm("old", { priority: "critical", raisedAt: "2026-01-01T00:00:00.000Z" });
  const late = alarm("late", { raisedAt: "2026-03-01T10:00:01.000Z" });
  deepEqual([alarm("mid"), late, old].sort(byUrgency).map(({ id }) => id), ["old", "late", "mid"]);
});

Deno.test("alarm rows: a chattering source takes one row until it is opened", () => {
  const chatter = { isChattering: true, equipment: "mixer" };
  const alarms = [alarm("1", chatter), alarm("2"), alarm("3", chatter), alarm("4", chatter)];
  const folded = foldedRows(alarms, new Set());
  deepEqual(folded.map((row) => [row.alarm.id, row.folded]), [["1", 2], ["2", 0]]);
  const open = foldedRows(alarms, new Set([sourceOf(alarms[0]!)]));
  deepEqual(open.map((row) => [row.alarm.id, row.isUnfolded]), [
    ["1", true],
    ["2", false],
    ["3", true],
    ["4", true],
  ]);
});

Deno.test("calm rows: while held nothing moves, and what came is counted", () => {
  const row = (id: string, text = "old") => ({ id, text });
  const held = [row("a"), row("b"), row("c")];
  const now = [row("new"), row("a"), row("c", "changed"), row("d")];
  const shown = calmRows(held, now, ({ id }) => id);
  deepEqual(shown.rows.map(({ id, text }) => `${id} ${text}`), [
    "a old",
    "b old",
    "c changed",
    "d old",
  ]);
  deepEqual([...shown.gone], ["b"]);
  equal(shown.waiting, 1);
  deepEqual(calmRows(null, now, ({ id }) => id).rows, now);
});
