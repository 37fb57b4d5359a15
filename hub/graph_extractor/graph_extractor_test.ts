import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { UserError } from "@shared/errors.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { spawnSelf } from "@shared/platform/child_process.ts";
import { createGraphExtractor } from "./graph_extractor.ts";

const extract = createGraphExtractor({ spawn: spawnSelf, clock: systemClock });
const quick = createGraphExtractor({ spawn: spawnSelf, clock: systemClock, timeoutMs: 700 });

const GRAPH = {
  version: 1,
  name: "tiny",
  operators: [
    {
      uid: "numbers",
      kind: "source",
      label: "generator, 1 split",
      isKeyed: false,
      states: [],
      source: { connector: "generator", splits: [{ topics: [], near: {} }] },
    },
    {
      uid: "out",
      kind: "sink",
      label: "mqtt plant, direct",
      isKeyed: false,
      states: [],
      sink: { connector: "mqtt", broker: "plant", delivery: "direct" },
    },
  ],
  edges: [{ from: "numbers", to: "out", kind: "forward" }],
};

/** A bundle whose `build(params)` runs `body` before it answers the graph above. */
function bundleOf(body: string, graph: unknown = GRAPH): string {
  return `module.exports.default = { sdkVersion: 1, name: "tiny", build(params) {
    ${body}
    return { graph: ${JSON.stringify(graph)} };
  } };`;
}

async function errorOf(
  bundle: string,
  extractor = extract,
): Promise<{ code: string; message: string }> {
  try {
    await extractor(bundle, {});
  } catch (error) {
    ok(error instanceof UserError, `not a UserError: ${error}`);
    return { code: error.code, message: error.message };
  }
  throw new Error("the bundle was accepted");
}

Deno.test("graph extractor: answers the graph of a bundle", async () => {
  deepEqual(await extract(bundleOf(""), {}), GRAPH);
});

Deno.test("graph extractor: hands the params to the job", async () => {
  const bundle = bundleOf(`throw new Error("line is " + params.line)`);
  await rejects(extract(bundle, { line: "4" }), /line is 4/);
});

Deno.test("graph extractor: is not confused by what the bundle prints", async () => {
  deepEqual(await extract(bundleOf(`console.log('{"graph":{}}')`), {}), GRAPH);
});

Deno.test("graph extractor: passes the SDK's own error on with its code", async () => {
  const bundle = bundleOf(
    `throw Object.assign(new Error("used twice"), { code: "duplicate-uid" })`,
  );
  deepEqual(await errorOf(bundle), { code: "duplicate-uid", message: "used twice" });
});

for (
  const [what, body, expected] of [
    ["reads a file", `Deno.readTextFileSync("/etc/hostname")`, /read access/],
    ["writes a file", `Deno.writeTextFileSync("/tmp/out", "x")`, /write access/],
    ["reads the environment", `Deno.env.get("HOME")`, /env access/],
    ["opens a socket", `Deno.listen({ port: 0 })`, /net access/],
    ["starts a process", `new Deno.Command("/bin/sh").outputSync()`, /run access/],
    [
      "reads a file through node",
      `process.getBuiltinModule("node:fs").readFileSync("/etc/hostname")`,
      /read access/,
    ],
    ["requires a module", `require("node:fs")`, /no modules at run time/],
  ] as const
) {
  Deno.test(`graph extractor: refuses a bundle that ${what} (P8)`, async () => {
    match((await errorOf(bundleOf(body))).message, expected);
  });
}

const secret = new URL("./job_graph_schema.ts", import.meta.url).href;
for (
  const [what, specifier] of [
    ["a file", secret],
    ["a package", "npm:hono"],
    ["a remote module", "https://example.com/x.js"],
    [
      "a file by way of a data URL",
      `data:text/javascript,export * from ${JSON.stringify(secret)}`,
    ],
  ] as const
) {
  Deno.test(`graph extractor: refuses a bundle that imports ${what} (P8)`, async () => {
    const bundle = `module.exports.default = import(${JSON.stringify(specifier)})
      .then((loaded) => { throw new Error("imported " + Object.keys(loaded)); });`;
    const { message } = await errorOf(bundle);
    ok(!message.startsWith("imported"), message);
  });
}

Deno.test("graph extractor: stops a bundle that loops for ever", async () => {
  equal((await errorOf(bundleOf("for (;;) {}"), quick)).code, "bundle-too-slow");
});

Deno.test("graph extractor: stops a bundle that fills the heap", async () => {
  const bundle = bundleOf(`const all = []; for (;;) all.push(new Array(1000).fill(all.length))`);
  equal((await errorOf(bundle)).code, "bundle-too-much-memory");
});

Deno.test({
  name: "graph extractor: stops a bundle that fills memory outside the heap",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const bundle = bundleOf(`const all = []; for (;;) all.push(new Uint8Array(4_000_000).fill(1))`);
    equal((await errorOf(bundle)).code, "bundle-too-much-memory");
  },
});

Deno.test("graph extractor: stops a bundle that answers without end", async () => {
  const bundle = bundleOf(`const chunk = new Uint8Array(65536).fill(97);
    for (;;) Deno.stdout.writeSync(chunk);`);
  equal((await errorOf(bundle)).code, "bundle-too-much-output");
});

Deno.test("graph extractor: tells when a bundle ends the process", async () => {
  equal((await errorOf(bundleOf("Deno.exit(0)"))).code, "bundle-no-answer");
});

Deno.test("graph extractor: refuses text that is no job", async () => {
  equal((await errorOf("this is not JavaScript")).code, "job-threw");
  equal((await errorOf("module.exports = {}")).code, "no-default-export");
  equal(
    (await errorOf("module.exports.default = { sdkVersion: 9, build() {} }")).code,
    "sdk-version",
  );
});

Deno.test("graph extractor: refuses a forged graph", async () => {
  const [numbers, out] = GRAPH.operators;
  const forged: Record<string, unknown> = {
    "unknown version": { ...GRAPH, version: 2 },
    "a uid with a slash": { ...GRAPH, operators: [numbers, { ...out, uid: "../out" }] },
    "a uid twice": { ...GRAPH, operators: [numbers, numbers] },
    "an edge backwards": { ...GRAPH, edges: [{ from: "out", to: "numbers", kind: "forward" }] },
    "an edge to nowhere": { ...GRAPH, edges: [{ from: "numbers", to: "x", kind: "forward" }] },
    "a sink without input": { ...GRAPH, edges: [] },
    "a source without splits": {
      ...GRAPH,
      operators: [{ ...numbers, source: { connector: "generator", splits: [] } }, out],
    },
    "too many operators": {
      ...GRAPH,
      operators: Array.from({ length: 501 }, (_, i) => ({ ...numbers, uid: `u${i}` })),
    },
  };
  for (const [what, graph] of Object.entries(forged)) {
    equal((await errorOf(bundleOf("", graph))).code, "bad-graph", what);
  }
});

Deno.test("graph extractor: refuses a bundle over the size limit without starting anything", async () => {
  const never = createGraphExtractor({
    spawn: () => {
      throw new Error("started");
    },
    clock: systemClock,
  });
  equal((await errorOf("/".repeat(8 * 1024 * 1024 + 1), never)).code, "bundle-too-large");
});
