import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import { evaluateJob } from "./bootstrap.ts";

const graph = `{ version: 1, name: "t", operators: [], edges: [] }`;

Deno.test("bootstrap: a bundle leaves a definition, which builds the job with the params", () => {
  const job = evaluateJob(
    `module.exports.default = { sdkVersion: 1, name: "t", build: (params) =>
       ({ graph: { ...${graph}, name: params.name }, operators: new Map() }) }`,
    { name: "given" },
  );
  strictEqual(job.graph.name, "given");
});

Deno.test("bootstrap: a bundle that is no job is refused with what to do", () => {
  const refused: readonly [bundle: string, code: string, said: RegExp][] = [
    ["this is no code", "bundle-broken", /does not load/],
    ["require('fs')", "bundle-broken", /nothing can be loaded at run time/],
    ["module.exports = {}", "bundle-broken", /no default export made by defineJob/],
    [
      "module.exports.default = { sdkVersion: 99, build() {} }",
      "sdk-version",
      /SDK version 99, this agent runs 1/,
    ],
  ];
  for (const [bundle, code, message] of refused) {
    throws(() => evaluateJob(bundle, {}), { code, message });
  }
});

/** Runs `code` after `secureGlobals` in a process of its own: what is taken away does not come back. */
async function secured(code: string): Promise<unknown> {
  const module = new URL("./bootstrap.ts", import.meta.url).href;
  const script = `
    const print = Deno.stdout.writeSync.bind(Deno.stdout);
    const { secureGlobals } = await import(${JSON.stringify(module)});
    const logs = [];
    secureGlobals((level, message, fields) => logs.push([level, fields.text]));
    print(new TextEncoder().encode(JSON.stringify(new Function("logs", ${
    JSON.stringify(code)
  })(logs))));`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    cwd: new URL("../..", import.meta.url),
  }).output();
  match(new TextDecoder().decode(stderr), /^$/);
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("bootstrap: the author's code has no pipes, no exit, no threads, and its console is a log", async () => {
  const answer = await secured(`
    console.warn("hot", { t: 1 });
    return [typeof Deno.exit, typeof Deno.stdout, typeof process.exit, typeof process.stdout.write,
      typeof Worker, logs]`);
  const none = "undefined";
  deepStrictEqual(answer, [none, none, none, none, none, [["warn", 'hot {"t":1}']]]);
});

Deno.test("bootstrap: prototypes cannot be polluted, and ordinary objects stay as they are (S33)", async () => {
  const answer = await secured(`
    const tried = [];
    for (const pollute of [
      () => { "use strict"; Object.prototype.polluted = 1; },
      () => { "use strict"; ({}).constructor.prototype.polluted = 1; },
      () => { "use strict"; Object.prototype.toString = 1; },
      () => { "use strict"; Array.prototype.polluted = 1; },
    ]) { try { pollute(); tried.push("done"); } catch (e) { tried.push(e.name); } }
    const own = {}; own.toString = () => "own"; own.constructor = 7;
    class Failed extends Error { constructor() { super("x"); this.name = "Failed"; } }
    return [tried, ({}).polluted === undefined, String(own), own.constructor, new Failed().name]`);
  const refused = Array(4).fill("TypeError");
  deepStrictEqual(answer, [refused, true, "own", 7, "Failed"]);
});
