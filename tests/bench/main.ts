/**
 * `deno task bench [--json FILE] [--only NAME,…]`: the figures of the product, with the machine.
 *
 * Touches everything. Each bench gives one or more named figures; ratios come from one run.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { note, print } from "../../tools/cli/terminal.ts";
import { machineText } from "./machine.ts";

interface Bench {
  /** Stands for all of its figures after `--only`. */
  readonly name?: string;
  readonly figures: readonly string[];
  run(): Promise<Readonly<Record<string, number>>>;
}

const BENCHES: readonly Bench[] = [
  {
    figures: ["sessionClientVsMqttjs"],
    run: async () => ({
      ...await (await import("./session_client_bench.ts")).benchSessionClient(),
    }),
  },
  {
    figures: ["snapshotPauseP99Ms", "checkpointOverhead"],
    run: async () => ({ ...await (await import("./snapshot_bench.ts")).benchSnapshot() }),
  },
  {
    figures: [
      ...["w1FilePerSecond", "w2FilePerSecond", "w4FilePerSecond"],
      ...["w1VsLoop", "w2VsLoop", "w3VsLoop", "w4VsLoop"],
    ],
    run: async () => await (await import("./file_bench.ts")).benchFile(note),
  },
  {
    figures: ["incrementalBytesRatio"],
    run: async () => ({
      ...(await import("./incremental_bench.ts")).benchIncremental(note),
    }),
  },
  {
    figures: ["w4BrokerShare", "w4CpuSecondsPerMillion", "w4RssMb"],
    run: async () => ({ ...await (await import("./w4_bench.ts")).benchW4(note) }),
  },
  {
    figures: ["exchangePerSecond", "alignmentP99Ms"],
    run: async () => ({ ...await (await import("./exchange_bench.ts")).benchExchange(note) }),
  },
  {
    figures: ["rescalePauseMs"],
    run: async () => ({ ...await (await import("./rescale_bench.ts")).benchRescale(note) }),
  },
  {
    figures: ["failoverMs", "hubRestartMs"],
    run: async () => ({ ...await (await import("./recovery_bench.ts")).benchRecovery(note) }),
  },
  {
    name: "seat",
    figures: [
      ...["overviewOpenMs", "chartOpenMs"],
      ...["seatHubRssMb", "signalsPerSecond", "sseClients"],
    ],
    run: async () => ({ ...await (await import("./seat_bench.ts")).benchSeat(note) }),
  },
  {
    name: "alarms",
    figures: ["alarmAckMs", "alarmScrollWorstFrameMs"],
    run: async () => ({ ...await (await import("./alarm_bench.ts")).benchAlarms(note) }),
  },
];

/** What each figure is held against. */
const GOALS: Readonly<Record<string, { goal: number; isAtLeast: boolean; unit: string }>> = {
  sessionClientVsMqttjs: { goal: 3, isAtLeast: true, unit: "x" },
  snapshotPauseP99Ms: { goal: 20, isAtLeast: false, unit: "ms" },
  incrementalBytesRatio: { goal: 1.3, isAtLeast: false, unit: "of what changed" },
  checkpointOverhead: { goal: 0.1, isAtLeast: false, unit: "of throughput" },
  w1FilePerSecond: { goal: 800_000, isAtLeast: true, unit: "records/s" },
  w2FilePerSecond: { goal: 500_000, isAtLeast: true, unit: "records/s" },
  w4FilePerSecond: { goal: 700_000, isAtLeast: true, unit: "records/s" },
  w1VsLoop: { goal: 0.6, isAtLeast: true, unit: "of a plain loop" },
  w2VsLoop: { goal: 0.6, isAtLeast: true, unit: "of a plain loop" },
  w3VsLoop: { goal: 0.6, isAtLeast: true, unit: "of a plain loop" },
  w4VsLoop: { goal: 0.6, isAtLeast: true, unit: "of a plain loop" },
  w4BrokerShare: { goal: 0.9, isAtLeast: true, unit: "of a count-only subscriber" },
  w4CpuSecondsPerMillion: { goal: 8, isAtLeast: false, unit: "s" },
  w4RssMb: { goal: 160, isAtLeast: false, unit: "MB" },
  exchangePerSecond: { goal: 120_000, isAtLeast: true, unit: "records/s" },
  alignmentP99Ms: { goal: 200, isAtLeast: false, unit: "ms" },
  rescalePauseMs: { goal: 5_000, isAtLeast: false, unit: "ms" },
  failoverMs: { goal: 10_000, isAtLeast: false, unit: "ms" },
  hubRestartMs: { goal: 10_000, isAtLeast: false, unit: "ms" },
  overviewOpenMs: { goal: 2_000, isAtLeast: false, unit: "ms" },
  chartOpenMs: { goal: 1_000, isAtLeast: false, unit: "ms" },
  seatHubRssMb: { goal: 400, isAtLeast: false, unit: "MB" },
  signalsPerSecond: { goal: 20_000, isAtLeast: true, unit: "samples/s" },
  alarmAckMs: { goal: 2_000, isAtLeast: false, unit: "ms" },
  alarmScrollWorstFrameMs: { goal: 100, isAtLeast: false, unit: "ms" },
  sseClients: { goal: 200, isAtLeast: true, unit: "open event streams" },
};

const { values } = parseArgs({
  args: Deno.args,
  options: { json: { type: "string" }, only: { type: "string" } },
});
const only = values.only?.split(",") ?? null;
const unknown =
  only?.filter((name) => !(name in GOALS) && !BENCHES.some((bench) => bench.name === name)) ?? [];
if (unknown.length > 0) {
  note(`Unknown figure ${unknown.join(", ")}: want ${Object.keys(GOALS).join(", ")}`);
  Deno.exit(2);
}

print(machineText());
const found: Record<string, number> = {};
for (const bench of BENCHES) {
  const names = [...bench.figures, ...bench.name === undefined ? [] : [bench.name]];
  if (only !== null && !names.some((name) => only.includes(name))) continue;
  const figures = await bench.run();
  for (const [name, value] of Object.entries(figures)) {
    found[name] = value;
    const goal = GOALS[name];
    const wanted = goal === undefined
      ? ""
      : `${goal.unit}, goal ${goal.isAtLeast ? "at least" : "at most"} ${goal.goal}`;
    print(`${name.padEnd(26)} ${Number(value.toPrecision(4))} ${wanted}`);
  }
}
if (values.json !== undefined) {
  await Deno.writeTextFile(values.json, JSON.stringify(found, null, 2) + "\n");
}
Deno.exit(0);
