import { deepEqual } from "node:assert/strict";
import type { AgentId, RegionId } from "@shared/ids.ts";
import { assign, type LiveAgent, type RegionNeed } from "./assignment.ts";

function agent(id: string, over: Partial<LiveAgent> = {}): LiveAgent {
  return { agentId: id as AgentId, labels: {}, isDraining: false, load: 0, ...over };
}

function need(id: string, over: Partial<RegionNeed> = {}): RegionNeed {
  return { regionId: id as RegionId, near: {}, runsOn: null, ...over };
}

function place(needs: readonly RegionNeed[], agents: readonly LiveAgent[]) {
  return Object.fromEntries(assign(needs, agents).map((p) => [p.regionId, p.agentId]));
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
  const needs = [need("r0", { runsOn: "a" as AgentId }), need("r1", { runsOn: "a" as AgentId })];
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
});
