import { equal, match } from "node:assert/strict";
import { idSpans, spanText } from "../parts/rollback_plan.tsx";
import { quantile } from "./job_checkpoints.tsx";
import { missingFor, recordsLost } from "./rollback_panel.tsx";

const FITS = { needsAllowGap: false, operators: [] };

Deno.test("rollback panel: reason, consent to a gap and fitting state are each needed", () => {
  match(missingFor(FITS, "  ", false)!, /reason/);
  equal(missingFor(FITS, "wrong threshold", false), null);
  match(missingFor({ ...FITS, needsAllowGap: true }, "wrong threshold", false)!, /gap/);
  equal(missingFor({ ...FITS, needsAllowGap: true }, "wrong threshold", true), null);
  const operators = [{ uid: "mean", compatibility: "incompatible" as const, reason: "codec" }];
  match(missingFor({ ...FITS, operators }, "wrong threshold", true)!, /mean/);
});

Deno.test("rollback plan: loss is summed over splits, its span is from first to last", () => {
  const gap = (records: number, fromAt: string | null, toAt: string | null) => ({
    regionId: "r",
    sourceUid: "s",
    splitIndex: 0,
    fromPosition: 0,
    toPosition: records,
    records,
    fromAt,
    toAt,
  });
  const gaps = [
    gap(5, "2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z"),
    gap(7, "2026-03-01T12:00:30Z", "2026-03-01T12:02:00Z"),
  ];
  equal(recordsLost({ gaps }), 12);
  equal(spanText(gaps), ", over 2 min");
  equal(spanText([gap(5, null, null)]), "");
});

Deno.test("rollback plan: runs of checkpoints are written in short", () => {
  equal(idSpans([8, 3, 4, 5, 11, 10]), "3–5, 8, 10–11");
  equal(idSpans([]), "");
});

Deno.test("checkpoints: a quantile of nothing is unknown", () => {
  equal(quantile([], 0.5), null);
  equal(quantile([1, 2, 3, 4], 0.5), 3);
  equal(quantile([1, 2, 3, 4], 1), 4);
});
