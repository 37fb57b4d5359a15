import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import type { Attempt, CheckpointId, RegionId, SubtaskId } from "@shared/ids.ts";
import { RunnerUnderTest, withRunnerBundle } from "../support/runner_under_test.ts";

const of = { regionId: "in.0" as RegionId, attempt: 1 as Attempt };
const subtask = {
  subtaskId: "in.0" as SubtaskId,
  sourceUid: "in",
  splitIndex: 0,
  operatorUids: ["in", "count", "tenth", "out"],
  keyGroups: null,
  inputs: [],
  outputs: [],
};

/** A job as a bundle leaves it: counts 1,000 keys, and raises an alarm at every tenth record of a key. */
const JOB = `
  const specs = [
    { kind: "source", uid: "in", source: { connector: "generator", splitCount: 1, ratePerSecond: 20000,
      eventTime: null, next: (position) => ({ key: "k" + position % 1000 }) } },
    { kind: "mapWithState", uid: "count", onError: "fail", codecVersion: 1, ttlMs: null,
      keyOf: (r) => r.key, initial: () => 0, fn: (n, r) => [n + 1, { key: r.key, n: n + 1 }] },
    { kind: "filter", uid: "tenth", onError: "fail", fn: (r) => r.n % 10 === 0 },
    { kind: "sink", uid: "out", sink: { connector: "alarm", priority: "low", response: "",
      text: (r) => r.key + "=" + r.n } },
  ];
  const operators = specs.map(({ uid, kind, keyOf }) => ({ uid, kind, label: kind, isKeyed: !!keyOf,
    states: keyOf ? [{ name: "value", kind: "value", codecVersion: 1 }] : [] }));
  const edges = specs.slice(1).map(({ uid }, i) => ({ from: specs[i].uid, to: uid, kind: "forward" }));
  module.exports.default = { sdkVersion: 1, name: "test", build: () => ({
    graph: { version: 1, name: "test", operators, edges },
    operators: new Map(specs.map((spec) => [spec.uid, spec])) }) };`;

/** The count that each key's latest alarm shows. */
function counts(runner: RunnerUnderTest): Map<string, number> {
  const latest = new Map<string, number>();
  for (const report of runner.reports) {
    if (report.kind !== "alarms") continue;
    for (const { text } of report.edges) {
      const [key, n] = text.split("=");
      strictEqual(
        Number(n),
        (latest.get(key!) ?? Number(n) - 10) + 10,
        `${key} skipped or repeated`,
      );
      latest.set(key!, Number(n));
    }
  }
  return latest;
}

Deno.test("runner process: without a permission it counts, snapshots, and a second process goes on exactly there (C8)", async () => {
  await withRunnerBundle(async (bundle) => {
    const first = new RunnerUnderTest(bundle);
    await first.init(JOB);
    await first.report("ready");
    await first.send({ kind: "start", ...of, subtasks: [subtask], exchange: null, restore: null });
    await first.report("restored");
    await first.send({ kind: "run", ...of });
    await first.report("running");
    await first.report("metrics", ({ subtasks }) => subtasks[0]!.recordsIn > 15_000);
    const checkpointId = 7 as CheckpointId;
    await first.send({ kind: "trigger", ...of, checkpointId, isSavepoint: false });
    const { snapshot } = await first.report("snapshot");
    strictEqual(snapshot.operators[0]?.entryCount, 1000);
    await first.kill();

    const second = new RunnerUnderTest(bundle);
    await second.init(JOB);
    for (const { digest } of snapshot.pieces) {
      await second.send({ kind: "restorePiece", ...of, digest }, first.pieces.get(digest)!);
    }
    const restore = { checkpointId, isSavepoint: false, snapshots: [snapshot] };
    await second.send({ kind: "start", ...of, subtasks: [subtask], exchange: null, restore });
    await second.report("restored");
    await second.send({ kind: "run", ...of });
    await second.report("alarms");
    const position = snapshot.splits[0]!.position;
    const { edges } = second.reports.find((report) => report.kind === "alarms")!;
    const [key, n] = edges[0]!.text.split("=");
    const taken = Math.ceil((position - Number(key!.slice(1))) / 1000);
    strictEqual(Number(n) > taken && Number(n) <= taken + 10, true, `${n} after ${taken}`);
    await second.report("metrics", ({ subtasks }) => subtasks[0]!.recordsIn > 10_000);
    deepStrictEqual(counts(second).size, 1000);
    strictEqual((await second.end()).code, 0);
  });
});

Deno.test("runner process: it ends with its input while it is busy, and says why a bundle is broken", async () => {
  await withRunnerBundle(async (bundle) => {
    const busy = new RunnerUnderTest(bundle);
    await busy.init(JOB.replace("ratePerSecond: 20000", "ratePerSecond: null"));
    await busy.send({ kind: "start", ...of, subtasks: [subtask], exchange: null, restore: null });
    await busy.report("restored");
    await busy.send({ kind: "run", ...of });
    await busy.report("alarms");
    const startMs = performance.now();
    strictEqual((await busy.end()).code, 0);
    strictEqual(performance.now() - startMs < 5_000, true);

    const broken = new RunnerUnderTest(bundle);
    await broken.init("Deno.readTextFileSync('/etc/passwd')");
    match((await broken.report("broken")).message, /The job does not load: .*not a function/);
    strictEqual((await broken.end()).code, 1);
  });
});

Deno.test("runner process: at its fail point it says so and does nothing more", async () => {
  await withRunnerBundle(async (bundle) => {
    const runner = new RunnerUnderTest(bundle);
    await runner.init(JOB, "barrier-after-snapshot:1");
    await runner.send({ kind: "start", ...of, subtasks: [subtask], exchange: null, restore: null });
    await runner.report("restored");
    await runner.send({ kind: "run", ...of });
    await runner.report("alarms");
    const checkpointId = 1 as CheckpointId;
    await runner.send({ kind: "trigger", ...of, checkpointId, isSavepoint: false });
    strictEqual((await runner.report("failPoint")).name, "barrier-after-snapshot");
    await runner.kill();
    strictEqual(runner.reports.at(-1)?.kind, "failPoint");
  });
});
