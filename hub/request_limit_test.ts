import { equal } from "node:assert/strict";
import { createRequestLimit } from "./request_limit.ts";

Deno.test("request limit: a burst goes through, then as many as come back with time", () => {
  const limit = createRequestLimit({ burst: 3, perSecond: 2 });
  for (const remaining of [2, 1, 0]) {
    const verdict = limit.take("a", 0);
    equal(verdict.isAllowed, true);
    equal(verdict.remaining, remaining);
  }
  const refused = limit.take("a", 0);
  equal(refused.isAllowed, false);
  equal(refused.retryAfterSeconds, 1);
  equal(refused.resetSeconds, 2);
  equal(limit.take("a", 500).isAllowed, true);
  equal(limit.take("a", 500).isAllowed, false);
  equal(limit.take("a", 60_000).remaining, 2, "never more than a full bucket");
});

Deno.test("request limit: callers do not take from each other", () => {
  const limit = createRequestLimit({ burst: 1, perSecond: 1 });
  equal(limit.take("a", 0).isAllowed, true);
  equal(limit.take("a", 0).isAllowed, false);
  equal(limit.take("b", 0).isAllowed, true);
});

Deno.test("request limit: forgets who asked least recently, not who asks too much", () => {
  const limit = createRequestLimit({ burst: 1, perSecond: 0.001 });
  limit.take("busy", 0);
  for (let i = 0; i < 20_000; i++) {
    limit.take(`other ${i}`, 0);
    if (i % 5_000 === 0) equal(limit.take("busy", 0).isAllowed, false);
  }
});
