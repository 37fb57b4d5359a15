import { deepEqual, equal, match } from "node:assert/strict";
import type { JobDetail } from "@shared/job_api.ts";
import { niceEnd, phaseRows } from "../parts/phase_strip.tsx";
import { gapRecords, idSpans, spanText } from "../parts/rollback_plan.tsx";
import { agentsOf, alsoHit } from "./rollback_agents.tsx";
import { missingFor, presentLabel } from "./rollback_form.tsx";

const FITS = { needsAllowGap: false, operators: [] };

Deno.test("rollback panel: reason, consent to a gap and fitting state are each needed", () => {
  match(missingFor(FITS, "  ", false)!, /reason/);
  equal(missingFor(FITS, "wrong threshold", false), null);
  match(missingFor({ ...FITS, needsAllowGap: true }, "wrong threshold", false)!, /gap/);
  equal(missingFor({ ...FITS, needsAllowGap: true }, "wrong threshold", true), null);
  const operators = [{ uid: "mean", compatibility: "incompatible" as const, reason: "codec" }];
  match(missingFor({ ...FITS, operators }, "wrong threshold", true)!, /mean/);
});

Deno.test("rollback panel: the present is saved under a name that does not grow to and fro", () => {
  const first = presentLabel("before shift");
  equal(first, "before rolling back to before shift");
  const undone = presentLabel(first);
  equal(undone, "before undoing the rollback to before shift");
  equal(presentLabel(undone), first);
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
  equal(gapRecords({ gaps }), 12);
  equal(spanText(gaps), ", over 2 min");
  equal(spanText([gap(5, null, null)]), "");
});

Deno.test("rollback plan: runs of checkpoints are written in short", () => {
  equal(idSpans([8, 3, 4, 5, 11, 10]), "3–5, 8, 10–11");
  equal(idSpans([]), "");
});

Deno.test("rollback agents: a region that spans agents pulls all of them in", () => {
  const region = (regionId: string, ...agentIds: string[]) => ({
    regionId,
    agentId: agentIds[0]!,
    agentName: `gateway-${agentIds[0]}`,
    subtasks: agentIds.map((agentId, index) => ({
      subtaskId: `${regionId}.${index}`,
      agentId,
      agentName: `gateway-${agentId}`,
      operatorUids: [],
      keyGroups: null,
      metrics: null,
    })),
  });
  const job = { regions: [region("r1", "a", "b"), region("r2", "c")] };
  const agents = agentsOf(job as unknown as JobDetail);
  deepEqual(agents.map(({ name, regionIds }) => [name, regionIds]), [
    ["gateway-a", ["r1"]],
    ["gateway-b", ["r1"]],
    ["gateway-c", ["r2"]],
  ]);
  deepEqual(alsoHit(agents, new Set(["a"])).map(({ id }) => id), ["b"]);
  deepEqual(alsoHit(agents, new Set(["c"])), []);
});

Deno.test("checkpoint phases: slowest first, and only one far from the median is an outlier", () => {
  const subtask = (subtaskId: string, asyncMs: number) => ({
    subtaskId,
    agentId: "a",
    agentName: null,
    startDelayMs: 5,
    alignmentMs: 0,
    syncMs: 0,
    asyncMs,
    fullBytes: 0,
    uploadedBytes: 0,
  });
  const rows = (...asyncMs: number[]) =>
    phaseRows([{
      regionId: "r",
      agentId: "a",
      agentName: null,
      attempt: 1,
      status: "completed",
      completedAt: null,
      reason: null,
      subtasks: asyncMs.map((ms, index) => subtask(`s.${index}`, ms)),
      missing: [],
    }]).map((row) => [row.subtaskId, row.isOutlier]);
  deepEqual(rows(20, 700, 30), [["s.1", true], ["s.2", false], ["s.0", false]]);
  // Three times the others, and still nothing: all of it is over before anybody notices.
  deepEqual(rows(2, 20, 3), [["s.1", false], ["s.2", false], ["s.0", false]]);
});

Deno.test("checkpoint phases: the axis ends at a round figure", () => {
  deepEqual([0, 3, 41, 180, 260, 700].map(niceEnd), [4, 5, 50, 200, 500, 1_000]);
});
