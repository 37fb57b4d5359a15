import { equal, match, notEqual, rejects } from "node:assert/strict";
import { ensureBundle } from "./build_bundles.ts";
import { runDeno } from "./run_deno.ts";

/** A project of the shape that bundles are made of, in a folder of its own. */
async function project(
  files: Record<string, string> = {},
): Promise<{ root: string; dist: string }> {
  const root = await Deno.makeTempDir({ prefix: "penstock-test-" });
  const all = {
    "agent/runner/main.ts": `import { word } from "@shared/word.ts";\nconsole.log(word);`,
    "agent/start.ts": `console.log("agent");`,
    "shared/word.ts": `export const word: string = "hello";`,
    "deno.json": `{ "imports": { "@shared/": "./shared/" } }`,
    "deno.lock": `{ "version": "5" }`,
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    await Deno.mkdir(`${root}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${root}/${name}`, text);
  }
  return { root, dist: `${root}/dist` };
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map((item) => item.name);
}

Deno.test("build bundles: makes one file that runs alone", async () => {
  const where = await project();
  const path = await ensureBundle("runner", where);
  const outcome = await runDeno(["run", "--no-config", "--no-remote", path], null, {
    timeoutMs: 10_000,
  });
  equal(outcome.stdout, "hello\n");
  await Deno.remove(where.root, { recursive: true });
});

Deno.test("build bundles: what runs on an agent is strict, as modules are", async () => {
  const where = await project({
    "agent/runner/main.ts": `const held: { a: number } = Object.freeze({ a: 1 });
try {
  held.a = 2;
  console.log("sloppy");
} catch {
  console.log("strict");
}
export function seen(job: () => unknown): unknown {
  return job();
}
const job = new Function("return arguments.callee.caller") as () => unknown;
console.log(seen(job));`,
  });
  const path = await ensureBundle("runner", where);
  const outcome = await runDeno(["run", "--no-config", "--no-remote", path], null, {
    timeoutMs: 10_000,
  });
  equal(outcome.stdout, "strict\nnull\n");
  await Deno.remove(where.root, { recursive: true });
});

Deno.test("build bundles: makes nothing while sources are the same, and anew when one changed", async () => {
  const where = await project();
  const first = await ensureBundle("runner", where);
  const madeAt = (await Deno.stat(first)).mtime?.getTime();
  equal(await ensureBundle("runner", where), first);
  equal((await Deno.stat(first)).mtime?.getTime(), madeAt);

  await Deno.writeTextFile(`${where.root}/shared/word_test.ts`, "// a test is no source");
  equal(await ensureBundle("runner", where), first);

  await Deno.writeTextFile(`${where.root}/shared/word.ts`, `export const word = "bye";`);
  const second = await ensureBundle("runner", where);
  notEqual(second, first);
  match(await Deno.readTextFile(second), /bye/);
  await Deno.remove(where.root, { recursive: true });
});

Deno.test("build bundles: calls at the same time leave one file", async () => {
  const where = await project();
  const paths = await Promise.all([1, 2, 3].map(() => ensureBundle("agent", where)));
  equal(new Set(paths).size, 1);
  equal((await namesIn(where.dist)).length, 1);
  await Deno.remove(where.root, { recursive: true });
});

Deno.test("build bundles: tells what the bundler said and leaves nothing behind", async () => {
  const where = await project({ "agent/start.ts": `import "./nowhere.ts";` });
  await rejects(ensureBundle("agent", where), /Cannot bundle .*agent\/start\.ts[^]*nowhere\.ts/);
  equal((await namesIn(where.dist)).length, 0);
  await Deno.remove(where.root, { recursive: true });
});
