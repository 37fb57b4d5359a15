/**
 * The runner process: frames of `runner_frames.ts` in on stdin, out on stdout.
 *
 * Touches the process: standard streams, clock, exit. It ends when stdin ends, because then the agent has.
 *
 * @module
 */
import type { LogFields } from "@shared/logger.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { denoDialer } from "@shared/platform/deno_dialer.ts";
import { systemRandom } from "@shared/platform/random.ts";
import { mqttExchangeOpener } from "../exchange/mqtt_exchange.ts";
import {
  encodeFrame,
  encodeFrameHead,
  FrameDecoder,
  type RunnerCommand,
  type RunnerReport,
} from "../runner_frames.ts";
import { evaluateJob, secureGlobals } from "./bootstrap.ts";
import { createConnectorFactory } from "./connector_factory.ts";
import { FrameWriter } from "./frame_writer.ts";
import { createReportLogger, type LogLevel } from "./report_logger.ts";
import { Runner } from "./runner.ts";
import { Turns } from "./turns.ts";

async function main(): Promise<void> {
  // Taken before the author's code loses sight of them.
  const { stdin, stdout, exit } = Deno;
  const writer = new FrameWriter(
    { write: (bytes) => stdout.write(bytes), writeSync: (bytes) => stdout.writeSync(bytes) },
    () => exit(1),
  );
  const report = (report: RunnerReport, body?: Uint8Array) => {
    writer.write(encodeFrameHead(report, body?.length ?? 0));
    if (body !== undefined) writer.write(body);
  };
  const log = (level: LogLevel, message: string, fields: LogFields) =>
    report({ kind: "log", level, message, fields });
  const logger = createReportLogger(log);
  const turns = new Turns(systemClock);
  const runner = new Runner({
    clock: systemClock,
    yieldTurn: () => turns.next(),
    report,
    evaluate: evaluateJob,
    createConnectors: (of) =>
      createConnectorFactory({
        ...of,
        clock: systemClock,
        random: systemRandom,
        logger,
        dial: denoDialer,
      }),
    openExchange: mqttExchangeOpener({
      dial: denoDialer,
      clock: systemClock,
      random: systemRandom,
    }),
    stopDead: (name) => {
      writer.writeNow(encodeFrame({ kind: "failPoint", name }));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    },
    exit: (code) => void writer.drained().then(() => exit(code)),
  });
  secureGlobals(log);
  const decoder = new FrameDecoder<RunnerCommand>();
  for await (const chunk of stdin.readable) {
    decoder.push(chunk, (command, body) => {
      if (command.kind === "init" && command.failPoint !== null) writer.writeSynchronously();
      runner.handle(command, body);
    });
  }
  exit(0);
}

void main();
