/**
 * One subtask of a local run: the runner's chain with its state, timers and sinks, and nothing around it.
 *
 * Touches the clock and sinks it is given.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { RegionId } from "@shared/ids.ts";
import type { OperatorNode } from "@shared/job_graph.ts";
import type { RegionEvent } from "@shared/messages.ts";
import type { SubtaskPlan } from "@shared/regions.ts";
import type { BuiltJob } from "@shared/sdk/operator.ts";
import type { SinkWriter } from "../connectors/connector.ts";
import { type Chain, compileChain } from "../runner/chain.ts";
import { DeadLetters } from "../runner/failures.ts";
import { LatestTime, Origin } from "../runner/origin.ts";
import { slotStates } from "../runner/restore_plan.ts";
import { SignalSamples } from "../runner/signal_samples.ts";
import { TimerService } from "../runner/timer_service.ts";
import { KeyedState } from "../state/keyed_state.ts";
import { StateTable } from "../state/state_table.ts";
import type { DataClock } from "./data_clock.ts";

const MINUTE_MS = 60_000;

export interface LocalSubtaskPorts {
  readonly clock: DataClock;
  /** The writer of a sink; one for each subtask that has it. */
  readonly createSink: (uid: string, regionId: RegionId) => SinkWriter;
  /** A record that was set aside. */
  readonly deadLetter: (event: RegionEvent) => void;
}

export class LocalSubtask {
  readonly plan: SubtaskPlan;
  readonly origin: Origin;
  readonly latest = new LatestTime();
  readonly state: KeyedState;
  readonly timers: TimerService;
  readonly deadLetters: DeadLetters;
  readonly chain: Chain;
  #thrown: unknown = undefined;

  constructor(
    job: BuiltJob,
    { plan, regionId }: { plan: SubtaskPlan; regionId: RegionId },
    { clock, createSink, deadLetter }: LocalSubtaskPorts,
  ) {
    this.plan = plan;
    this.origin = new Origin(regionId);
    const uids = new Set(plan.operatorUids);
    const operators = job.graph.operators.filter((node) => uids.has(node.uid));
    this.state = new KeyedState(tablesOf(operators, job));
    this.timers = new TimerService(clock, this.latest, (thrown) => this.#thrown ??= thrown);
    // Every letter is told: a minute passes between two of them.
    let letters = 0;
    this.deadLetters = new DeadLetters(deadLetter, () => letters++ * MINUTE_MS);
    const sinks = new Map(
      operators.filter((node) => node.kind === "sink")
        .map(({ uid }) => [uid, createSink(uid, regionId)]),
    );
    this.chain = compileChain(
      { operatorUids: plan.operatorUids, edges: job.graph.edges, operators: job.operators },
      {
        origin: this.origin,
        state: this.state,
        timers: this.timers,
        deadLetters: this.deadLetters,
        samples: new SignalSamples(),
        sinks,
        afterWrite: () => {},
      },
    );
  }

  /** Runs one record of the source. @throws What an operator with the policy `fail` threw. */
  record(value: unknown, position: number, nowMs: number): void {
    this.origin.setRecord(position, this.latest.observe(nowMs));
    this.chain.push(value);
  }

  /** @throws What an operator's timer threw since the last call. */
  check(): void {
    if (this.#thrown !== undefined) throw this.#thrown;
  }
}

function tablesOf(operators: readonly OperatorNode[], job: BuiltJob): StateTable[] {
  return operators.filter((node) => node.isKeyed).map(({ uid, kind, states }) => {
    const spec = job.operators.get(uid);
    assert(spec !== undefined, `The job has no operator "${uid}"`);
    const ttlMs = "ttlMs" in spec ? spec.ttlMs : null;
    const slotCount = slotStates(states).length;
    return new StateTable({ uid, slotCount, ttlMs, isMutable: kind === "detect" });
  });
}
