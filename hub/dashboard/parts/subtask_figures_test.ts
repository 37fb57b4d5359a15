import { deepEqual, equal, ok } from "node:assert/strict";
import type { RegionMetrics, RegionView } from "@shared/job_api.ts";
import type { GraphEdge } from "@shared/job_graph.ts";
import { type LiveSubtask, subtaskKey } from "../state/live_state.ts";
import { strokeWidth } from "./graph_layout.ts";
import { sparkPath } from "./sparkline.tsx";
import { edgeFlow, operatorFigures, rankSubtasks, subtaskFigures } from "./subtask_figures.ts";

const NOW_MS = Date.parse("2026-03-01T12:00:00Z");

const METRICS: RegionMetrics = {
  receivedAt: "2026-03-01T11:59:58Z",
  recordsIn: 1_000,
  recordsOut: 1_000,
  recordsInPerSecond: 100,
  duplicatesDropped: 0,
  deadLetters: 0,
  stateEntries: 10,
  windowUsed: 0,
  windowSize: 0,
  windowSecondsLeft: null,
  busyRatio: 0.2,
  backpressuredRatio: 0,
  idleRatio: 0.8,
  watermarkMs: NOW_MS - 3_000,
  eventTimeLagMs: 3_000,
  sourceLagMs: null,
  lateRecords: 0,
  shedRecords: 0,
  futureRecords: 0,
  inputQueued: 0,
  position: 1_000,
  isConnected: true,
  operators: [],
};

const rate = (uid: string, perSecond: number) => ({
  uid,
  recordsIn: 1_000,
  recordsOut: 1_000,
  recordsInPerSecond: perSecond,
  recordsOutPerSecond: perSecond,
});

function region(subtasks: Readonly<Record<string, Partial<RegionMetrics> | null>>): RegionView {
  return {
    regionId: "r",
    status: "running",
    attempt: 2,
    agentId: "a",
    agentName: "gateway-1",
    lastCompletedId: null,
    restoredFromId: null,
    consecutiveFailures: 0,
    isPossiblyAutonomous: false,
    metrics: null,
    subtasks: Object.entries(subtasks).map(([subtaskId, metrics]) => {
      const uid = subtaskId.split(".")[0]!;
      return {
        subtaskId,
        agentId: "a",
        agentName: "gateway-1",
        operatorUids: [uid],
        keyGroups: null,
        metrics: metrics === null ? null : { ...METRICS, operators: [rate(uid, 100)], ...metrics },
      };
    }),
  };
}

const EDGES: readonly GraphEdge[] = [
  { from: "read", to: "count", kind: "keyBy" },
  { from: "count", to: "out", kind: "forward" },
];

function figures(of: RegionView, live: ReadonlyMap<string, LiveSubtask> = new Map()) {
  return subtaskFigures({ id: "j", regions: [of] }, { nowMs: NOW_MS, monotonicMs: 60_000, live });
}

Deno.test("worst subtasks: the one that others wait for comes before those that wait", () => {
  const ranked = rankSubtasks(
    { edges: EDGES },
    figures(region({
      "read.0": { backpressuredRatio: 0.95 },
      "read.1": { backpressuredRatio: 0.9 },
      "count.0": { busyRatio: 0.85, inputQueued: 400 },
      "count.1": { busyRatio: 0.1 },
    })),
    "worst",
  );
  deepEqual(ranked.map((one) => one.subtaskId), ["count.0", "read.0", "read.1", "count.1"]);
  equal(ranked[0]!.reasons[0], "busy 85 %: 2 wait");
  equal(ranked[1]!.reasons[0], "backpressured 95 %: waits for count.0");
  deepEqual(ranked[3]!.reasons, []);
});

Deno.test("worst subtasks: one without news is not calm, one without its broker is worst", () => {
  const ranked = rankSubtasks(
    { edges: EDGES },
    figures(region({
      "count.0": { busyRatio: 1 },
      "count.1": null,
      "count.2": { receivedAt: "2026-03-01T11:59:00Z" },
      "read.0": { isConnected: false },
    })),
    "worst",
  );
  deepEqual(ranked.map((one) => one.subtaskId), ["read.0", "count.1", "count.2", "count.0"]);
  deepEqual(ranked.map((one) => one.reasons[0]), [
    "its broker is away",
    "no report yet",
    "silent for 1 min",
    "busy 100 %",
  ]);
});

Deno.test("worst subtasks: sorted by one figure, unknown ones last", () => {
  const all = figures(region({
    "count.0": { eventTimeLagMs: 100, busyRatio: 0.9 },
    "count.1": { eventTimeLagMs: 90_000 },
    "count.2": null,
  }));
  const order = (sort: "lag" | "busy") =>
    rankSubtasks({ edges: EDGES }, all, sort).map((one) => one.subtaskId);
  deepEqual(order("lag"), ["count.1", "count.0", "count.2"]);
  deepEqual(order("busy"), ["count.0", "count.1", "count.2"]);
});

Deno.test("figures: a report of an earlier attempt does not stand for the present one", () => {
  const of = region({ "count.0": { busyRatio: 0.3 } });
  const { receivedAt: _at, recordsInPerSecond: _rate, ...counts } = METRICS;
  const live = (attempt: number): ReadonlyMap<string, LiveSubtask> =>
    new Map([[subtaskKey("j", "r", "count.0"), {
      report: { ...counts, regionId: "r", subtaskId: "count.0", attempt, busyRatio: 0.7 },
      receivedMs: 59_000,
      inPerSecond: null,
      operators: [],
    }]]);
  equal(figures(of, live(1))[0]!.metrics?.busyRatio, 0.3);
  const now = figures(of, live(2))[0]!;
  equal(now.metrics?.busyRatio, 0.7);
  equal(now.ageMs, 1_000);
  equal(now.metrics?.recordsInPerSecond, 100);
});

Deno.test("figures: an operator takes in what its subtasks do and is as busy as the busiest", () => {
  const operators = operatorFigures(
    { operators: [node("count"), node("out")] },
    figures(region({
      "count.0": { busyRatio: 0.9, eventTimeLagMs: 5_000, watermarkMs: 10 },
      "count.1": { busyRatio: 0.1, watermarkMs: 20 },
      "count.2": { busyRatio: 1, receivedAt: "2026-03-01T11:00:00Z" },
    })),
  );
  const count = operators.get("count")!;
  deepEqual(
    [count.subtasks, count.inPerSecond, count.busyRatio, count.lagMs, count.watermarkMs],
    [3, 200, 0.9, 5_000, 10],
  );
  deepEqual([operators.get("out")!.subtasks, operators.get("out")!.inPerSecond], [0, null]);
});

Deno.test("figures: an edge carries what its end takes in, or what its start gives where ends meet", () => {
  const operators = operatorFigures(
    { operators: [node("a"), node("b"), node("c")] },
    figures(region({
      "a.0": { operators: [rate("a", 10)] },
      "b.0": { operators: [rate("b", 30)] },
      "c.0": { operators: [rate("c", 40)] },
    })),
  );
  const edge = (from: string, to: string): GraphEdge => ({ from, to, kind: "forward" });
  const joined = { edges: [edge("a", "c"), edge("b", "c")] };
  equal(edgeFlow(joined, { from: "a", to: "c" }, operators), 10);
  equal(edgeFlow({ edges: [edge("a", "c")] }, { from: "a", to: "c" }, operators), 40);
});

function node(uid: string) {
  return { uid, kind: "map" as const, label: uid, isKeyed: false, states: [] };
}

Deno.test("sparkline: a gap in the values is a gap in the line", () => {
  const box = { width: 100, height: 12 };
  equal(sparkPath([0, 10, 20], [1, null, 3], box), "M0.0 11.0M100.0 1.0");
  equal(sparkPath([0, 10], [5, 5], box), "M0.0 6.0L100.0 6.0");
});

Deno.test("graph: an edge is thicker the more it carries, and never vanishes", () => {
  equal(strokeWidth(null), strokeWidth(0));
  ok(strokeWidth(10) > strokeWidth(1));
  ok(strokeWidth(10_000) > strokeWidth(1_000));
  equal(strokeWidth(1e9), strokeWidth(1e7));
});
