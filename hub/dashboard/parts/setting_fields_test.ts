import { deepEqual, equal } from "node:assert/strict";
import { minutesRefusal } from "./shelve_duration.ts";
import { msOf, spanTextOf } from "./setting_fields.ts";

Deno.test("setting fields: a span survives the way through the field", () => {
  for (const ms of [1_000, 1_500, 90_000, 3_600_000, 86_400_000 * 30]) {
    equal(msOf(spanTextOf(ms)), ms);
  }
  deepEqual(spanTextOf(86_400_000), { count: "1", unit: "d" });
  deepEqual(spanTextOf(90_000), { count: "90", unit: "s" });
});

Deno.test("setting fields: what is no span is refused", () => {
  for (const count of ["", "abc", "-1", "0"]) equal(msOf({ count, unit: "h" }), null, count);
});

Deno.test("shelving: never longer than the hub allows", () => {
  equal(minutesRefusal(60, 3_600_000), null);
  equal(minutesRefusal(61, 3_600_000), "The longest time is 1 h.");
  equal(minutesRefusal(1.5, null) === null, false);
});
