import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import type { PlantNode, PlantView } from "@shared/plant_api.ts";
import {
  openFor,
  openPriorities,
  pathFrom,
  pathText,
  shownNodes,
  trailOf,
  treeStep,
} from "./plant_nodes.ts";

const QUIET = { critical: 0, high: 0, medium: 0, low: 0, unacknowledged: 0, shelved: 0 };
const node = (...path: string[]): PlantNode => ({
  path,
  equipment: 2,
  good: 2,
  stale: 0,
  unknown: 0,
  alarms: QUIET,
});
const PLANT: PlantView = {
  at: "2026-03-01T12:00:00Z",
  levels: ["site", "line"],
  nodes: [node(), node("east"), node("east", "l1"), node("east", "l2"), node("west")],
};
const namesOf = (open: string[]) =>
  shownNodes(PLANT, new Set(open)).map(({ node }) => node.path.join("/"));

Deno.test("plant nodes: a node is seen when all above it are open", () => {
  deepEqual(namesOf([]), [""]);
  deepEqual(namesOf([""]), ["", "east", "west"]);
  deepEqual(namesOf(["", "east"]), ["", "east", "east/l1", "east/l2", "west"]);
  deepEqual(namesOf(["east"]), [""]);
  deepEqual(namesOf(openFor(["east", "l2"])), ["", "east", "east/l1", "east/l2", "west"]);
});

Deno.test("plant nodes: each node knows its place among its siblings", () => {
  const shown = shownNodes(PLANT, new Set(["", "east"]));
  deepEqual(shown.map((one) => [one.level, one.position, one.siblings, one.hasChildren]), [
    [1, 1, 1, true],
    [2, 1, 2, true],
    [3, 1, 2, false],
    [3, 2, 2, false],
    [2, 2, 2, false],
  ]);
});

Deno.test("plant nodes: the arrows move, open and close as in a WAI-ARIA tree", () => {
  const open = shownNodes(PLANT, new Set(["", "east"]));
  const closed = shownNodes(PLANT, new Set([""]));
  const cases: [string, number, typeof open, ReturnType<typeof treeStep>][] = [
    ["ArrowDown", 0, open, { kind: "focus", index: 1 }],
    ["ArrowUp", 0, open, { kind: "focus", index: 0 }],
    ["ArrowDown", 4, open, { kind: "focus", index: 4 }],
    ["End", 0, open, { kind: "focus", index: 4 }],
    ["Home", 3, open, { kind: "focus", index: 0 }],
    ["ArrowRight", 1, closed, { kind: "open", index: 1 }],
    ["ArrowRight", 1, open, { kind: "focus", index: 2 }],
    ["ArrowRight", 2, open, null],
    ["ArrowLeft", 1, open, { kind: "close", index: 1 }],
    ["ArrowLeft", 3, open, { kind: "focus", index: 1 }],
    ["ArrowLeft", 1, closed, { kind: "focus", index: 0 }],
    ["Enter", 3, open, { kind: "choose", index: 3 }],
    [" ", 3, open, { kind: "choose", index: 3 }],
    ["w", 0, open, { kind: "focus", index: 4 }],
    ["L", 2, open, { kind: "focus", index: 3 }],
    ["x", 0, open, null],
    ["Tab", 0, open, null],
  ];
  for (const [key, index, shown, step] of cases) deepEqual(treeStep(key, index, shown), step, key);
});

Deno.test("plant nodes: a path in the URL is read back, whatever names it has", () => {
  fc.assert(fc.property(
    fc.array(fc.string({ minLength: 1, unit: "grapheme" }), { maxLength: 5 }),
    (path) => deepEqual(pathFrom(pathText(path)), path),
  ));
  deepEqual(pathFrom("%"), []);
  deepEqual(pathFrom(undefined), []);
  equal(trailOf(["a/b", "c"])[1]!.href, "/?path=a%252Fb%2Fc");
});

Deno.test("plant nodes: open alarms are told worst first, priorities without any are not", () => {
  deepEqual(openPriorities({ ...QUIET, low: 2, critical: 1 }), [
    { priority: "critical", count: 1 },
    { priority: "low", count: 2 },
  ]);
  deepEqual(openPriorities(QUIET), []);
});
