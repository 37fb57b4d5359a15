import { equal, match, rejects, throws } from "node:assert/strict";
import { bundleJob, checkSelfContained } from "./bundle_job.ts";

const FOLDER = await Deno.makeTempDir({ prefix: "penstock test " });
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));

async function jobFile(name: string, text: string): Promise<string> {
  await Deno.writeTextFile(`${FOLDER}/${name}`, text);
  return `${FOLDER}/${name}`;
}

const HEAD = `import { defineJob, generatorSource, mqttSink } from "penstock";\n`;
const BODY = `export default defineJob("tiny", (job) => {
  job.source("numbers", generatorSource({ next: (position) => ({ position }) }))
    .sink("out", mqttSink({ broker: "plant", topic: "out" }));
});`;

Deno.test("bundle job: makes one text of a file outside the project and what it imports", async () => {
  await jobFile("part.ts", `export const broker: string = "plant";`);
  const file = await jobFile(
    "job.ts",
    HEAD + `import { broker } from "./part.ts";\n` + BODY.replace(`"plant"`, "broker"),
  );
  const { bundle, digest } = await bundleJob(file);
  const module = { exports: {} as { default?: { build(params: object): { graph: unknown } } } };
  new Function("module", "exports", bundle)(module, module.exports);
  match(JSON.stringify(module.exports.default!.build({}).graph), /"broker":"plant"/);
  match(digest, /^[0-9a-f]{64}$/);
});

Deno.test("bundle job: the same file gives the same digest", async () => {
  const file = await jobFile("same.ts", HEAD + BODY);
  equal((await bundleJob(file)).digest, (await bundleJob(file)).digest);
});

Deno.test("bundle job: tells what the bundler said of a broken file", async () => {
  const file = await jobFile("broken.ts", HEAD + "export default defineJob(");
  await rejects(bundleJob(file), /Cannot bundle .*broken\.ts/);
});

Deno.test("bundle job: names an import that cannot be resolved", async () => {
  const file = await jobFile("missing.ts", `import "./nowhere.ts";\n` + HEAD + BODY);
  await rejects(bundleJob(file), /nowhere\.ts/);
});

Deno.test("bundle job: refuses a node module, which a runner does not have", async () => {
  const file = await jobFile(
    "node.ts",
    `import { readFileSync } from "node:fs";\n` + HEAD +
      BODY.replace("position })", "position, readFileSync })"),
  );
  await rejects(bundleJob(file), /would import "node:fs" at run time/);
});

Deno.test("bundle job: refuses an import named at run time", async () => {
  const file = await jobFile(
    "dynamic.ts",
    HEAD + `const name = "x";\nimport(name + ".js");\n` + BODY,
  );
  await rejects(bundleJob(file), /would import a module named at run time/);
});

Deno.test("bundle job: says that there is no such file", async () => {
  await rejects(bundleJob(`${FOLDER}/none.ts`), /There is no job file at .*none\.ts/);
});

Deno.test("bundle job: a comment or a method of that name is no import", () => {
  checkSelfContained(
    `// require("x")\n * import("x")\nloader.import("x"); loader.require("x");`,
    "a.ts",
  );
  throws(() => checkSelfContained(`const x = import("y");`, "a.ts"), /would import "y"/);
});
