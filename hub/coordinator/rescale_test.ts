import { deepEqual, equal, ok } from "node:assert/strict";
import { exchangeGraph, graphOf } from "../../tests/support/hub_world.ts";
import { judgeRescale, type RescaleQuestion } from "./rescale.ts";

function judge(over: Partial<RescaleQuestion> = {}) {
  return judgeRescale({
    graph: exchangeGraph(),
    desiredState: "running",
    current: 1,
    wanted: 3,
    ...over,
  });
}

function codeOf(over: Partial<RescaleQuestion>): [string, number] | null {
  const answer = judge(over);
  return answer.kind === "refused" ? [answer.code, answer.status] : null;
}

Deno.test("rescale: concerns the regions with a keyed stage, under the ids they had", () => {
  const answer = judge();
  ok(answer.kind === "plan");
  deepEqual([...answer.regions.keys()], ["telemetry.0"]);
  const keyed = answer.regions.values().next().value!.subtasks
    .filter(({ keyGroups }) => keyGroups !== null);
  deepEqual(keyed.map(({ keyGroups }) => keyGroups), [[0, 42], [43, 85], [86, 127]]);
  equal(answer.parallelism, 3);
});

Deno.test("rescale: refuses what is no parallelism, no change, no keyed stage, no running job", () => {
  for (const wanted of [0, 129, 1.5, "3", null, undefined, NaN]) {
    deepEqual(codeOf({ wanted }), ["bad-parallelism", 400], `Took ${wanted}`);
  }
  deepEqual(codeOf({ wanted: 1 }), ["parallelism-unchanged", 409]);
  deepEqual(codeOf({ graph: graphOf() }), ["no-keyed-stage", 409]);
  deepEqual(codeOf({ desiredState: "stopped" }), ["job-ended", 409]);
  equal(codeOf({ wanted: 128 }), null);
});
