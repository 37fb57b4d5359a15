import fc from "fast-check";
import { ok } from "node:assert/strict";
import { initialLease, type LeaseInput, type LeaseState, stepLease } from "../../agent/lease.ts";

const terms = { leaseTtlMs: 6_000, autonomousAfterMs: 45_000 };

type Event = {
  readonly afterMs: number;
  readonly what: "welcomed" | "answered" | "closed" | "tick";
};

const events = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 0, max: 8_000 }),
    what: fc.constantFrom<Event["what"][]>("welcomed", "answered", "closed", "tick", "tick"),
  }),
  { maxLength: 60 },
);

/** Answers are for a heartbeat that was sent a while before. */
function inputOf({ what, afterMs }: Event, nowMs: number): LeaseInput {
  switch (what) {
    case "welcomed":
      return { kind: "welcomed", sentAtMs: nowMs - afterMs / 4, nowMs, terms };
    case "answered":
      return { kind: "answered", sentAtMs: nowMs - afterMs / 4 };
    case "closed":
      return { kind: "closed", nowMs };
    case "tick":
      return { kind: "tick", nowMs, windowSecondsLeft: null };
  }
}

Deno.test("lease: believed only while renewed within its time, and left only by a welcome (F6, P6)", () => {
  fc.assert(fc.property(events, (sequence) => {
    let nowMs = 0;
    let state: LeaseState = initialLease(nowMs);
    let sentLatestMs = -Infinity;
    for (const event of sequence) {
      nowMs += event.afterMs;
      const input = inputOf(event, nowMs);
      const before: string = state.kind;
      const step = stepLease(state, input);
      state = step.state;
      const after: string = state.kind;
      if (input.kind === "welcomed") sentLatestMs = input.sentAtMs;
      if (input.kind === "answered") sentLatestMs = Math.max(sentLatestMs, input.sentAtMs);
      if (before === "holding" && after === "connected") ok(input.kind === "welcomed");
      if (input.kind === "tick" && after === "connected") {
        ok(nowMs - sentLatestMs < terms.leaseTtlMs, "believed a lease that had ended");
      }
      if (input.kind === "closed") ok(after === "holding", "believed a lease without a link");
      const kinds = step.effects.map(({ kind }) => kind);
      ok(kinds.includes("hubLost") === (before === "connected" && after === "holding"));
      ok(kinds.includes("hubBack") === (before === "holding" && after === "connected"));
      ok(!kinds.includes("dropLink") || kinds.includes("hubLost"), "dropped a link twice");
    }
  }));
});
