/**
 * A runner process as an agent starts it, spoken to by frames.
 */
import { strictEqual } from "node:assert/strict";
import type { Digest } from "@shared/ids.ts";
import type { BrokerConfig } from "@shared/messages.ts";
import { runnerArguments } from "../../agent/runner_command.ts";
import {
  encodeFrame,
  FrameDecoder,
  type RunnerCommand,
  type RunnerReport,
} from "../../agent/runner_frames.ts";

const TIMEOUT_MS = 30_000;

/** A runner process and everything it reported. */
export class RunnerUnderTest {
  readonly child: Deno.ChildProcess;
  readonly reports: RunnerReport[] = [];
  readonly pieces = new Map<Digest, Uint8Array>();
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #changed = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;

  readonly #brokers: readonly BrokerConfig[];

  constructor(bundle: string, brokers: readonly BrokerConfig[] = []) {
    this.#brokers = brokers;
    this.child = new Deno.Command(Deno.execPath(), {
      args: runnerArguments({ runnerBundle: bundle, brokers, heapMb: 128 }),
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
      clearEnv: true,
    }).spawn();
    this.#input = this.child.stdin.getWriter();
    this.#ended = this.#read();
  }

  async send(command: RunnerCommand, body?: Uint8Array): Promise<void> {
    await this.#input.write(encodeFrame(command, body));
  }

  init(job: string, failPoint: string | null = null): Promise<void> {
    const command = {
      kind: "init",
      jobId: "job",
      jobName: "test",
      params: {},
    } as const;
    const brokers = this.#brokers;
    return this.send({ ...command, brokers, failPoint }, new TextEncoder().encode(job));
  }

  /** The first report of this kind for which `isIt` holds. */
  async report<K extends RunnerReport["kind"]>(
    kind: K,
    isIt: (report: Extract<RunnerReport, { kind: K }>) => boolean = () => true,
  ): Promise<Extract<RunnerReport, { kind: K }>> {
    const deadline = AbortSignal.timeout(TIMEOUT_MS);
    for (;;) {
      for (const report of this.reports) {
        const candidate = report as Extract<RunnerReport, { kind: K }>;
        if (report.kind === kind && isIt(candidate)) return candidate;
      }
      if (deadline.aborted) throw new Error(`No "${kind}" within ${TIMEOUT_MS} ms`);
      await this.#changed.promise;
    }
  }

  /** Closes its input, as the death of the agent does, and waits for its end. */
  async end(): Promise<Deno.CommandStatus> {
    await this.#input.close().catch(() => {});
    const status = await this.child.status;
    await this.#ended;
    return status;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.end();
  }

  async #read(): Promise<void> {
    const decoder = new FrameDecoder<RunnerReport>();
    for await (const chunk of this.child.stdout) {
      decoder.push(chunk, (report, body) => {
        this.reports.push(report);
        if (report.kind === "piece") this.pieces.set(report.digest, body);
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      });
    }
  }
}

/** Bundles the runner for `body`, and removes it again. */
export async function withRunnerBundle(body: (bundle: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const bundle = `${directory}/runner.js`;
    const entry = new URL("../../agent/runner/main.ts", import.meta.url).pathname;
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", "--platform=deno", "--output", bundle, entry],
    }).output();
    strictEqual(success, true, "The runner does not bundle");
    await body(bundle);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
