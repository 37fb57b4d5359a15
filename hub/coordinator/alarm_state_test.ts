import { deepEqual, equal } from "node:assert/strict";
import { chatteringSince, labelOf, OPEN_POINT } from "./alarm_state.ts";

const NOW_MS = 1_000_000;

Deno.test("alarm state: condition and acknowledgement make four labels", () => {
  const label = (isActive: boolean, isAcknowledged: boolean) =>
    labelOf({ isActive, isAcknowledged }, OPEN_POINT, NOW_MS);
  deepEqual([label(true, false), label(true, true), label(false, false), label(false, true)], [
    "unacknowledged",
    "acknowledged",
    "returned-unacknowledged",
    "normal",
  ]);
});

Deno.test("alarm state: out of service beats suppressed, suppressed beats shelved", () => {
  const shelved = { ...OPEN_POINT, shelvedUntilMs: NOW_MS + 1 };
  const active = { isActive: true, isAcknowledged: false };
  equal(labelOf(active, shelved, NOW_MS), "shelved");
  equal(labelOf(active, shelved, NOW_MS + 1), "unacknowledged");
  const suppressed = { ...shelved, suppressedBy: "power" };
  equal(labelOf(active, suppressed, NOW_MS), "suppressed");
  equal(labelOf(active, { ...suppressed, isOutOfService: true }, NOW_MS), "out-of-service");
});

Deno.test("alarm state: three onsets in a minute chatter, until ten minutes without one", () => {
  const onsets = [0, 30_000, 60_000];
  equal(chatteringSince(onsets.slice(0, 2), null, 30_000), null);
  equal(chatteringSince(onsets, null, 60_000), 60_000);
  equal(chatteringSince([0, 30_000, 60_001], null, 60_001), null);
  equal(chatteringSince([...onsets, 300_000], 60_000, 660_001), 60_000);
  equal(chatteringSince([...onsets, 300_000], 60_000, 900_000), null);
});
