/**
 * One runner process: frames in, frames out, and the end it comes to.
 *
 * Touches the process through the port it is given.
 *
 *   starting ── ready ──▶ ready ── end() ──▶ ending ── exit ──▶ exited
 *        └── broken, no ready in time ──┴── exit, kill() ────────────▲
 *
 *  1. `onExit` is called once, behind the last report.
 *  2. (F42) A runner that owes metrics and brings none for `SILENT_TICKS_MAX` ticks is killed.
 *     Ticks, not time: an agent that was itself stopped for a while kills nobody.
 *  3. What a runner says on standard error is bounded, in the log and in memory.
 *
 * @module
 */
import type { ChildExit, ChildProcess } from "@shared/child_process.ts";
import type { Clock } from "@shared/clock.ts";
import { messageOf, PenstockError } from "@shared/errors.ts";
import type { Logger } from "@shared/logger.ts";
import {
  encodeFrame,
  FrameDecoder,
  type RunnerCommand,
  type RunnerReport,
} from "./runner_frames.ts";

/** From the start of the process to `ready`: a bundle that loops at the top is ended. */
export const READY_TIMEOUT_MS = 30_000;
/** From closing its input to killing it. */
export const END_GRACE_MS = 2_000;
export const WATCHDOG_TICK_MS = 1_000;
/** Ticks without metrics after which a running runner counts as stuck. */
export const SILENT_TICKS_MAX = 15;
/** Standard error that is logged, of one runner. */
const STDERR_LOGGED_MAX = 64 * 1024;
/** End of standard error in which the reason of an exit is looked for. */
const STDERR_TAIL_CHARS = 16 * 1024;
/** Of the reason, how much is shown. */
const REASON_CHARS_MAX = 500;

export interface RunnerExit {
  readonly reason: string;
  readonly isRetryable: boolean;
}

export interface RunnerProcessOptions {
  readonly child: ChildProcess;
  readonly heapMb: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether a region runs in it, so that it owes metrics. */
  readonly owesMetrics: () => boolean;
  readonly onReport: (report: RunnerReport, body: Uint8Array) => void;
  readonly onExit: (exit: RunnerExit) => void;
}

export class RunnerProcess {
  readonly #options: RunnerProcessOptions;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #ready = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<void>();
  readonly #cancelReadyTimeout: () => void;
  #cancelTick: () => void = () => {};
  #silentTicks = 0;
  #stderrTail = "";
  #stderrLogged = 0;
  /** Why it was killed or said that it is broken; the exit tells the rest. */
  #verdict: RunnerExit | null = null;

  constructor(options: RunnerProcessOptions) {
    this.#options = options;
    this.#input = options.child.stdin.getWriter();
    this.#input.closed.catch(() => {});
    this.#ready.promise.catch(() => {});
    this.#cancelReadyTimeout = options.clock.after(READY_TIMEOUT_MS, () => {
      this.kill(`The runner was not ready within ${READY_TIMEOUT_MS / 1000} s`);
    });
    this.#tick();
    void this.#watch();
  }

  get pid(): number {
    return this.#options.child.pid;
  }

  /** Resolves when the job's bundle is loaded; rejects with a `PenstockError` when it exits before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Resolves when the process has ended. */
  get exited(): Promise<void> {
    return this.#exited.promise;
  }

  /** Resolves when the runner has taken the frame; a runner that has ended takes it and does nothing. */
  async send(command: RunnerCommand, body?: Uint8Array): Promise<void> {
    try {
      await this.#input.write(encodeFrame(command, body));
    } catch {
      // A broken pipe is the exit of the runner, which is reported as such.
    }
  }

  /** Ends it: input closed, then killed after `END_GRACE_MS`. */
  async end(): Promise<void> {
    this.#verdict ??= { reason: "The runner was ended", isRetryable: true };
    this.#input.close().catch(() => {});
    const cancel = this.#options.clock.after(END_GRACE_MS, () => this.#options.child.kill());
    await this.exited;
    cancel();
  }

  kill(reason: string): void {
    this.#verdict ??= { reason, isRetryable: true };
    this.#options.child.kill();
  }

  async #watch(): Promise<void> {
    const { child } = this.#options;
    const [exit] = await Promise.all([child.exited, this.#readReports(), this.#readStderr()]);
    this.#cancelReadyTimeout();
    this.#cancelTick();
    const { reason, isRetryable } = this.#verdict ??
      { reason: this.#describe(exit), isRetryable: true };
    this.#ready.reject(
      new PenstockError(reason, { code: "runner-exited", domain: "user", isRetryable }),
    );
    this.#exited.resolve();
    this.#options.onExit({ reason, isRetryable });
  }

  async #readReports(): Promise<void> {
    const decoder = new FrameDecoder<RunnerReport>();
    try {
      for await (const chunk of this.#options.child.stdout) {
        decoder.push(chunk, (report, body) => this.#received(report, body));
      }
    } catch (error) {
      this.kill(`The runner's output is broken: ${messageOf(error)}`);
    }
  }

  #received(report: RunnerReport, body: Uint8Array): void {
    switch (report.kind) {
      case "ready":
        this.#cancelReadyTimeout();
        this.#ready.resolve();
        return;
      case "broken":
        this.#verdict ??= { reason: report.message, isRetryable: false };
        return;
      case "metrics":
        this.#silentTicks = 0;
        break;
    }
    this.#options.onReport(report, body);
  }

  async #readStderr(): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of this.#options.child.stderr) {
        const text = decoder.decode(chunk, { stream: true });
        this.#stderrTail = (this.#stderrTail + text).slice(-STDERR_TAIL_CHARS);
        this.#logStderr(text);
      }
    } catch {
      // The pipe ends with the process.
    }
  }

  #logStderr(text: string): void {
    if (this.#stderrLogged >= STDERR_LOGGED_MAX) return;
    this.#stderrLogged += text.length;
    const isLast = this.#stderrLogged >= STDERR_LOGGED_MAX;
    this.#options.logger.warn("Runner wrote to standard error", {
      pid: this.pid,
      text: text.slice(0, STDERR_LOGGED_MAX),
      ...(isLast ? { note: "what follows is not logged" } : {}),
    });
  }

  #tick(): void {
    this.#silentTicks = this.#options.owesMetrics() ? this.#silentTicks + 1 : 0;
    if (this.#silentTicks >= SILENT_TICKS_MAX) {
      this.kill(`The runner was busy for ${SILENT_TICKS_MAX} s without a sign of life`);
      return;
    }
    this.#cancelTick = this.#options.clock.after(WATCHDOG_TICK_MS, () => this.#tick());
  }

  #describe({ code, signal }: ChildExit): string {
    const lines = this.#stderrTail.split("\n").map((line) => line.trim()).filter((line) =>
      line !== ""
    );
    if (lines.some((line) => /out of memory|heap limit/i.test(line))) {
      return `The runner ran out of memory: its heap limit is ${this.#options.heapMb} MB`;
    }
    const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
    // A stack follows the line that says what went wrong.
    const said = lines.find((line) => /error|fatal|panic/i.test(line)) ?? lines.at(-1);
    return `The runner ${how}${said === undefined ? "" : `: ${said.slice(0, REASON_CHARS_MAX)}`}`;
  }
}
