import { deepEqual, equal, throws } from "node:assert/strict";
import { UserError } from "@shared/errors.ts";
import { equipmentSpec, placeOfTopic } from "./equipment.ts";
import { alarmSink, defineJob, generatorSource, limit } from "./mod.ts";

const here = () => {};

Deno.test("equipment: a topic form names levels and key, and other topics tell nothing", () => {
  const { levels, topic } = equipmentSpec({
    topic: "acme/{site}/+/{line}/{equipment}/telemetry",
  }, here);
  deepEqual(levels, ["site", "line"]);
  deepEqual(placeOfTopic("acme/north/v1/line-2/pump-7/telemetry", topic!), {
    key: "pump-7",
    path: ["north", "line-2"],
  });
  equal(placeOfTopic("acme/north/v1/line-2/pump-7/alarms", topic!), null);
  equal(placeOfTopic("acme/north/line-2/pump-7/telemetry", topic!), null);
  equal(placeOfTopic("acme//v1/line-2/pump-7/telemetry", topic!), null);
});

Deno.test("equipment: refuses forms without a key, odd levels and unknown options", () => {
  const bad = [
    { topic: "plant/{site}/telemetry" },
    { topic: "plant/{equipment}/{equipment}" },
    { topic: "plant/{site/{equipment}" },
    { topic: "plant/#/{equipment}" },
    { topic: "" },
    { levels: [], path: () => [] },
    { levels: ["site", "site"], path: () => [] },
    { levels: ["site"], path: "site" },
    { levels: ["site"], path: () => [], key: "x" },
  ];
  for (const options of bad) throws(() => equipmentSpec(options as never, here), UserError);
});

Deno.test("equipment: the graph carries the levels, and nothing when the job does not say", () => {
  const build = (says: boolean) =>
    defineJob("tanks", (job) => {
      if (says) job.equipment({ levels: ["site"], path: (key) => [key.slice(0, 1)] });
      job.source("levels", generatorSource({ next: () => ({ tank: "n1", level: 3 }) }))
        .keyByLocal((r) => r.tank)
        .detect("full", limit({ value: (r) => r.level, high: 90 }))
        .sink("alarms", alarmSink({ priority: "high" }));
    }).build({});
  deepEqual(build(true).graph.levels, ["site"]);
  deepEqual(build(true).equipment?.path?.("n1"), ["n"]);
  equal(build(false).graph.levels, undefined);
});

Deno.test("alarm sinks: silence needs a signal, and what suppresses must be another alarm sink", () => {
  const build = (design: object) =>
    defineJob("tanks", (job) => {
      const levels = job.source(
        "levels",
        generatorSource({ next: () => ({ tank: "n1", level: 3 }) }),
      );
      levels.sink("plain", alarmSink({ priority: "high", ...design }));
      levels.keyByLocal((r) => r.tank).detect("full", limit({ value: (r) => r.level, high: 90 }))
        .sink("full-alarms", alarmSink({ priority: "low", noData: { after: "5m" } }));
    }).build({}).graph;
  equal(build({ suppressedBy: ["full-alarms"] }).operators.length, 4);
  throws(() => build({ noData: { after: "5m" } }), /only a detector has a signal/);
  throws(() => build({ suppressedBy: ["nobody"] }), /no other alarm sink/);
  throws(() => build({ suppressedBy: ["plain"] }), /no other alarm sink/);
});

Deno.test("alarm sinks: those that suppress each other in a circle are refused, for none would ring", () => {
  const build = (suppressors: Record<string, string[]>) =>
    defineJob("tanks", (job) => {
      const levels = job.source(
        "levels",
        generatorSource({ next: () => ({ tank: "n1", level: 3 }) }),
      );
      for (const [uid, suppressedBy] of Object.entries(suppressors)) {
        levels.sink(uid, alarmSink({ priority: "high", suppressedBy }));
      }
    }).build({}).graph;
  equal(build({ a: ["b", "c"], b: ["c"], c: [] }).operators.length, 4);
  throws(
    () => build({ a: ["b"], b: ["c"], c: ["d", "b"], d: [] }),
    /"b" is suppressed by "c" is suppressed by "b"/,
  );
  throws(() => build({ a: ["b"], b: ["a"] }), /"a" is suppressed by "b" is suppressed by "a"/);
});
