/**
 * Makes one CommonJS text of a job file and everything it imports.
 *
 * The text is what a deployment sends: hub and runner evaluate it as a function body with nothing to
 * import from. `penstock` is the SDK of this project, wherever the job file lies.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { UserError } from "@shared/errors.ts";
import type { Digest } from "@shared/ids.ts";
import { PROJECT_ROOT, runDeno } from "./run_deno.ts";

/** Bundling one file; the first one on a machine also fetches the bundler. */
const BUNDLE_TIMEOUT_MS = 120_000;

export interface JobBundle {
  /** CommonJS text whose `module.exports.default` is the job. */
  readonly bundle: string;
  /** SHA-256 of the text in UTF-8. */
  readonly digest: Digest;
}

/**
 * Bundles the job file at `path`.
 *
 * @param path Path of a TypeScript or JavaScript file, absolute or relative to the working directory.
 * @throws {UserError} `job-file-not-found`, `bundle-failed` with what the bundler said, or
 *   `bundle-not-self-contained` if something would still have to be imported at run time.
 */
export async function bundleJob(path: string): Promise<JobBundle> {
  const file = await checkedJobFile(path);
  const folder = await Deno.makeTempDir({ prefix: "penstock-bundle-" });
  try {
    const output = `${folder}/job.js`;
    const outcome = await runDeno(
      ["bundle", "--config", `${PROJECT_ROOT}/deno.json`, ...BUNDLE_FLAGS, "-o", output, file],
      null,
      { timeoutMs: BUNDLE_TIMEOUT_MS },
    );
    if (!outcome.isOk) {
      throw new UserError("bundle-failed", `Cannot bundle ${path}:\n${outcome.stderr.trim()}`);
    }
    const bundle = await Deno.readTextFile(output);
    checkSelfContained(bundle, path);
    return { bundle, digest: createHash("sha256").update(bundle).digest("hex") as Digest };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const BUNDLE_FLAGS = ["--quiet", "--no-lock", "--format", "cjs", "--platform", "deno"];

/**
 * Absolute path of a job file.
 *
 * @throws {UserError} `job-file-not-found`.
 */
export async function checkedJobFile(path: string): Promise<string> {
  try {
    const file = await Deno.realPath(path);
    if ((await Deno.stat(file)).isFile) return file;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  throw new UserError("job-file-not-found", `There is no job file at ${path}`);
}

/** What the bundler leaves of an import that it could not put into the text. */
const REMAINING_IMPORT = /(?<![.\w$])(?:__require|require|import)\s*\(\s*(["'`])([^"'`]*)\1/;
const REMAINING_DYNAMIC_IMPORT = /(?<![.\w$])import\s*\((?!\s*["'`])/;

/**
 * @throws {UserError} `bundle-not-self-contained`, naming the first import left and its line in the bundle.
 */
export function checkSelfContained(bundle: string, path: string): void {
  for (const [index, line] of bundle.split("\n").entries()) {
    if (/^\s*(?:\/\/|\*|\/\*)/.test(line)) continue;
    const found = REMAINING_IMPORT.exec(line);
    if (found === null && !REMAINING_DYNAMIC_IMPORT.test(line)) continue;
    const what = found === null ? "a module named at run time" : `"${found[2]}"`;
    throw new UserError(
      "bundle-not-self-contained",
      `${path} would import ${what} at run time (line ${index + 1} of the bundle: ${
        line.trim().slice(0, 120)
      }): a job has no modules where it runs, so import what can be bundled and leave out node: modules`,
    );
  }
}
