import { deepEqual, equal, rejects } from "node:assert/strict";
import { relativePlace, validateJob } from "./validate_job.ts";

const FOLDER = await Deno.makeTempDir({ prefix: "penstock test " });
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));

async function jobFile(name: string, lines: string[]): Promise<string> {
  await Deno.writeTextFile(`${FOLDER}/${name}`, lines.join("\n"));
  return `${FOLDER}/${name}`;
}

const HEAD = [
  `import { alarmSink, defineJob, generatorSource, mqttSink, mqttSource } from "penstock";`,
  `export default defineJob("tiny", (job, params) => {`,
  `  const numbers = job.source("numbers", generatorSource({ next: (n: number) => ({ n }) }));`,
];
const TAIL = [`  numbers.sink("out", mqttSink({ broker: "plant", topic: "out" }));`, `});`];

Deno.test("validate job: answers graph and regions", async () => {
  const { graph, regions } = await validateJob(await jobFile("good.ts", [...HEAD, ...TAIL]));
  deepEqual(graph.operators.map((node) => node.uid), ["numbers", "out"]);
  deepEqual(regions.map((region) => region.regionId), ["numbers.0"]);
});

Deno.test("validate job: hands the params to the job", async () => {
  const file = await jobFile("params.ts", [
    ...HEAD,
    `  numbers.map(params.uid!, (r) => r);`,
    ...TAIL,
  ]);
  const { graph } = await validateJob(file, { uid: "same" });
  equal(graph.operators[1]!.uid, "same");
});

for (
  const [name, line, expected] of [
    ["missing uid", `numbers.map("", (r) => r);`, /:4: A map has no uid/],
    ["duplicate uid", `numbers.map("numbers", (r) => r);`, /:4: .*"numbers" is used twice/],
    [
      "keyed state on an unkeyed stream",
      `(numbers as any).mapWithState("x", { initial: () => 0 }, () => [0, 0]);`,
      /:4: .*put \.keyByLocal/,
    ],
    [
      "bad topic filter",
      `mqttSource({ broker: "plant", splits: [{ topics: ["a/#/b"] }] });`,
      /:4: .*"#" must be the last level/,
    ],
    ["an error of its own", `throw new TypeError("oh");`, /an_error_of_its_own\.ts:4: oh/],
    ["read access", `Deno.readTextFileSync("/etc/hostname");`, /read access/],
    ["an exit", `Deno.exit(3);`, /ended the process/],
  ] as const
) {
  Deno.test(`validate job: refuses ${name}, with the author's line where there is one`, async () => {
    const file = await jobFile(`${name.replaceAll(/\W/g, "_")}.ts`, [...HEAD, line, ...TAIL]);
    await rejects(validateJob(file), expected);
  });
}

Deno.test("validate job: takes keyBy, as one region of all its splits", async () => {
  const line =
    `numbers.keyBy((r) => r.n).mapWithState("x", { initial: () => 0 }, (s, r) => [s + r.n, s]);`;
  const { regions } = await validateJob(await jobFile("keyby.ts", [...HEAD, line, ...TAIL]));
  deepEqual(regions.map(({ subtasks }) => subtasks.length), [2]);
});

Deno.test("validate job: refuses a file without a job", async () => {
  await rejects(
    validateJob(await jobFile("none.ts", ["export const x = 1;"])),
    /no job as its default/,
  );
});

Deno.test("validate job: a place under the working directory is relative to it", () => {
  equal(relativePlace("/home/me/jobs/x.ts:4", "/home/me"), "jobs/x.ts:4");
  equal(relativePlace("/home/men/x.ts:4", "/home/me"), "/home/men/x.ts:4");
});
