/** Starts child processes of this program's own executable. Touches the process table. @module */
import type { ChildProcess } from "@shared/child_process.ts";

/**
 * All a child sees of an environment: plain error text, and one arena of the C library's memory, because
 * each arena keeps what it has freed.
 */
const CHILD_ENVIRONMENT = { NO_COLOR: "1", MALLOC_ARENA_MAX: "1" };

/**
 * Ends process $2 when process $1 is gone. A runner whose author's code loops for ever never sees its stdin
 * end, so somebody else has to see that its agent was killed.
 */
const GUARD = 'while kill -0 "$2"; do kill -0 "$1" || { kill -9 "$2"; exit; }; sleep 2; done';

/** `spawnSelf`, with a child that does not outlive this process, however this process ends. */
export function spawnGuarded(args: readonly string[]): ChildProcess {
  const child = spawnSelf(args);
  try {
    new Deno.Command("/bin/sh", {
      args: ["-c", GUARD, "guard", String(Deno.pid), String(child.pid)],
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn().unref();
  } catch (error) {
    // Where there is no shell a child still ends with its stdin, unless it loops.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return child;
}

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
