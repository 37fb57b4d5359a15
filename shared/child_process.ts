/** A child process, as a port. @module */

export interface ChildExit {
  readonly code: number;
  /** `SIGKILL`, `SIGTRAP`, …; null when the process ended by itself. */
  readonly signal: string | null;
}

export interface ChildProcess {
  readonly pid: number;
  readonly stdin: WritableStream<Uint8Array>;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly exited: Promise<ChildExit>;
  /** Kills it at once; killing a process that has ended is no error. */
  kill(): void;
}

/** Starts this program's own executable with `args`, without this process's environment. */
export type SpawnChild = (args: readonly string[]) => ChildProcess;
