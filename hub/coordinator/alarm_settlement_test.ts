import { deepEqual, equal } from "node:assert/strict";
import { type AlarmRules, PLAIN_RULES } from "./alarm_rules.ts";
import { type AlarmPoint, alarmPoint } from "../../tests/support/alarm_point.ts";

const DELAYED: AlarmRules = { ...PLAIN_RULES, onDelayMs: 10_000, offDelayMs: 5_000 };

function kinds(point: AlarmPoint): string[] {
  return point.told.map(({ kind, alarmId }) => `${kind} ${alarmId}`);
}

Deno.test("alarm settlement: raised at once, over at once, without delays", () => {
  const point = alarmPoint(PLAIN_RULES);
  point.raise("a", 100);
  point.clear("a", 200);
  deepEqual(kinds(point), ["raised a", "cleared a"]);
  deepEqual(point.alarm("a"), { isActive: false, isAcknowledged: false, occurrences: 1 });
});

Deno.test("alarm settlement: an excursion shorter than the on-delay never rings", () => {
  const point = alarmPoint(DELAYED);
  point.raise("a", 100);
  point.tick(9_000);
  point.clear("a", 9_500);
  point.tick(60_000);
  deepEqual(kinds(point), []);
});

Deno.test("alarm settlement: the clock raises what held for the on-delay, no sooner", () => {
  const point = alarmPoint(DELAYED);
  point.raise("a", 100);
  point.tick(10_099);
  deepEqual(kinds(point), []);
  point.tick(10_100);
  deepEqual(kinds(point), ["raised a"]);
});

Deno.test("alarm settlement: a short excursion that is delivered late does not ring either", () => {
  const point = alarmPoint(DELAYED);
  point.raise("a", 100, 500_000);
  point.clear("a", 5_000, 500_400);
  point.tick(600_000);
  deepEqual(kinds(point), []);
  point.raise("b", 20_000, 700_000);
  point.clear("b", 40_000, 700_400);
  deepEqual(kinds(point), ["raised b", "cleared b"]);
});

Deno.test("alarm settlement: within the off-delay the same alarm goes on", () => {
  const point = alarmPoint(DELAYED);
  point.raise("a", 0);
  point.tick(10_000);
  point.acknowledge("a", 11_000);
  point.clear("a", 20_000);
  point.raise("b", 24_000);
  point.tick(60_000);
  equal(point.alarm("a").isActive, true);
  point.clear("b", 70_000);
  point.tick(74_999);
  equal(point.alarm("a").isActive, true);
  point.tick(75_000);
  deepEqual(kinds(point), ["raised a", "cleared a"]);
});

Deno.test("alarm settlement: coming again unseen counts up; once seen it is a new alarm", () => {
  const point = alarmPoint(PLAIN_RULES);
  point.raise("a", 0);
  point.clear("a", 10);
  point.raise("b", 20);
  deepEqual(point.alarm("a"), { isActive: true, isAcknowledged: false, occurrences: 2 });
  equal(point.told.filter(({ isNews, kind }) => isNews && kind === "raised").length, 1);
  point.clear("b", 30);
  point.acknowledge("a", 40);
  point.raise("c", 50);
  deepEqual(point.alarm("c"), { isActive: true, isAcknowledged: false, occurrences: 1 });
  equal(point.alarm("a").isActive, false);
});

Deno.test("alarm settlement: acknowledged and still active, it rings again after the re-alarm time", () => {
  const point = alarmPoint({ ...PLAIN_RULES, reAlarmMs: 1_000 });
  point.raise("a", 0);
  point.acknowledge("a", 100);
  point.tick(1_099);
  equal(point.alarm("a").isAcknowledged, true);
  point.tick(1_100);
  deepEqual(point.alarm("a"), { isActive: true, isAcknowledged: false, occurrences: 2 });
  deepEqual(kinds(point), ["raised a", "re-alarmed a"]);
  point.acknowledge("a", 1_200);
  point.clear("a", 1_300);
  point.tick(9_000);
  equal(point.alarm("a").isAcknowledged, true);
});

Deno.test("alarm settlement: a raise nobody ended is over when its operator raises the next", () => {
  const point = alarmPoint(PLAIN_RULES);
  point.raise("a", 0);
  point.acknowledge("a", 5);
  point.raise("b", 100);
  deepEqual([point.alarm("a").isActive, point.alarm("b").isActive], [false, true]);
});

Deno.test("alarm settlement: a fast clock at the edge delays no ring", () => {
  const point = alarmPoint(PLAIN_RULES);
  point.raise("a", 3_600_000, 100);
  deepEqual(kinds(point), ["raised a"]);
});
