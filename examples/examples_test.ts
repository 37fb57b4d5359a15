/**
 * Every example builds the graph that is kept in `tests/golden/job_graphs`, and its bundle builds the same.
 *
 * To accept a change: `UPDATE_GOLDEN=1 deno test -A examples`, then read the difference.
 */
import { deepEqual, equal } from "node:assert/strict";
import { systemClock } from "@shared/platform/clock.ts";
import { spawnSelf } from "@shared/platform/child_process.ts";
import { planRegions } from "@shared/regions.ts";
import type { JobDefinition } from "penstock";
import { createGraphExtractor } from "../hub/graph_extractor/graph_extractor.ts";
import { bundleJob } from "../tools/build/bundle_job.ts";
import demoPlant from "./demo_plant.ts";
import pumpWatch from "./pump_watch.ts";
import { countNumber, NOTHING_COUNTED } from "./sequence_count.ts";
import skabRig from "./skab_rig.ts";

const EXAMPLES: readonly (readonly [name: string, job: JobDefinition])[] = [
  ["demo_plant", demoPlant],
  ["pump_watch", pumpWatch],
  ["skab_rig", skabRig],
];
const GOLDEN = new URL("../tests/golden/job_graphs/", import.meta.url);
const extract = createGraphExtractor({ spawn: spawnSelf, clock: systemClock });

for (const [name, job] of EXAMPLES) {
  Deno.test(`example ${name}: builds the graph that is kept`, async () => {
    const { graph } = job.build({});
    const file = new URL(`${name}.json`, GOLDEN);
    if (Deno.env.get("UPDATE_GOLDEN") === "1") {
      await Deno.writeTextFile(file, JSON.stringify(graph, null, 2) + "\n");
    }
    deepEqual(graph, JSON.parse(await Deno.readTextFile(file)));
  });

  Deno.test(`example ${name}: its bundle builds the same graph in a process without permissions`, async () => {
    const { bundle } = await bundleJob(new URL(`${name}.ts`, import.meta.url).pathname);
    deepEqual(await extract(bundle, {}), job.build({}).graph);
  });

  Deno.test(`example ${name}: each line is a region of its own`, () => {
    const regions = planRegions(job.build({}).graph);
    deepEqual(regions.map((region) => [region.regionId, region.near]), [
      ["telemetry.0", { line: "1" }],
      ["telemetry.1", { line: "2" }],
    ]);
  });
}

Deno.test("example: params change a job", () => {
  const label =
    skabRig.build({ threshold: "6" }).graph.operators.find((node) => node.uid === "rig")!
      .label;
  equal(label, "jointZScore threshold 6");
});

Deno.test("sequence count: tells a lost number from one counted twice", () => {
  const count = [1, 2, 2, 5, 4, 6].reduce(countNumber, NOTHING_COUNTED);
  deepEqual(count, { n: 6, sum: 20, lastSeq: 6, holes: 2, duplicates: 2 });
});
