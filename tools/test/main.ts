/**
 * Runs the test suites: `main.ts unit | docs | sim | services | e2e | all`.
 *
 * Each suite is one `deno test`, whose output passes through. Services that several suites need are
 * started once and handed on in the environment. The last line says how many passed and failed; the
 * exit code is 0 only when none failed.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { SKIP_MARK } from "../../tests/support/commands.ts";
import { hasS3, startS3 } from "../../tests/support/s3.ts";
import { closingLine, type Counts, countsOf, missingServices, NONE, sum } from "./report.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Files and folders of each suite, in the order `all` runs them. */
const SUITES = {
  unit: [
    "shared",
    "agent",
    "hub",
    "tools",
    "examples",
    "tests/property",
    "tests/golden",
    "tests/workloads",
    "tests/spec_test.ts",
  ],
  docs: [
    "shared/sdk",
    "shared/operators",
    "agent/local/testing.ts",
    "README.md",
    "docs/alarms.md",
    "docs/jobs_on_a_laptop.md",
    "docs/state.md",
    "docs/windows_and_joins.md",
  ],
  sim: ["tests/simulation"],
  services: ["tests/services"],
  e2e: ["tests/e2e", "tests/browser"],
} as const;
type SuiteName = keyof typeof SUITES;
/** The examples in the documentation of what authors import are tests too. */
const SUITE_FLAGS: Partial<Record<SuiteName, readonly string[]>> = { docs: ["--doc"] };
const NAMES = Object.keys(SUITES) as SuiteName[];

const SUITE_TIMEOUT_MS = 50 * 60 * 1000;
/** How long a suite may take to end by itself after SIGTERM. */
const END_TIMEOUT_MS = 10_000;

interface SuiteResult {
  readonly name: string;
  readonly counts: Counts;
  readonly missing: readonly string[];
  readonly seconds: number;
}

async function main(wanted: string): Promise<number> {
  const names = wanted === "all" ? NAMES : NAMES.filter((name) => name === wanted);
  if (names.length === 0) {
    say(`There is no suite "${wanted}": choose one of ${NAMES.join(", ")} or all`);
    return 2;
  }
  const results: SuiteResult[] = [await checkTypes(names)];
  const services = names.length > 1 ? await startShared() : null;
  try {
    for (const name of names) results.push(await runSuite(name, services?.env ?? {}));
  } finally {
    await services?.stop();
  }
  return summarise(results);
}

/** Checks once, so that one wrong file does not keep the other tests from running. */
async function checkTypes(names: readonly SuiteName[]): Promise<SuiteResult> {
  const startMs = performance.now();
  const paths = (await Promise.all(names.map((name) => presentPaths(name)))).flat();
  const { code } = await runDeno(["check", "--quiet", ...paths], {});
  return {
    name: "types",
    counts: { ...NONE, failed: code === 0 ? 0 : 1 },
    missing: [],
    seconds: (performance.now() - startMs) / 1000,
  };
}

async function runSuite(name: SuiteName, env: Record<string, string>): Promise<SuiteResult> {
  const paths = await presentPaths(name);
  if (paths.length === 0) return { name, counts: NONE, missing: [], seconds: 0 };
  say(`\n=== ${name} ===`);
  const startMs = performance.now();
  const { code, output } = await runDeno([
    "test",
    "-A",
    "--no-check",
    ...SUITE_FLAGS[name] ?? [],
    ...paths,
  ], env);
  return {
    name,
    counts: countsOf(output, code),
    missing: missingServices(output, SKIP_MARK),
    seconds: (performance.now() - startMs) / 1000,
  };
}

/** Those of the suite's paths that hold tests. */
async function presentPaths(name: SuiteName): Promise<string[]> {
  const present: string[] = [];
  for (const path of SUITES[name]) if (await holdsTests(`${root}${path}`)) present.push(path);
  return present;
}

async function holdsTests(path: string): Promise<boolean> {
  try {
    if ((await Deno.stat(path)).isFile) return true;
  } catch {
    return false;
  }
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (name.endsWith("_test.ts") || name.endsWith("_test.tsx")) return true;
    if (isDirectory && await holdsTests(`${path}/${name}`)) return true;
  }
  return false;
}

async function runDeno(
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ code: number; output: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: root,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timers = [setTimeout(() => {
    say(`\nThe suite did not end within ${SUITE_TIMEOUT_MS / 60_000} minutes and was stopped`);
    child.kill("SIGTERM");
    timers.push(setTimeout(() => child.kill("SIGKILL"), END_TIMEOUT_MS));
  }, SUITE_TIMEOUT_MS)];
  const parts: string[] = [];
  const pass = async (stream: ReadableStream<Uint8Array>, to: typeof Deno.stdout) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      writeAll(to, bytes);
      parts.push(decoder.decode(bytes, { stream: true }));
    }
  };
  await Promise.all([pass(child.stdout, Deno.stdout), pass(child.stderr, Deno.stderr)]);
  const { code } = await child.status;
  timers.forEach(clearTimeout);
  return { code, output: parts.join("") };
}

/** What is missing is told by the tests that need it, so a failure here is left to them. */
async function startShared(): Promise<
  { env: Record<string, string>; stop(): Promise<void> } | null
> {
  try {
    if (!await hasS3()) return null;
    const { url, stop } = await startS3();
    return { env: { PENSTOCK_TEST_S3_URL: url }, stop };
  } catch (thrown) {
    say(`The shared object store was not started: ${String(thrown)}`);
    return null;
  }
}

function summarise(results: readonly SuiteResult[]): number {
  const counts = results.reduce((total, result) => sum(total, result.counts), NONE);
  say("\n=== summary ===");
  for (const { name, counts, seconds } of results) {
    say(`${name.padEnd(10)} ${closingLine(counts)} (${seconds.toFixed(1)} s)`);
  }
  for (const line of new Set(results.flatMap(({ missing }) => missing))) say(line);
  say(closingLine(counts));
  return counts.failed === 0 ? 0 : 1;
}

function say(line: string): void {
  writeAll(Deno.stdout, new TextEncoder().encode(`${line}\n`));
}

function writeAll(to: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += to.writeSync(bytes.subarray(written));
}

Deno.exit(await main(Deno.args[0] ?? "all"));
