import { deepEqual, equal } from "node:assert/strict";
import type { JobId } from "@shared/ids.ts";
import type { LiveSignal } from "../ports.ts";
import type { OpenAlarms } from "../db/plant_store.ts";
import {
  comparePositions,
  equipmentStates,
  levelNames,
  pathOf,
  type PlantInput,
  plantNodes,
  worstPosition,
} from "./plant.ts";

const NOW_MS = Date.UTC(2026, 0, 1);

function signal(key: string, more: Partial<LiveSignal> = {}): LiveSignal {
  const known = { jobId: "job" as JobId, operatorUid: "drift", atMs: NOW_MS, value: 1, score: 0 };
  return { ...known, low: null, high: null, key, ...more };
}

function alarm(equipment: string, more: Partial<OpenAlarms> = {}): OpenAlarms {
  const of = { jobId: "job", operatorUid: "drift", equipment, priority: "low" } as const;
  return { ...of, isHidden: false, active: 1, unacknowledged: 0, open: 1, ...more };
}

function inputOf(more: Partial<PlantInput>): PlantInput {
  return {
    nowMs: NOW_MS,
    staleAfterMs: 30_000,
    retentionMs: 86_400_000,
    signals: [],
    places: new Map(),
    alarms: [],
    jobs: new Map([["job", []]]),
    ...more,
  };
}

Deno.test("plant: freshness is that of the freshest signal, and unknown without its job", () => {
  const states = equipmentStates(inputOf({
    signals: [
      signal("mixed", { atMs: NOW_MS - 31_000 }),
      signal("mixed", { operatorUid: "limit", atMs: NOW_MS - 30_000 }),
      signal("late", { atMs: NOW_MS - 30_001 }),
      signal("old", { atMs: NOW_MS - 86_400_001 }),
      signal("never", { atMs: null }),
      signal("stopped", { jobId: "other" as JobId }),
    ],
  }));
  deepEqual(Object.fromEntries(states.map((one) => [one.equipment, one.freshness])), {
    late: "stale",
    mixed: "good",
    never: "unknown",
    old: "unknown",
    stopped: "unknown",
  });
});

Deno.test("plant: a name that is a path says where it stands, unless a job does", () => {
  const places = new Map([["site/line/pump", { path: ["elsewhere"], jobId: "job" }]]);
  deepEqual(pathOf("site/line/pump", places), ["elsewhere"]);
  deepEqual(pathOf("site/line/fan", places), ["site", "line"]);
  deepEqual(pathOf("alone", places), []);
  deepEqual(pathOf("/odd//name", places), ["odd"]);
});

Deno.test("plant: equipment counts once in each node of its path; every depth has a name", () => {
  const states = equipmentStates(inputOf({
    signals: [signal("a/b/c/x"), signal("a/y"), signal("z", { atMs: NOW_MS - 40_000 })],
    alarms: [
      alarm("a/y", { priority: "critical", unacknowledged: 1 }),
      alarm("a/y", { isHidden: true, active: 1, unacknowledged: 1, open: 2 }),
      alarm("silent"),
    ],
    jobs: new Map([["job", ["site"]], ["other", ["plant", "line"]]]),
  }));
  const nodes = plantNodes(states);
  deepEqual(nodes.map(({ path, equipment }) => [path.join("/"), equipment]), [
    ["", 4],
    ["a", 2],
    ["a/b", 1],
    ["a/b/c", 1],
  ]);
  const [{ good, stale, unknown, alarms }] = [nodes[0]!];
  deepEqual([good, stale, unknown], [2, 1, 1]);
  deepEqual(alarms, { critical: 1, high: 0, medium: 0, low: 1, unacknowledged: 1, shelved: 2 });
  deepEqual(levelNames(states, new Map([["job", ["site"]], ["other", ["plant", "line"]]])), [
    "site",
    "line",
    "level 3",
  ]);
});

Deno.test("plant: worst first by priority, then unacknowledged, freshness, score and name", () => {
  const states = equipmentStates(inputOf({
    signals: [
      signal("b-calm"),
      signal("a-calm"),
      signal("odd", { score: -9 }),
      signal("late", { atMs: NOW_MS - 40_000 }),
      signal("seen"),
      signal("unseen"),
      signal("low"),
      signal("high"),
    ],
    alarms: [
      alarm("low"),
      alarm("high", { priority: "high" }),
      alarm("unseen", { priority: "high", unacknowledged: 1 }),
      alarm("seen", { active: 0, unacknowledged: 1 }),
    ],
  }));
  const sorted = states.toSorted((a, b) => comparePositions(worstPosition(a), worstPosition(b)));
  deepEqual(sorted.map(({ equipment }) => equipment), [
    "unseen",
    "high",
    "low",
    "seen",
    "late",
    "odd",
    "a-calm",
    "b-calm",
  ]);
  equal(sorted.find(({ equipment }) => equipment === "odd")!.worst!.score, -9);
});
