/**
 * `deno task demo`: the main job on one machine, told step by step, verified, then left up to look at.
 *
 * Touches everything: it starts a broker, a hub and two agents as processes below a temporary folder.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { messageOf, PenstockError, UserError } from "@shared/errors.ts";
import { systemRandom } from "@shared/platform/random.ts";
import { LocalCluster } from "../cluster/cluster.ts";
import { note, print } from "../cli/terminal.ts";
import { PROJECT_ROOT } from "../build/run_deno.ts";
import { Plant } from "./plant.ts";
import { readRecordings } from "./recording.ts";
import { type Report, tellStory } from "./story.ts";

const HELP = `deno task demo [--broker mqtt://…] [--input DIR|FILE.csv] [--speed X]
               [--port 8080] [--exit] [--report FILE]

  --broker   use this broker instead of the embedded one
  --input    replay recorded CSV (";"-separated, time first) instead of the simulated plant
  --speed    rows per second of a replay; default 10
  --exit     end after the story; without it everything stays up until Ctrl-C
  --report   write the results as JSON`;

const SIMULATED_PERIOD_MS = 100;

interface DemoFlags {
  readonly broker: string | null;
  readonly input: string | null;
  readonly speed: number;
  readonly port: number;
  readonly isExiting: boolean;
  readonly report: string | null;
}

function readFlags(args: readonly string[]): DemoFlags | "help" {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        broker: { type: "string" },
        input: { type: "string" },
        speed: { type: "string", default: "10" },
        port: { type: "string", default: "8080" },
        exit: { type: "boolean", default: false },
        report: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    }));
  } catch (cause) {
    throw new UserError("bad-flag", messageOf(cause), { cause });
  }
  if (values.help) return "help";
  const speed = Number(values.speed);
  if (!(speed > 0 && speed <= 1000)) {
    throw new UserError("bad-flag", `--speed ${values.speed}: want rows per second, 0 to 1000`);
  }
  return {
    broker: values.broker ?? null,
    input: values.input ?? null,
    speed,
    port: Number(values.port),
    isExiting: values.exit,
    report: values.report ?? null,
  };
}

async function demo(flags: DemoFlags): Promise<void> {
  const startMs = performance.now();
  const say = (step: string) => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(6);
    print(`${seconds} s  ${step}`);
  };
  // Read first: a wrong path must be known before anything starts.
  const recordings = flags.input === null ? null : readRecordings(flags.input);
  const folder = await Deno.makeTempDir({ prefix: "penstock-demo-" });
  const cluster = new LocalCluster({
    folder,
    brokerUrl: flags.broker,
    hubPort: flags.port,
    hubFlags: ["--checkpoint-interval", "2s"],
  });
  const interrupted = untilInterrupted();
  let plant: Plant | null = null;
  try {
    await cluster.startBroker();
    say(`broker: ${flags.broker ?? "embedded, in memory"}`);
    await cluster.startHub();
    say(`hub is ready; dashboard: ${cluster.hubUrl}/#token=${cluster.adminToken}`);
    const random = systemRandom;
    plant = recordings === null
      ? await Plant.simulated({
        brokerUrl: cluster.brokerUrl,
        random,
        periodMs: SIMULATED_PERIOD_MS,
      })
      : await Plant.replayed(
        { brokerUrl: cluster.brokerUrl, random, periodMs: 1000 / flags.speed },
        recordings,
      );
    const told = tellStory({
      cluster,
      plant,
      jobFile: `${PROJECT_ROOT}/examples/${recordings === null ? "demo_plant" : "skab_rig"}.ts`,
      breakMachine: recordings === null ? "pump-11" : null,
      say,
    });
    const report = await Promise.race([told, interrupted]);
    if (report === "interrupted") return;
    finish(report, flags, say);
    if (flags.isExiting) return;
    plant.run();
    say(`Everything stays up: ${cluster.hubUrl}/#token=${cluster.adminToken}  Ctrl-C ends it.`);
    await interrupted;
  } finally {
    await plant?.stop();
    await cluster.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

function finish(report: Report, flags: DemoFlags, say: (step: string) => void): void {
  say(
    `published ${report.published}, counted ${report.counted}, in the recorded gap ${report.gap}, ` +
      `missing: ${report.missing}, duplicates: ${report.duplicates}`,
  );
  if (flags.report !== null) {
    Deno.writeTextFileSync(flags.report, JSON.stringify(report, null, 2) + "\n");
  }
}

function untilInterrupted(): Promise<"interrupted"> {
  const { promise, resolve } = Promise.withResolvers<"interrupted">();
  Deno.addSignalListener("SIGINT", () => resolve("interrupted"));
  Deno.addSignalListener("SIGTERM", () => resolve("interrupted"));
  return promise;
}

function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

if (import.meta.main) {
  try {
    const flags = readFlags(Deno.args);
    if (flags === "help") print(HELP);
    else await demo(flags);
    Deno.exit(0);
  } catch (thrown) {
    note(thrown instanceof PenstockError ? `Error: ${thrown.message}` : stackOf(thrown));
    Deno.exit(thrown instanceof UserError ? 2 : 1);
  }
}
