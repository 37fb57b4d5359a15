/** Starts child processes of this program's own executable. Touches the process table. @module */
import type { ChildProcess } from "@shared/child_process.ts";

/**
 * All a child sees of an environment: plain error text, and one arena of the C library's memory, because
 * each arena keeps what it has freed.
 */
const CHILD_ENVIRONMENT = { NO_COLOR: "1", MALLOC_ARENA_MAX: "1" };

/** Starts `<this deno> …args`, with nothing of this process's environment. */
export function spawnSelf(args: readonly string[]): ChildProcess {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    clearEnv: true,
    env: CHILD_ENVIRONMENT,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return {
    pid: child.pid,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exited: child.status.then(({ code, signal }) => ({ code, signal })),
    kill() {
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
      }
    },
  };
}
