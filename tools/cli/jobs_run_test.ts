/** `penstock jobs run` as a person calls it: files, exit codes, what goes to stdout and what to stderr. */
import { deepEqual, equal, match } from "node:assert/strict";
import { run } from "../../tests/support/commands.ts";
import { PROJECT_ROOT } from "../build/run_deno.ts";

const EXAMPLE = `${PROJECT_ROOT}/examples/workloads/w1.ts`;

async function jobsRun(...args: string[]) {
  return await run(Deno.execPath(), [
    "run",
    "-A",
    "--quiet",
    "--no-check",
    `${PROJECT_ROOT}/tools/cli/main.ts`,
    "jobs",
    "run",
    ...args,
  ]);
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "penstock-run-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("jobs run: writes what the sink would send to stdout, and what happened to stderr", async () => {
  await inFolder(async (folder) => {
    const input = `${folder}/in.csv`;
    await Deno.writeTextFile(input, "temperature,humidity\n70,10\n30,20\n60,x\n");
    const { code, stdout, stderr } = await jobsRun(
      EXAMPLE,
      "--input",
      input,
      "--param",
      "threshold=65",
    );
    equal(code, 0);
    equal(stdout, '{"temperature":70,"humidity":10}\n');
    match(stderr, /^3 records in .*, 1 outputs, 0 late, 0 dead letters\n$/);
  });
});

Deno.test("jobs run: writes to files, and of one sink alone with --sink", async () => {
  await inFolder(async (folder) => {
    const job = `${folder}/job.ts`;
    await Deno.writeTextFile(`${folder}/1.jsonl`, '{"n":1}\n');
    await Deno.writeTextFile(`${folder}/2.jsonl`, '{"n":2}\n{bad\n');
    await Deno.writeTextFile(
      job,
      `import { defineJob, fileSource, mqttSink } from "penstock";
export default defineJob("two", (job) => {
  const numbers = job.source("numbers", fileSource({ pattern: "${folder}/*.jsonl" }));
  numbers.sink("as-is", mqttSink({ broker: "plant", topic: "a" }));
  numbers.map("spell", (r) => "n=" + r.n)
    .sink("text", mqttSink({ broker: "plant", topic: "b", encode: (text) => text }));
});
`,
    );
    const output = `${folder}/out`;
    const both = await jobsRun(job, "--output", output);
    equal(both.code, 0, both.stderr);
    match(both.stderr, /2\.jsonl:2: payload is not JSON/);
    deepEqual((await Deno.readTextFile(output)).trim().split("\n"), [
      '{"sink":"as-is","output":{"n":1}}',
      '{"sink":"text","output":"n=1"}',
      '{"sink":"as-is","output":{"n":2}}',
      '{"sink":"text","output":"n=2"}',
    ]);
    equal((await jobsRun(job, "--sink", "text")).stdout, "n=1\nn=2\n");
    await Deno.writeTextFile(
      job,
      (await Deno.readTextFile(job)).replace("mqttSink }", "fileSink, mqttSink }")
        .replace(
          'mqttSink({ broker: "plant", topic: "a" })',
          `fileSink({ path: "${folder}/own" })`,
        ),
    );
    equal((await jobsRun(job)).stdout, "n=1\nn=2\n");
    equal(await Deno.readTextFile(`${folder}/own`), '{"n":1}\n{"n":2}\n');
    match((await jobsRun(job, "--sink", "none")).stderr, /no sink "none": it has as-is, text/);
  });
});

Deno.test("jobs run: exits with 2 for what the caller must mend, and says it", async () => {
  await inFolder(async (folder) => {
    const cases: readonly (readonly [args: string[], said: RegExp])[] = [
      [[EXAMPLE], /Source "readings" has no input: give --input readings=FILE/],
      [[EXAMPLE, "--input", `${folder}/none`], /Cannot read .*none/],
      [[EXAMPLE, "--input", folder], /is a folder: name a file/],
      [[EXAMPLE, "--input", "x", "--parallelism", "0"], /whole number from 1/],
      [[`${folder}/job.ts`, "--input", "x"], /no job file at/],
    ];
    for (const [args, said] of cases) {
      const { code, stderr } = await jobsRun(...args);
      match(stderr, said);
      equal(code, 2, stderr);
    }
  });
});

Deno.test("jobs run: an author's mistake is told with its line, one in a record with its number", async () => {
  await inFolder(async (folder) => {
    const job = (body: string) =>
      `import { defineJob, mqttSink, mqttSource } from "penstock";
export default defineJob("bad", (job) => {
  const source = job.source("in", mqttSource({ broker: "plant", splits: [{ topics: ["a"] }] }));
  ${body}
});
`;
    await Deno.writeTextFile(`${folder}/no_sink.ts`, job(`source.map("", (r) => r);`));
    const unbuilt = await jobsRun(`${folder}/no_sink.ts`, "--input", "x");
    match(unbuilt.stderr, /no_sink\.ts:4: A map has no uid/);
    equal(unbuilt.code, 2);
    await Deno.writeTextFile(
      `${folder}/throws.ts`,
      job(`source.map("m", (r) => r.a.b).sink("out", mqttSink({ broker: "plant", topic: "b" }));`),
    );
    await Deno.writeTextFile(`${folder}/in.jsonl`, '{"a":{"b":1}}\n{}\n');
    const thrown = await jobsRun(`${folder}/throws.ts`, "--input", `${folder}/in.jsonl`);
    match(thrown.stderr, /Operator "m" threw on record 2/);
    equal(thrown.code, 2);
  });
});
