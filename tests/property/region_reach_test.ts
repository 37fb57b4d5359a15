/** Properties of a region's attempt over several agents, for every order of what they say. */
import fc from "fast-check";
import { deepEqual, equal } from "node:assert/strict";
import { assert } from "@shared/assert.ts";
import type { AgentId } from "@shared/ids.ts";
import type { RegionStatus } from "@shared/messages.ts";
import { agentsToRun, haveStopped, reachOf } from "../../hub/coordinator/region_reach.ts";

const IDS = ["a", "b", "c", "d"] as AgentId[];
const COURSE: readonly RegionStatus[] = ["restoring", "restored", "running"];

/** Agents, and in which order they take their next step. */
const course = fc.subarray(IDS, { minLength: 1 }).chain((agents) =>
  fc.tuple(fc.constant(agents), fc.array(fc.constantFrom(...agents), { maxLength: 20 }))
);

Deno.test("region reach: nobody runs before all have restored, and the region not before all run (C8)", () => {
  fc.assert(
    fc.property(course, ([agents, steps]) => {
      const statuses = new Map<AgentId, RegionStatus>();
      const told = new Set<AgentId>();
      let reached = 0;
      const order = ["deploying", "restoring", "restored", "running"];
      for (const agentId of [...steps, ...agents, ...agents, ...agents]) {
        const at = COURSE.indexOf(statuses.get(agentId)!);
        const next = COURSE[at + 1];
        if (next === undefined || (next === "running" && !told.has(agentId))) continue;
        statuses.set(agentId, next);
        for (const id of agentsToRun(agents, statuses)) {
          assert(
            agents.every((one) => COURSE.indexOf(statuses.get(one)!) >= 1),
            `${id} was told to run before all had restored`,
          );
          told.add(id);
        }
        const reach = reachOf(agents, statuses);
        assert(order.indexOf(reach) >= reached, `From ${order[reached]} back to ${reach}`);
        reached = order.indexOf(reach);
        equal(reach === "running", agents.every((one) => statuses.get(one) === "running"));
        if (agents.length === 1) equal(reach, next);
      }
      equal(reachOf(agents, statuses), "running", "It did not come to run");
      deepEqual([...told].sort(), [...agents].sort());
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("region reach: it has stopped when every agent has, and is never running with one that has not restored", () => {
  const status = fc.constantFrom(...COURSE, "stopped" as const, "failed" as const, undefined);
  const said = fc.subarray(IDS, { minLength: 1 }).chain((agents) =>
    fc.tuple(fc.constant(agents), fc.tuple(...agents.map(() => status)))
  );
  fc.assert(
    fc.property(said, ([agents, list]) => {
      const statuses = new Map(
        agents.flatMap((id, i) => list[i] === undefined ? [] : [[id, list[i]] as const]),
      );
      const isOver = (id: AgentId) => ["stopped", "failed"].includes(statuses.get(id) ?? "");
      equal(haveStopped(agents, statuses), agents.every(isOver));
      const reach = reachOf(agents, statuses);
      const isUp = reach === "running" || reach === "restored";
      if (agents.some(isOver)) assert(!isUp, `It is ${reach} with an agent whose part is over`);
      equal(reach === "deploying", statuses.size === 0);
      const toRun = agentsToRun(agents, statuses);
      assert(toRun.every((id) => statuses.get(id) === "restored"), `Told to run: ${toRun}`);
      if (toRun.length > 0) assert(isUp, `Told to run while ${reach}`);
    }),
    { numRuns: 2_000 },
  );
});
