/**
 * Makes the program's own bundles: runner and agent for `deno run`, the dashboard for the browser.
 *
 * Agent and runner are kept as one text that their module evaluates. Whatever Deno loads as a module it parses
 * whole, to find its imports, and the C library's memory keeps what that took for as long as the process lives:
 * twenty megabytes for a runner. A text is compiled by the engine alone, and a function when it is called.
 *
 * A bundle lies in `dist/` under a name that holds the digest of the sources it is made of, so it is made
 * once per change, and processes that start at the same time do not disturb each other: each writes a file
 * of its own and renames it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { PenstockError } from "@shared/errors.ts";
import { PROJECT_ROOT, runDeno } from "./run_deno.ts";

export type BundleEntry = "runner" | "agent" | "dashboard";

/** What each bundle is made of; all sources under `folders` and the `files` go into its digest. */
const ENTRIES: Readonly<Record<BundleEntry, EntryPlan>> = {
  runner: {
    main: "agent/runner/main.ts",
    platform: "deno",
    folders: ["agent", "shared"],
    files: ["deno.json", "deno.lock"],
  },
  agent: {
    main: "agent/start.ts",
    platform: "deno",
    folders: ["agent", "shared"],
    files: ["deno.json", "deno.lock"],
  },
  dashboard: {
    main: "hub/dashboard/main.tsx",
    platform: "browser",
    folders: ["hub/dashboard", "shared"],
    files: ["deno.json", "deno.lock"],
  },
};

interface EntryPlan {
  readonly main: string;
  readonly platform: "deno" | "browser";
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

const BUNDLE_TIMEOUT_MS = 180_000;
/** How a bundle is made of its sources; raised with every change of that, so that none is kept from before. */
const FORM = "2";

/**
 * Path of an up-to-date bundle; makes it when there is none.
 *
 * @param entry Which program.
 * @param options `root`: the project; `dist`: where bundles are kept. Both have the usual defaults.
 * @returns Absolute path of a JavaScript file that runs alone.
 * @throws {PenstockError} `bundle-failed` with what the bundler said.
 */
export async function ensureBundle(
  entry: BundleEntry,
  options: { root?: string; dist?: string } = {},
): Promise<string> {
  const { root = PROJECT_ROOT, dist = `${PROJECT_ROOT}/dist` } = options;
  const plan = ENTRIES[entry];
  const path = `${dist}/${entry}-${await digestOfSources(root, plan)}.js`;
  if (await isFile(path)) return path;
  await Deno.mkdir(dist, { recursive: true });
  const own = await Deno.makeTempFile({ dir: dist, prefix: `${entry}-`, suffix: ".tmp.js" });
  try {
    await bundle(`${root}/${plan.main}`, own, { root, platform: plan.platform });
    if (plan.platform === "deno") {
      await Deno.writeTextFile(own, asText(await Deno.readTextFile(own), `${entry}.js`));
    }
    await Deno.chmod(own, 0o644);
    await Deno.rename(own, path);
    return path;
  } catch (error) {
    await Deno.remove(own).catch(() => {});
    throw error;
  }
}

/** A module that evaluates the CommonJS `code`; `name` is what stack traces call it. */
function asText(code: string, name: string): string {
  // Strict as the modules it is made of: a sloppy function lets the job it calls see it as its caller, and
  // writes to what is frozen without a word. Beyond ASCII a text takes two bytes for every character.
  const literal = JSON.stringify(`"use strict";${code}\n//# sourceURL=${name}\n`)
    .replace(
      /[\u0080-\uffff]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  return `import process from "node:process";\n` +
    `new Function("require", "module", "exports", ${literal})(\n` +
    `  (name) => process.getBuiltinModule(name), { exports: {} }, {});\n`;
}

async function bundle(
  main: string,
  output: string,
  options: { root: string; platform: EntryPlan["platform"] },
): Promise<void> {
  const outcome = await runDeno(
    [
      "bundle",
      "--quiet",
      "--config",
      `${options.root}/deno.json`,
      "--platform",
      options.platform,
      "--minify",
      // Stack traces of what runs on an agent end up in logs: functions keep their names.
      ...(options.platform === "deno" ? ["--format", "cjs", "--keep-names"] : []),
      "-o",
      output,
      main,
    ],
    null,
    { timeoutMs: BUNDLE_TIMEOUT_MS },
  );
  if (outcome.isOk) return;
  throw new PenstockError(`Cannot bundle ${main}:\n${outcome.stderr.trim()}`, {
    code: "bundle-failed",
    domain: "internal",
  });
}

/** First half of the SHA-256 over names and contents of all sources, tests left out, and over the form. */
async function digestOfSources(root: string, plan: EntryPlan): Promise<string> {
  const names = [...plan.files];
  for (const folder of plan.folders) names.push(...await sourcesIn(root, folder));
  const hash = createHash("sha256").update(`${FORM}\0${Deno.version.deno}`);
  for (const name of names.sort()) {
    const bytes = await Deno.readFile(`${root}/${name}`);
    hash.update(`\0${name}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex").slice(0, 32);
}

async function sourcesIn(root: string, folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const item of Deno.readDir(`${root}/${folder}`)) {
    const name = `${folder}/${item.name}`;
    if (item.isDirectory) names.push(...await sourcesIn(root, name));
    else if (/\.(ts|tsx|css|json)$/.test(name) && !/_test\.tsx?$/.test(name)) names.push(name);
  }
  return names;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
