/**
 * One subtask of a local run: the runner's chain with its state, timers and sinks, and nothing around it.
 *
 * Touches the clock and sinks it is given.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { RegionId, SubtaskId } from "@shared/ids.ts";
import type { OperatorNode } from "@shared/job_graph.ts";
import type { RegionEvent } from "@shared/messages.ts";
import { keyGroupOf } from "@shared/key_groups.ts";
import { ownerOfGroup, type SubtaskPlan } from "@shared/regions.ts";
import type { BuiltJob } from "@shared/sdk/operator.ts";
import type { SinkWriter } from "../connectors/connector.ts";
import { type Chain, compileChain, type Emit } from "../runner/chain.ts";
import { DeadLetters } from "../runner/failures.ts";
import { LaneCounter, LatestTime, Origin } from "../runner/origin.ts";
import { SignalSamples } from "../runner/signal_samples.ts";
import { operatorsOf, timedChannels } from "../runner/subtask_parts.ts";
import { TimerService } from "../runner/timer_service.ts";
import { MAX_WATERMARK_MS, MIN_WATERMARK_MS } from "../runner/watermarks.ts";
import type { KeyedState } from "../state/keyed_state.ts";
import { createKeyedState } from "../state/operator_tables.ts";
import { PersistentList } from "../state/persistent_list.ts";
import { PersistentMap } from "../state/persistent_map.ts";
import { slotOf } from "../state/state_table.ts";
import { slotStates } from "../state/table_slots.ts";
import type { DataClock } from "./data_clock.ts";

const MINUTE_MS = 60_000;
const NO_LANES = { next: () => 0 };

export interface LocalSubtaskPorts {
  readonly clock: DataClock;
  /** The writer of a sink; one for each subtask that has it. */
  readonly createSink: (uid: string, regionId: RegionId) => SinkWriter;
  /** A record that was set aside. */
  readonly deadLetter: (event: RegionEvent) => void;
}

export interface LocalSubtaskPlace {
  readonly plan: SubtaskPlan;
  /** Number within its region. */
  readonly ordinal: number;
  readonly regionId: RegionId;
  /** The subtask at the other end of an exchange. */
  readonly targetOf: (id: SubtaskId) => LocalSubtask;
}

export class LocalSubtask {
  readonly plan: SubtaskPlan;
  readonly regionId: RegionId;
  /** Of the chain. */
  readonly operators: readonly OperatorNode[];
  readonly sinks: ReadonlyMap<string, SinkWriter>;
  readonly origin: Origin;
  readonly latest = new LatestTime();
  readonly state: KeyedState;
  readonly timers: TimerService;
  readonly deadLetters: DeadLetters;
  readonly chain: Chain;
  readonly #job: BuiltJob;
  readonly #place: LocalSubtaskPlace;
  /** Subtasks that get this one's watermark, each with the number of the channel there. */
  readonly #behind: readonly { readonly subtask: LocalSubtask; readonly channel: number }[];
  /** Watermark of each input channel, and behind them of the source. */
  readonly #marks: Float64Array;
  #watermarkMs = MIN_WATERMARK_MS;
  #hasThrown = false;
  #thrown: unknown = undefined;

  constructor(job: BuiltJob, place: LocalSubtaskPlace, ports: LocalSubtaskPorts) {
    const { plan, regionId, targetOf } = place;
    this.plan = plan;
    this.regionId = regionId;
    this.#job = job;
    this.#place = place;
    this.origin = new Origin(regionId);
    const timed = timedChannels({ job, plan });
    const marks = timed.map((isTimed) => isTimed ? MIN_WATERMARK_MS : MAX_WATERMARK_MS);
    if (plan.sourceUid !== null) marks.push(MIN_WATERMARK_MS);
    this.#marks = Float64Array.from(marks);
    const targets = new Set(plan.outputs.flatMap((output) => output.targets));
    this.#behind = [...targets].map(targetOf).map((subtask) => ({
      subtask,
      channel: subtask.plan.inputs.indexOf(plan.subtaskId),
    }));
    this.operators = operatorsOf(job, plan);
    this.sinks = new Map(
      this.operators.filter((node) => node.kind === "sink")
        .map(({ uid }) => [uid, ports.createSink(uid, regionId)]),
    );
    this.state = createKeyedState(this.operators, job.operators);
    this.timers = new TimerService(ports.clock, this.latest, (thrown) => this.#fail(thrown));
    // Every letter is told: a minute passes between two of them.
    let letters = 0;
    this.deadLetters = new DeadLetters(ports.deadLetter, () => letters++ * MINUTE_MS);
    this.chain = this.#compile();
  }

  /** Runs one record of the source. @throws What an operator with the policy `fail` threw. */
  record(value: unknown, position: number, nowMs: number): void {
    this.origin.setRecord(position, this.latest.observe(nowMs));
    this.chain.push(value);
    if (this.#hasThrown) throw this.#thrown;
  }

  /** Event time of the source has come to `ms`; here and behind, as far as other inputs allow. */
  advance(ms: number): void {
    if (ms > this.#watermarkMs) this.#advanceInput(this.#marks.length - 1, ms);
  }

  /** Wall-clock time has passed. */
  tick(nowMs: number): void {
    const latestMs = this.latest.observe(nowMs);
    for (const table of this.state.tables) table.sweep(latestMs, Infinity);
    this.chain.tick(latestMs);
    if (this.#hasThrown) throw this.#thrown;
  }

  /** The latest timer of the wall clock that is set; -Infinity when there is none. */
  lastTimerMs(): number {
    let lastMs = -Infinity;
    for (const table of this.state.tables) lastMs = Math.max(lastMs, table.lastTimerMs());
    return lastMs;
  }

  /** State of one key: its value, or for `process` a field for each state; undefined when there is none. */
  stateOf({ uid, kind, states }: OperatorNode, key: string): unknown {
    const entry = this.state.table(uid).find(key, this.latest.latestMs);
    if (entry === undefined || kind !== "process") return entry?.first;
    const values = slotStates(states)
      .map(({ name }, slot) => [name, plain(slotOf(entry, slot))] as const);
    return Object.fromEntries(values.filter(([, value]) => value !== undefined));
  }

  #advanceInput(channel: number, ms: number): void {
    if (this.#marks.length === 1) return this.#forward(ms);
    this.#marks[channel] = ms;
    let leastMs = ms;
    for (let i = 0; i < this.#marks.length; i++) leastMs = Math.min(leastMs, this.#marks[i]!);
    if (leastMs > this.#watermarkMs) this.#forward(leastMs);
  }

  #forward(ms: number): void {
    this.#watermarkMs = ms;
    this.chain.advanceWatermark(ms);
    for (const { subtask, channel } of this.#behind) subtask.#advanceInput(channel, ms);
  }

  /** Where a record into an exchange edge goes. */
  #exchange(edge: number): Emit {
    const { plan, ordinal, targetOf } = this.#place;
    const output = plan.outputs.find((candidate) => candidate.edge === edge);
    assert(output !== undefined, `Subtask ${plan.subtaskId} does not send into edge ${edge}`);
    const lanes = this.#usesIds()
      ? new LaneCounter(this.origin, { edge, subtaskOrdinal: ordinal })
      : NO_LANES;
    const targets = output.targets.map(targetOf).map((subtask) =>
      subtask.#entry(edge, this.origin)
    );
    const [only] = targets;
    if (only !== undefined && targets.length === 1) return (record) => only(record, lanes.next());
    const keyOf = this.#job.selectors[edge];
    if (!keyOf) {
      return (record) => {
        const lane = lanes.next();
        for (const target of targets) target(record, lane);
      };
    }
    return (record) => {
      let owner = 0;
      try {
        owner = ownerOfGroup(keyGroupOf(keyOf(record)), targets.length);
      } catch {
        // The operator meets the same, and does what its error policy says.
      }
      targets[owner]!(record, lanes.next());
    };
  }

  /** Alarms have ids made of their records' lanes; lines in a file have none. */
  #usesIds(): boolean {
    return this.#job.graph.operators.some(({ sink }) => sink?.connector === "alarm");
  }

  /** Takes what `from` sends into `edge`. */
  #entry(edge: number, from: Origin): (record: unknown, lane: number) => void {
    const emit = this.chain.inputs.get(edge);
    assert(emit !== undefined, `Subtask ${this.plan.subtaskId} takes nothing from edge ${edge}`);
    const { origin, latest } = this;
    return (record, lane) => {
      origin.setExchanged(from.position, lane, from.atMs, latest.observe(from.nowMs));
      emit(record);
    };
  }

  #compile(): Chain {
    const { plan } = this.#place;
    const { graph, operators } = this.#job;
    return compileChain({ operatorUids: plan.operatorUids, edges: graph.edges, operators }, {
      origin: this.origin,
      state: this.state,
      timers: this.timers,
      deadLetters: this.deadLetters,
      samples: new SignalSamples(),
      sinks: this.sinks,
      afterWrite: () => {},
      exchange: (edge) => this.#exchange(edge),
      subtaskId: plan.subtaskId,
      keyGroups: plan.keyGroups,
      broadcast: (uid) => this.state.broadcast(uid),
      onSourceWatermark: (ms) => this.advance(ms),
      isTimeDrivenByRecords: true,
    });
  }

  #fail(thrown: unknown): void {
    if (!this.#hasThrown) this.#thrown = thrown;
    this.#hasThrown = true;
  }
}

/** Lists and maps as a test compares them. */
function plain(value: unknown): unknown {
  if (value instanceof PersistentList) return value.toArray();
  return value instanceof PersistentMap ? new Map(value) : value;
}
