import { deepEqual, equal } from "node:assert/strict";
import { closingLine, countsOf, missingServices } from "./report.ts";

Deno.test("test report: reads the closing line with colours, steps and ignored tests", () => {
  const coloured =
    "x ... ok\n\n\x1b[32mok\x1b[0m | 20 passed (5 steps) | 0 failed | 3 ignored (7s)\n";
  deepEqual(countsOf(coloured, 0), { passed: 20, failed: 0, skipped: 3 });
  deepEqual(countsOf("FAILED | 9 passed | 4 failed (2 steps) (7s)", 1), {
    passed: 9,
    failed: 4,
    skipped: 0,
  });
});

Deno.test("test report: a run that broke off, or failed for another reason, is a failure", () => {
  deepEqual(countsOf("error: Type checking failed.", 1), { passed: 0, failed: 1, skipped: 0 });
  deepEqual(countsOf("", 0), { passed: 0, failed: 1, skipped: 0 });
  deepEqual(countsOf("ok | 3 passed | 0 failed (1s)", 1), { passed: 3, failed: 1, skipped: 0 });
});

Deno.test("test report: the last line names passed and failed, and skipped when there are any", () => {
  equal(closingLine({ passed: 12, failed: 0, skipped: 0 }), "12 passed, 0 failed");
  equal(closingLine({ passed: 12, failed: 1, skipped: 2 }), "12 passed, 1 failed, 2 skipped");
});

Deno.test("test report: names each missing service once", () => {
  const output = "MISSING: s3: none\nok\nMISSING: s3: none\nMISSING: mqtt: none\n";
  deepEqual(missingServices(output, "MISSING:"), ["MISSING: s3: none", "MISSING: mqtt: none"]);
});
