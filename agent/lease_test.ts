import { deepStrictEqual as equal } from "node:assert/strict";
import {
  initialLease,
  type LeaseInput,
  type LeaseState,
  stepLease,
  WINDOW_REPORT_INTERVAL_MS,
} from "./lease.ts";

const terms = { leaseTtlMs: 6_000, autonomousAfterMs: 45_000 };
const connected: LeaseState = { kind: "connected", renewedAtMs: 1_000, terms };
const holding: LeaseState = {
  kind: "holding",
  renewedAtMs: 1_000,
  sinceMs: 7_000,
  reportedAtMs: 7_000,
};

const cells: {
  title: string;
  state: LeaseState;
  input: LeaseInput;
  kind: string;
  effects: unknown[];
}[] = [
  {
    title: "a new agent holds until it is welcomed",
    state: initialLease(5),
    input: { kind: "welcomed", sentAtMs: 10, nowMs: 20, terms },
    kind: "connected",
    effects: [{ kind: "hubBack", awayMs: 15 }],
  },
  {
    title: "a second welcome renews",
    state: connected,
    input: { kind: "welcomed", sentAtMs: 2_000, nowMs: 2_001, terms },
    kind: "connected",
    effects: [],
  },
  {
    title: "a closed link holds at once",
    state: connected,
    input: { kind: "closed", nowMs: 1_500 },
    kind: "holding",
    effects: [{ kind: "hubLost" }],
  },
  {
    title: "a silent link is good until the lease ends",
    state: connected,
    input: { kind: "tick", nowMs: 6_999, windowSecondsLeft: null },
    kind: "connected",
    effects: [],
  },
  {
    title: "a link that is silent for the lease is given up",
    state: connected,
    input: { kind: "tick", nowMs: 7_000, windowSecondsLeft: null },
    kind: "holding",
    effects: [{ kind: "hubLost" }, { kind: "dropLink" }],
  },
  {
    title: "a late answer does not end holding",
    state: holding,
    input: { kind: "answered", sentAtMs: 6_000 },
    kind: "holding",
    effects: [],
  },
  {
    title: "closing twice is one loss",
    state: holding,
    input: { kind: "closed", nowMs: 8_000 },
    kind: "holding",
    effects: [],
  },
  {
    title: "holding says how long the window lasts, at intervals",
    state: holding,
    input: { kind: "tick", nowMs: 7_000 + WINDOW_REPORT_INTERVAL_MS, windowSecondsLeft: 65 },
    kind: "holding",
    effects: [{ kind: "reportWindow", awayMs: WINDOW_REPORT_INTERVAL_MS, windowSecondsLeft: 65 }],
  },
  {
    title: "between the intervals it says nothing",
    state: holding,
    input: { kind: "tick", nowMs: 7_000 + WINDOW_REPORT_INTERVAL_MS - 1, windowSecondsLeft: 65 },
    kind: "holding",
    effects: [],
  },
];

for (const { title, state, input, kind, effects } of cells) {
  Deno.test(`lease: ${title} (F6)`, () => {
    const step = stepLease(state, input);
    equal([step.state.kind, step.effects], [kind, effects]);
  });
}

Deno.test("lease: runs from when the answered heartbeat was sent, and never goes back (P6)", () => {
  const later = stepLease(connected, { kind: "answered", sentAtMs: 4_000 }).state;
  const back = stepLease(later, { kind: "answered", sentAtMs: 3_000 }).state;
  equal(back.renewedAtMs, 4_000);
  equal(
    stepLease(back, { kind: "tick", nowMs: 9_999, windowSecondsLeft: null }).state.kind,
    "connected",
  );
  equal(
    stepLease(back, { kind: "tick", nowMs: 10_000, windowSecondsLeft: null }).state.kind,
    "holding",
  );
});
