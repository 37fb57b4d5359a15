import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { Attempt, CheckpointId, RegionId, SubtaskId } from "@shared/ids.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import type { RunnerCommand, RunnerReport } from "../runner_frames.ts";
import { Runner } from "./runner.ts";
import { chainJob, FakeSink, FakeSource } from "./test_support.ts";

const REGION = "in.0" as RegionId;

/** A runner with one region whose attempt 2 runs. */
class Rig {
  readonly clock = new ManualClock();
  readonly reports: RunnerReport[] = [];
  readonly sources: FakeSource[] = [];
  readonly runner = new Runner({
    clock: this.clock,
    yieldTurn: () => Promise.resolve(),
    report: (report) => this.reports.push(report),
    evaluate: () => chainJob([]),
    createConnectors: () => ({
      createSource: (_spec, output) => {
        const source = new FakeSource(output);
        this.sources.push(source);
        return source;
      },
      createSink: () => new FakeSink(),
    }),
    openExchange: () => Promise.reject(new Error("No exchange")),
    stopDead: () => {},
    exit: () => {},
  });

  static async running(): Promise<Rig> {
    const rig = new Rig();
    const init = { jobId: "job", jobName: "job", params: {}, brokers: [], failPoint: null };
    rig.send({ kind: "init", ...init });
    await rig.begin(2);
    return rig;
  }

  send(command: RunnerCommand): void {
    this.runner.handle(command, new Uint8Array(0));
  }

  async begin(attempt: number): Promise<void> {
    const of = ofAttempt(attempt);
    const operatorUids = ["in", "out"];
    const subtaskId = "in.0" as SubtaskId;
    const subtask = {
      subtaskId,
      sourceUid: "in",
      splitIndex: 0,
      operatorUids,
      keyGroups: null,
      inputs: [],
      outputs: [],
    };
    this.send({ kind: "start", ...of, subtasks: [subtask], exchange: null, restore: null });
    await this.settle();
    this.send({ kind: "run", ...of });
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 200; turn++) await Promise.resolve();
  }

  kinds(): string[] {
    return this.reports.map(({ kind }) => kind);
  }
}

function ofAttempt(attempt: number) {
  return { regionId: REGION, attempt: attempt as Attempt };
}

function trigger(attempt: number, checkpointId: number): RunnerCommand {
  const id = checkpointId as CheckpointId;
  return { kind: "trigger", ...ofAttempt(attempt), checkpointId: id, isSavepoint: false };
}

Deno.test("runner: a source captures only on a trigger of its own attempt, once (A3, F3)", async () => {
  const rig = await Rig.running();
  const [source] = rig.sources;
  source!.emit(1, 0);
  rig.clock.advance(10_000);
  rig.send(trigger(1, 5));
  rig.send(trigger(3, 6));
  await rig.settle();
  deepStrictEqual(source!.calls, ["start"]);
  const declined = rig.reports.filter((report) => report.kind === "declined");
  deepStrictEqual(declined.map(({ attempt, subtaskId, reason }) => [attempt, subtaskId, reason]), [
    [1, null, "not-running"],
    [3, null, "not-running"],
  ]);
  rig.send(trigger(2, 7));
  rig.send(trigger(2, 7));
  await rig.settle();
  deepStrictEqual(source!.calls, ["start", "capture 7"]);
  strictEqual(rig.kinds().filter((kind) => kind === "snapshot").length, 1);
});

Deno.test("runner: a completion of another attempt releases nothing, a higher attempt ends the lower (F3, C9)", async () => {
  const rig = await Rig.running();
  rig.send(trigger(2, 1));
  await rig.settle();
  const checkpointId = 1 as CheckpointId;
  rig.send({ kind: "completed", ...ofAttempt(1), checkpointId, isSavepoint: false });
  deepStrictEqual(rig.sources[0]!.calls, ["start", "capture 1"]);
  await rig.begin(3);
  rig.send({ kind: "completed", ...ofAttempt(2), checkpointId, isSavepoint: false });
  deepStrictEqual(rig.sources.map(({ calls }) => calls), [
    ["start", "capture 1", "close"],
    ["start"],
  ]);
  await rig.begin(2);
  strictEqual(rig.sources.length, 2);
});
