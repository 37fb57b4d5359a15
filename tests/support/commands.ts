/** What the test services have in common: programs, packages, ports, and how a missing one is told. */

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly timeoutMs?: number;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Runs as this user; only root may. */
  readonly user?: UserId | null;
}

export interface UserId {
  readonly uid: number;
  readonly gid: number;
}

const RUN_TIMEOUT_MS = 60_000;
const INSTALL_TIMEOUT_MS = 600_000;

/** Runs a program to its end, killed at the time limit. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  const output = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    signal: AbortSignal.timeout(options.timeoutMs ?? RUN_TIMEOUT_MS),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.user ?? {}),
  }).output();
  const decoder = new TextDecoder();
  return {
    code: output.code,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
}

/** As `run`, and throws with the program's own words unless it ended with 0. */
export async function runOrThrow(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  const ran = await run(program, args, options);
  if (ran.code === 0) return ran;
  throw new Error(
    `${program} ${args.join(" ")} ended with ${ran.code}: ${
      (ran.stderr + ran.stdout).slice(-2000)
    }`,
  );
}

/** Path of a program on PATH or in one of `folders`; null when it is in none. */
export function findProgram(name: string, folders: readonly string[] = []): string | null {
  const onPath = (Deno.env.get("PATH") ?? "").split(":");
  for (const folder of [...onPath, ...folders]) {
    const path = `${folder}/${name}`;
    if (folder !== "" && isFile(path)) return path;
  }
  return null;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * Installs Debian packages, when this process is root on Debian.
 *
 * @returns Null when they are installed now, else why they are not.
 */
export async function installPackages(packages: readonly string[]): Promise<string | null> {
  if (findProgram("apt-get") === null) return "there is no apt-get here";
  if (Deno.uid() !== 0) return "only root can install Debian packages";
  const options = {
    timeoutMs: INSTALL_TIMEOUT_MS,
    env: { DEBIAN_FRONTEND: "noninteractive" },
  };
  if (!hasPackageLists()) {
    const update = await run("apt-get", ["update"], options);
    if (update.code !== 0) return `apt-get update failed: ${update.stderr.slice(-300)}`;
  }
  const args = ["install", "-y", "--no-install-recommends", ...packages];
  let installed = await run("apt-get", args, options);
  if (installed.code !== 0) {
    await run("apt-get", ["update"], options);
    installed = await run("apt-get", args, options);
  }
  return installed.code === 0 ? null : `apt-get install failed: ${installed.stderr.slice(-300)}`;
}

function hasPackageLists(): boolean {
  try {
    return [...Deno.readDirSync("/var/lib/apt/lists")].some(({ name }) =>
      name.includes("_Packages")
    );
  } catch {
    return false;
  }
}

/** A TCP port that was free a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks until `isReady` says so; throws naming `what` at the time limit. */
export async function waitUntil(
  what: string,
  isReady: () => Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!await isReady()) {
    if (performance.now() > endMs) throw new Error(`${what} was not ready within ${timeoutMs} ms`);
    await pause(50);
  }
}

export async function accepts(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

/** A directory in the system's temporary one, open to `user`, gone with `remove`. */
export async function temporaryDirectory(
  name: string,
  user: UserId | null = null,
): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await Deno.makeTempDir({ prefix: `penstock-${name}-` });
  if (user !== null) await Deno.chown(path, user.uid, user.gid);
  return { path, remove: () => Deno.remove(path, { recursive: true }).catch(() => {}) };
}

/** Marks the line by which the test runner counts what was left out. */
export const SKIP_MARK = "SKIPPED SERVICE:";

/** A program a test needs: where it is, or why it is not to be had. */
export type Found<T> =
  | { readonly kind: "found"; readonly value: T }
  | { readonly kind: "missing"; readonly service: string; readonly reason: string };

/**
 * Whether a service is to be had; says aloud that it is not, so that its tests are left out knowingly.
 *
 * @throws {Error} With CI=true, where nothing may be left out.
 */
export function isFound<T>(found: Found<T>): boolean {
  if (found.kind === "found") return true;
  const message = `${SKIP_MARK} ${found.service}: ${found.reason}`;
  if (Deno.env.get("CI") === "true") throw new Error(message);
  Deno.stderr.writeSync(new TextEncoder().encode(`${message}\n`));
  return false;
}

/** @throws {Error} When it was not found. */
export function theFound<T>(found: Found<T>): T {
  if (found.kind === "found") return found.value;
  throw new Error(`There is no ${found.service}: ${found.reason}`);
}

/** Asks once in this process; a search may install a package. */
export function once<T>(search: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | null = null;
  return () => found ??= search();
}

/** Waits for a child to end, and kills it when it does not within `timeoutMs`. */
export async function ended(child: Deno.ChildProcess, timeoutMs = 10_000): Promise<void> {
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  await child.status;
  clearTimeout(timer);
}
