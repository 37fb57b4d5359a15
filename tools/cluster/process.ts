/**
 * One process of a local cluster: started from this project, its output kept in a log file.
 *
 * Touches processes and files. Used by the demo, the end-to-end tests and the benchmarks.
 *
 * @module
 */
import { PenstockError } from "@shared/errors.ts";
import { PROJECT_ROOT } from "../build/run_deno.ts";

/** Last output lines kept in memory for error messages. */
const TAIL_LINES_MAX = 30;

export interface ProcessOptions {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly logFile: string;
}

export class ClusterProcess {
  readonly name: string;
  readonly startedAtMs = performance.now();
  readonly #child: Deno.ChildProcess;
  readonly #tail: string[] = [];
  readonly #waiters: { pattern: RegExp; resolve: (line: string) => void }[] = [];
  #exit: Deno.CommandStatus | null = null;
  readonly exited: Promise<Deno.CommandStatus>;

  constructor(name: string, options: ProcessOptions) {
    this.name = name;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [...options.args],
      cwd: PROJECT_ROOT,
      env: { ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const log = Deno.openSync(options.logFile, { create: true, append: true });
    const drained = Promise.all([
      this.#follow(this.#child.stdout, log),
      this.#follow(this.#child.stderr, log),
    ]);
    this.exited = this.#child.status.then(async (status) => {
      this.#exit = status;
      await drained;
      log.close();
      return status;
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  get isAlive(): boolean {
    return this.#exit === null;
  }

  /** Sends a signal; a process that is gone already is left in peace. */
  signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // Gone between our look and the signal.
    }
  }

  /** Asks it to stop and kills it when it has not within `graceMs`. */
  async stop(graceMs = 5000): Promise<void> {
    if (!this.isAlive) return;
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited;
  }

  /**
   * The first output line, past or coming, that matches.
   *
   * @throws {PenstockError} When the process ends or `timeoutMs` passes first; the message has its last lines.
   */
  async line(pattern: RegExp, timeoutMs: number): Promise<string> {
    const seen = this.#tail.find((line) => pattern.test(line));
    if (seen !== undefined) return seen;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#waiters.push({ pattern, resolve });
    return await Promise.race([promise, this.#failure(`to print ${pattern}`, timeoutMs)]);
  }

  /**
   * Resolves when `probe` answers true.
   *
   * @throws {PenstockError} When the process ends or `timeoutMs` passes first.
   */
  async until(what: string, probe: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    const failure = this.#failure(what, timeoutMs);
    while (!await Promise.race([probe(), failure])) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  tail(): string {
    return this.#tail.join("\n");
  }

  #failure(what: string, timeoutMs: number): Promise<never> {
    const { promise, reject } = Promise.withResolvers<never>();
    const fail = (why: string) =>
      reject(
        new PenstockError(`Waited for ${this.name} ${what}: ${why}\n${this.tail()}`, {
          code: "process-not-ready",
          domain: "external",
        }),
      );
    const timer = setTimeout(() => fail(`not within ${timeoutMs} ms`), timeoutMs);
    Deno.unrefTimer(timer);
    this.exited.then((status) => {
      clearTimeout(timer);
      fail(`it ended with code ${status.code}${status.signal ? ` (${status.signal})` : ""}`);
    });
    promise.catch(() => {});
    return promise;
  }

  async #follow(stream: ReadableStream<Uint8Array>, log: Deno.FsFile): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      log.writeSync(chunk);
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.#take(line);
    }
  }

  #take(line: string): void {
    this.#tail.push(line);
    if (this.#tail.length > TAIL_LINES_MAX) this.#tail.shift();
    for (let i = this.#waiters.length - 1; i >= 0; i--) {
      const waiter = this.#waiters[i]!;
      if (!waiter.pattern.test(line)) continue;
      waiter.resolve(line);
      this.#waiters.splice(i, 1);
    }
  }
}

/** A TCP port that was free a moment ago. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
