/** Starts child processes of this program's own executable. Touches the process table. @module */
import type { ChildProcess } from "@shared/child_process.ts";

/** Starts `<this deno> …args`; of the environment the child gets only the wish for plain error text. */
export function spawnSelf(args: readonly string[]): ChildProcess {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    clearEnv: true,
    env: { NO_COLOR: "1" },
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
