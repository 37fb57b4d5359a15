import { deepEqual, equal } from "node:assert/strict";
import type { AgentId, RegionId, SubtaskId } from "@shared/ids.ts";
import { assign, type LiveAgent, type RegionNeed, type SubtaskNeed } from "./assignment.ts";

function agent(id: string, over: Partial<LiveAgent> = {}): LiveAgent {
  return { agentId: id as AgentId, labels: {}, isDraining: false, load: 0, ...over };
}

type Labels = Record<string, string>;

function subtask(id: string, over: { runsOn?: string; near?: Labels } = {}): SubtaskNeed {
  return {
    subtaskId: id as SubtaskId,
    stage: id.slice(0, id.indexOf(".")),
    near: over.near ?? {},
    runsOn: (over.runsOn ?? null) as AgentId | null,
  };
}

/** A region of one subtask. */
function need(id: string, over: { runsOn?: string; near?: Labels } = {}): RegionNeed {
  return {
    regionId: id as RegionId,
    near: over.near ?? {},
    isPlaced: over.runsOn !== undefined,
    canSpan: true,
    subtasks: [subtask(`${id}.0`, over)],
  };
}

function spanning(subtasks: readonly SubtaskNeed[], over: Partial<RegionNeed> = {}): RegionNeed {
  const regionId = "src.0" as RegionId;
  return { regionId, near: {}, isPlaced: false, canSpan: true, subtasks, ...over };
}

function place(needs: readonly RegionNeed[], agents: readonly LiveAgent[]) {
  return Object.fromEntries(
    assign(needs, agents).map((p) => [p.regionId, p.agents?.values().next().value ?? null]),
  );
}

function placeSubtasks(
  subtasks: readonly SubtaskNeed[],
  agents: readonly LiveAgent[],
  over: Partial<RegionNeed> & { isBalancing?: boolean } = {},
) {
  const { isBalancing = false, ...region } = over;
  const [placement] = assign([spanning(subtasks, region)], agents, { isBalancing });
  return placement!.agents === null ? null : Object.fromEntries(placement!.agents);
}

Deno.test("assignment: spreads over agents that are alike, in the order of ids", () => {
  deepEqual(place([need("r2"), need("r0"), need("r1")], [agent("b"), agent("a")]), {
    r0: "a",
    r1: "b",
    r2: "a",
  });
});

Deno.test("assignment: labels win over load, load over ids", () => {
  const line2 = agent("b", { labels: { line: "2" }, load: 9 });
  deepEqual(place([need("r", { near: { line: "2" } })], [agent("a"), line2]), { r: "b" });
  deepEqual(place([need("r")], [agent("a", { load: 1 }), agent("b")]), { r: "b" });
  deepEqual(place([need("r", { near: { line: "3" } })], [agent("a"), line2]), { r: "a" });
});

Deno.test("assignment: a running region stays, also on a draining agent, and counts as load", () => {
  const needs = [need("r0", { runsOn: "a" }), need("r1", { runsOn: "a" })];
  deepEqual(place(needs, [agent("a"), agent("b")]), { r0: "a", r1: "a" });
  deepEqual(place([...needs, need("r2")], [agent("a"), agent("b")]), {
    r0: "a",
    r1: "a",
    r2: "b",
  });
});

Deno.test("assignment: a draining agent gets nothing new, and nobody means null", () => {
  const draining = agent("a", { isDraining: true });
  deepEqual(place([need("r")], [draining, agent("b", { load: 99 })]), { r: "b" });
  deepEqual(place([need("r")], [draining]), { r: null });
  deepEqual(place([need("r")], []), { r: null });
  equal(placeSubtasks([subtask("src.0"), subtask("key.0")], [draining]), null);
});

Deno.test("assignment: subtasks of a stage are spread, sources where their labels are", () => {
  const agents = [agent("a"), agent("b", { labels: { line: "1" } }), agent("c", { load: 5 })];
  const subtasks = [
    subtask("src.0", { near: { line: "1" } }),
    subtask("src.1", { near: { line: "1" } }),
    subtask("key.0"),
    subtask("key.1"),
    subtask("key.2"),
  ];
  deepEqual(placeSubtasks(subtasks, agents), {
    "src.0": "b",
    "src.1": "b",
    "key.0": "a",
    "key.1": "b",
    "key.2": "c",
  });
});

Deno.test("assignment: with one agent everything is on it, and so is a region that cannot span", () => {
  const subtasks = [subtask("src.0"), subtask("key.0"), subtask("key.1")];
  const onA = { "src.0": "a", "key.0": "a", "key.1": "a" };
  deepEqual(placeSubtasks(subtasks, [agent("a")]), onA);
  deepEqual(placeSubtasks(subtasks, [agent("a"), agent("b")], { canSpan: false }), onA);
});

const spread = [
  subtask("src.0", { runsOn: "a" }),
  subtask("key.0", { runsOn: "a" }),
  subtask("key.1", { runsOn: "b" }),
  subtask("key.2", { runsOn: "c" }),
];

Deno.test("assignment: placed anew only what was on the lost or draining agent moves", () => {
  const expected = { "src.0": "a", "key.0": "a", "key.1": "b", "key.2": "b" };
  deepEqual(placeSubtasks(spread, [agent("a"), agent("b")]), expected);
  const draining = [agent("a"), agent("b"), agent("c", { isDraining: true })];
  deepEqual(placeSubtasks(spread, draining), expected);
});

Deno.test("assignment: an agent that joined gets something only when balancing, and as little as evens out", () => {
  const crowded = [
    subtask("src.0", { runsOn: "a" }),
    subtask("key.0", { runsOn: "a" }),
    subtask("key.1", { runsOn: "a" }),
    subtask("key.2", { runsOn: "b" }),
    subtask("key.3", { runsOn: "b" }),
  ];
  const agents = [agent("a"), agent("b"), agent("c")];
  const kept = Object.fromEntries(crowded.map((one) => [one.subtaskId, one.runsOn]));
  deepEqual(placeSubtasks(crowded, agents), kept);
  deepEqual(placeSubtasks(crowded, agents, { isBalancing: true }), { ...kept, "key.1": "c" });
  const needs = ["r0", "r1", "r2", "r3"].map((id) => ({
    ...need(id, { runsOn: "a" }),
    isPlaced: false,
  }));
  const places = assign(needs, agents.slice(0, 2), { isBalancing: true })
    .map((placement) => [...placement.agents!.values()][0]);
  deepEqual(places, ["a", "a", "b", "b"]);
});

Deno.test("assignment: balancing leaves alone what is even already, and moves a source to where it is nearer", () => {
  const agents = [agent("a"), agent("b"), agent("c", { labels: { line: "1" } })];
  const kept = Object.fromEntries(spread.map((one) => [one.subtaskId, one.runsOn]));
  deepEqual(placeSubtasks(spread, agents, { isBalancing: true }), kept);
  const far = subtask("src.0", { runsOn: "a", near: { line: "1" } });
  deepEqual(placeSubtasks([far, ...spread.slice(1)], agents, { isBalancing: true }), {
    ...kept,
    "src.0": "c",
  });
});
