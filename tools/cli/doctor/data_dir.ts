/**
 * Whether a data directory can be relied on: rights, secrets, lock, space, and how long fsync takes.
 *
 * Touches the directory: writes a file of its own and takes it away again.
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { size } from "../output.ts";
import { fail, type Finding, graded, ok, warn } from "./finding.ts";

const SPACE_WARN_BYTES = 1_000_000_000;
const SPACE_FAIL_BYTES = 200_000_000;
const FSYNC_COUNT = 100;
const FSYNC_BYTES = 4096;
const FSYNC_WARN_MS = 50;
const FSYNC_FAIL_MS = 1_000;
const DIRECTORY_FLAGS = { hub: "--data-dir", agent: "--agent-dir" } as const;

/** @param secrets Files below it that nobody else may read. */
export async function dataDirFindings(
  directory: string,
  options: { readonly kind: "hub" | "agent"; readonly secrets: readonly string[] },
): Promise<Finding[]> {
  const name = (what: string) => `${options.kind} data: ${what}`;
  const info = await Deno.stat(directory).catch(() => null);
  if (info === null || !info.isDirectory) {
    const found = info === null ? `${directory} is not there` : `${directory} is no directory`;
    return [
      fail(
        name("directory"),
        found,
        `Make it, or name the right one: ${DIRECTORY_FLAGS[options.kind]}`,
      ),
    ];
  }
  const latencies = await fsyncLatencies(directory);
  const writable = latencies instanceof Error
    ? fail(
      name("rights"),
      `cannot write into ${directory}: ${latencies.message}`,
      `Give it to the user that runs the ${options.kind}: chown -R USER ${directory}`,
    )
    : ok(name("rights"), `${directory} can be written`);
  return [
    writable,
    ...await secretFindings(name("secrets"), directory, options.secrets),
    await lockFinding(name("process"), directory, options.kind),
    spaceFinding(name("space"), await freeBytes(directory)),
    ...(latencies instanceof Error ? [] : [fsyncFinding(name("fsync"), latencies)]),
  ];
}

/** Milliseconds that each write with fsync took; or why none could be made. */
async function fsyncLatencies(directory: string): Promise<number[] | Error> {
  const path = `${directory}/.doctor-${Deno.pid}`;
  try {
    using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    const bytes = new Uint8Array(FSYNC_BYTES);
    const taken: number[] = [];
    for (let count = 0; count < FSYNC_COUNT; count++) {
      const startMs = performance.now();
      await file.write(bytes);
      await file.syncData();
      taken.push(performance.now() - startMs);
    }
    return taken;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    await Deno.remove(path).catch(() => {});
  }
}

export function fsyncFinding(check: string, latenciesMs: readonly number[]): Finding {
  const sorted = [...latenciesMs].sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  const [p50, p99] = [at(0.5), at(0.99)];
  return graded(check, p99, {
    warnFrom: FSYNC_WARN_MS,
    failFrom: FSYNC_FAIL_MS,
    found: `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`,
    fix: "Checkpoints wait for the disk: take another one, or end what else writes to it",
  });
}

export function spaceFinding(check: string, free: number): Finding {
  const found = `${size(free)} free`;
  const fix = "Make room: a full disk stops checkpoints, then the job";
  if (free < SPACE_FAIL_BYTES) return fail(check, found, fix);
  return free < SPACE_WARN_BYTES ? warn(check, found, fix) : ok(check, found);
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return Number(bavail) * Number(bsize);
}

async function secretFindings(
  check: string,
  directory: string,
  secrets: readonly string[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const secret of secrets) {
    const path = `${directory}/${secret}`;
    const info = await Deno.stat(path).catch(() => null);
    if (info === null) continue;
    const mode = (info.mode ?? 0) & 0o777;
    const shown = `${secret} has mode ${mode.toString(8)}`;
    findings.push(
      (mode & 0o077) === 0
        ? ok(check, shown)
        : fail(check, `${shown}: others on this machine can read it`, `chmod 600 ${path}`),
    );
  }
  return findings;
}

async function lockFinding(
  check: string,
  directory: string,
  kind: "hub" | "agent",
): Promise<Finding> {
  const folder = directory.replace(/\/+$/, "");
  const path = kind === "hub" ? `${folder}/database.lock` : `${folder}.lock`;
  const start = `Start it: penstock ${kind} start --data-dir ${directory}`;
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true, write: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return kind === "hub"
        ? ok(check, "no embedded database here, so no lock")
        : warn(check, "never started here", start);
    }
    return fail(check, (error as Error).message, `Make ${path} readable`);
  }
  try {
    if (await file.tryLock(true)) {
      await file.unlock();
      return warn(check, `no ${kind} runs on this directory`, start);
    }
    return ok(check, `process ${(await Deno.readTextFile(path)).trim()} runs on it`);
  } finally {
    file.close();
  }
}
