/**
 * The subtasks of one attempt of a region that run in this process, and the channels between them: together
 * they are one region to the outside.
 *
 * Touches the ports it is given. Channels between two of its subtasks are `ChannelLink`s; those from and to
 * subtasks elsewhere go through the exchange.
 *
 *   created ── restore: every subtask, and the exchange open ──▶ restored ── run ──▶ running
 *        └──────── one subtask or the exchange fails ──▶ failed, all stopped
 *
 * Invariants (agent/runner/region_host_test.ts):
 *
 *   C8  `restored` is reported when every subtask here is, and no batch of another agent can be lost.
 *   F3  What one subtask cannot survive, its whole attempt does not survive here.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import { messageOf, PenstockError } from "@shared/errors.ts";
import type { Attempt, CheckpointId, Digest, RegionId, SubtaskId } from "@shared/ids.ts";
import type { OperatorNode } from "@shared/job_graph.ts";
import type { BrokerConfig, KeyAnswer, SignalSample, SubtaskMetrics } from "@shared/messages.ts";
import type { SubtaskPlan } from "@shared/regions.ts";
import type { BuiltJob } from "@shared/sdk/operator.ts";
import type { RunnerReport } from "../runner_frames.ts";
import type { KeyedState } from "../state/keyed_state.ts";
import { ChannelLink } from "./channel_link.ts";
import type { BatchSender } from "./channel_outputs.ts";
import type { ChannelAddress, Exchange, OpenExchange } from "./exchange_port.ts";
import type { RestoreRequest } from "./restore_plan.ts";
import { answerKey } from "./state_query.ts";
import { Subtask } from "./subtask.ts";
import type { SubtaskPorts } from "./subtask_ports.ts";

/** How the region reaches its subtasks on other agents. */
export interface RemoteExchange {
  readonly open: OpenExchange;
  readonly broker: BrokerConfig;
  readonly key: string;
}

export interface RegionIdentity {
  readonly jobId: string;
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  /** Those that run here. */
  readonly subtasks: readonly SubtaskPlan[];
}

export interface RegionHostPorts extends Omit<SubtaskPorts, "senderTo" | "workedOff" | "onState"> {
  /** Null when all of the region runs here. */
  readonly exchange: RemoteExchange | null;
}

export class RegionHost {
  readonly #identity: RegionIdentity;
  readonly #ports: RegionHostPorts;
  readonly #subtasks = new Map<SubtaskId, Subtask>();
  readonly #states = new Map<SubtaskId, KeyedState>();
  readonly #operators: readonly OperatorNode[];
  readonly #links = new Map<string, ChannelLink>();
  readonly #sends: ChannelAddress[] = [];
  readonly #receives: ChannelAddress[] = [];
  #exchange: Exchange | null = null;
  #restoredCount = 0;
  #runningCount = 0;
  #isOver = false;
  #stopping: Promise<unknown> | null = null;

  /** Makes every subtask; nothing is connected yet. @throws What a subtask's parts do not allow. */
  constructor(identity: RegionIdentity, job: BuiltJob, ports: RegionHostPorts) {
    this.#identity = identity;
    this.#ports = ports;
    this.#operators = job.graph.operators;
    const { jobId, regionId, attempt, subtasks } = identity;
    const here = new Set(subtasks.map(({ subtaskId }) => subtaskId));
    for (const plan of subtasks) {
      for (const from of plan.inputs) {
        const address = { from, to: plan.subtaskId };
        if (here.has(from)) this.#links.set(nameOf(address), new ChannelLink());
        else this.#receives.push(address);
      }
      for (const to of new Set(plan.outputs.flatMap(({ targets }) => targets))) {
        if (!here.has(to)) this.#sends.push({ from: plan.subtaskId, to });
      }
    }
    for (const plan of subtasks) {
      const of = { jobId, regionId, attempt, plan };
      this.#subtasks.set(plan.subtaskId, new Subtask(of, job, this.#subtaskPorts(plan)));
    }
    for (const plan of subtasks) this.#connectInputs(plan);
  }

  get attempt(): Attempt {
    return this.#identity.attempt;
  }

  get subtaskIds(): SubtaskId[] {
    return [...this.#subtasks.keys()];
  }

  /**
   * Takes over a checkpoint, or starts empty; reports `restored`, or `failed` with nothing having run.
   *
   * @param pieces Bytes of every piece that the subtasks' shares name.
   */
  async restore(
    request: RestoreRequest | null,
    pieces: ReadonlyMap<Digest, Uint8Array>,
  ): Promise<void> {
    const restores = [...this.#subtasks.values()].map((subtask) =>
      subtask.restore(request, pieces)
    );
    await Promise.all([this.#openExchange(), ...restores]);
    if (this.#isOver || this.#restoredCount < this.#subtasks.size) return;
    this.#ports.report({ kind: "restored", ...this.#region() });
    this.#ports.failPoints.hit("restored-before-run");
  }

  /** Every agent of the region has restored: records and timers may run (C8). */
  run(): void {
    for (const subtask of this.#subtasks.values()) void subtask.run();
  }

  /** Each subtask reports its own snapshot, or declines. */
  trigger(checkpointId: CheckpointId, options: { isDrain: boolean }): void {
    for (const subtask of this.#subtasks.values()) subtask.trigger(checkpointId, options);
  }

  completed(checkpointId: CheckpointId, options: { isSavepoint: boolean }): void {
    for (const subtask of this.#subtasks.values()) subtask.completed(checkpointId, options);
  }

  aborted(checkpointId: CheckpointId): void {
    for (const subtask of this.#subtasks.values()) subtask.aborted(checkpointId);
  }

  /** Resolves when every connector and the exchange are closed. Idempotent. */
  stop(): Promise<unknown> {
    this.#isOver = true;
    this.#stopping ??= Promise.allSettled([
      ...[...this.#subtasks.values()].map((subtask) => subtask.stop()),
      this.#exchange?.close(),
    ]);
    return this.#stopping;
  }

  /** What the subtask knows of one key at this moment. */
  query(subtaskId: SubtaskId, question: { operatorUid: string; key: string }): KeyAnswer {
    const state = this.#states.get(subtaskId);
    if (state === undefined || this.#isOver) return { kind: "refused", reason: "not-running" };
    const nowMs = this.#ports.clock.nowMs();
    return answerKey(state, this.#operators, { ...question, nowMs });
  }

  /** Once a second. */
  tick(): { metrics: SubtaskMetrics[]; samples: SignalSample[] } {
    const ticks = [...this.#subtasks.values()].map((subtask) => subtask.tick());
    return {
      metrics: ticks.map(({ metrics }) => metrics),
      samples: ticks.flatMap(({ samples }) => samples),
    };
  }

  #region(): { regionId: RegionId; attempt: Attempt } {
    const { regionId, attempt } = this.#identity;
    return { regionId, attempt };
  }

  #subtaskPorts(plan: SubtaskPlan): SubtaskPorts {
    const { exchange: _, ...ports } = this.#ports;
    return {
      ...ports,
      report: (report, body) => this.#report(report, body),
      onState: (state) => this.#states.set(plan.subtaskId, state),
      senderTo: (to) => this.#senderTo({ from: plan.subtaskId, to }),
      workedOff: (channel, records) => {
        const address = { from: plan.inputs[channel]!, to: plan.subtaskId };
        const link = this.#links.get(nameOf(address));
        if (link !== undefined) return link.workedOff(records);
        this.#exchange?.grant(indexOf(this.#receives, address), records);
      },
    };
  }

  #senderTo(address: ChannelAddress): BatchSender {
    const link = this.#links.get(nameOf(address));
    if (link !== undefined) return link;
    const channel = indexOf(this.#sends, address);
    return {
      send: (batch) => this.#exchange?.send(channel, batch),
      credit: () => this.#exchange?.credit(channel) ?? 0,
    };
  }

  #connectInputs({ subtaskId, inputs }: SubtaskPlan): void {
    const consumer = this.#subtasks.get(subtaskId)!;
    for (const [channel, from] of inputs.entries()) {
      this.#links.get(nameOf({ from, to: subtaskId }))?.connect({
        deliver: (batch) => consumer.deliver(channel, batch),
        credited: () => this.#subtasks.get(from)?.credited(),
      });
    }
  }

  async #openExchange(): Promise<void> {
    if (this.#sends.length === 0 && this.#receives.length === 0) return;
    const { exchange } = this.#ports;
    const inputs = this.#receives.map(({ from, to }) => {
      const subtask = this.#subtasks.get(to)!;
      return { subtask, channel: subtask.plan.inputs.indexOf(from) };
    });
    try {
      assert(exchange !== null, "A subtask of the region is elsewhere, and there is no exchange");
      const { open, broker, key } = exchange;
      const opened = await open({
        jobId: this.#identity.jobId,
        ...this.#region(),
        broker,
        key,
        sends: this.#sends,
        receives: this.#receives,
        onBatch: (index, batch) => {
          const { subtask, channel } = inputs[index]!;
          subtask.deliver(channel, batch);
        },
        onCredit: (index) => this.#subtasks.get(this.#sends[index]!.from)?.credited(),
        event: (event) => this.#ports.report({ kind: "event", ...this.#region(), event }),
        failed: (reason, { isRetryable }) => this.#fail(reason, isRetryable),
      });
      if (this.#isOver) return await opened.close();
      this.#exchange = opened;
    } catch (thrown) {
      const isRetryable = !(thrown instanceof PenstockError) || thrown.isRetryable;
      this.#fail(messageOf(thrown), isRetryable);
    }
  }

  /** What the subtasks say, as the region's: it is restored, and runs, when all of them are and do. */
  #report(report: RunnerReport, body?: Uint8Array): void {
    switch (report.kind) {
      case "restored":
        this.#restoredCount++;
        return;
      case "running":
        if (++this.#runningCount === this.#subtasks.size) this.#ports.report(report);
        return;
      case "failed":
        return this.#fail(report.message, report.isRetryable);
      default:
        this.#ports.report(report, body);
    }
  }

  #fail(message: string, isRetryable: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ports.report({ kind: "failed", ...this.#region(), message, isRetryable });
    void this.stop();
  }
}

function nameOf({ from, to }: ChannelAddress): string {
  return `${from}>${to}`;
}

function indexOf(addresses: readonly ChannelAddress[], wanted: ChannelAddress): number {
  const index = addresses.findIndex(({ from, to }) => from === wanted.from && to === wanted.to);
  assert(index >= 0, `There is no channel from ${wanted.from} to ${wanted.to}`);
  return index;
}
