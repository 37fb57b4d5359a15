/**
 * One subtask: a chain of operators behind one split, channels, or both, with its state, timers, snapshots
 * and sinks.
 *
 * Touches its connectors, the clock and the report port. Everything runs on one thread, and a record, a
 * timer or a command runs to its end before the next one: that is its queue, and it is the one writer.
 *
 *   created ── restore ──▶ restored ── run ──▶ running ── stop ──▶ stopped
 *        └─────────────────────┴──────────────────┴── throw ──▶ failed
 *
 * Invariants (agent/runner/subtask_test.ts, tests/property/exchange_cut_test.ts):
 *
 *   C8  No record and no timer before `run`.
 *   A3  Only a source makes barriers, and only on a trigger.
 *   A4  A snapshot holds the effects of all records in front of its barrier, of every input, and no other.
 *   A5  A snapshot falls between two records, timers or commands.
 *   P1  Only a completed checkpoint, never a savepoint, reaches the source and the sinks.
 *
 * @module
 */
import { AssertionError } from "@shared/assert.ts";
import { messageOf } from "@shared/errors.ts";
import type { Attempt, CheckpointId, Digest, RegionId } from "@shared/ids.ts";
import type { SignalSample, SubtaskMetrics } from "@shared/messages.ts";
import type { SubtaskPlan } from "@shared/regions.ts";
import type { BuiltJob } from "@shared/sdk/operator.ts";
import type { SinkWriter, SourceReader } from "../connectors/connector.ts";
import type { KeyedState } from "../state/keyed_state.ts";
import { createKeyedState } from "../state/operator_tables.ts";
import type { Chain, Emit } from "./chain.ts";
import { ChannelInputs, type ElementTaker } from "./channel_inputs.ts";
import { ChannelOutputs } from "./channel_outputs.ts";
import type { ElementBatch } from "./exchange_batch.ts";
import { DeadLetters, isRetryable } from "./failures.ts";
import { ALIGNING, Holds, NO_CREDIT } from "./holds.ts";
import { InputTime } from "./input_time.ts";
import type { LoadShedder } from "./load_shedder.ts";
import { LatestTime, Origin } from "./origin.ts";
import type { RestoreRequest } from "./restore_plan.ts";
import { SinkPressure } from "./sink_pressure.ts";
import { SignalSamples } from "./signal_samples.ts";
import { compileSubtask } from "./subtask_chain.ts";
import { SubtaskCheckpoints } from "./subtask_checkpoints.ts";
import { SubtaskMeter } from "./subtask_meter.ts";
import {
  createShedder,
  createSinks,
  createSource,
  eventsOf,
  operatorsOf,
  type PartsOf,
  timedChannels,
} from "./subtask_parts.ts";
import type { SubtaskIdentity, SubtaskPorts } from "./subtask_ports.ts";
import { restoreSubtask } from "./subtask_restore.ts";
import type { TimeState } from "./time_section.ts";
import { TimerService } from "./timer_service.ts";
import type { TurnTaker } from "./turn_queue.ts";
import type { ValveEvent } from "./watermark_valve.ts";
import { MAX_WATERMARK_MS, MIN_WATERMARK_MS } from "./watermarks.ts";

/** Expired entries looked for per operator and second. */
const SWEEP_ENTRIES_PER_SECOND = 20_000;
type Phase = "created" | "restored" | "running" | "stopped" | "failed";

export class Subtask implements TurnTaker {
  readonly #identity: SubtaskIdentity;
  readonly #ports: SubtaskPorts;
  readonly #job: BuiltJob;
  readonly #latest = new LatestTime();
  readonly #origin: Origin;
  readonly #state: KeyedState;
  readonly #timers: TimerService;
  readonly #deadLetters: DeadLetters;
  readonly #samples = new SignalSamples();
  readonly #sinks: ReadonlyMap<string, SinkWriter>;
  readonly #source: SourceReader | null;
  readonly #inputs: ChannelInputs;
  readonly #outputs: ChannelOutputs;
  readonly #holds: Holds;
  /** Null where the source waits when there is no room behind. */
  readonly #shedder: LoadShedder | null;
  readonly #chain: Chain;
  /** By graph edge: what takes the records of a channel. */
  readonly #entries: Emit[] = [];
  readonly #meter: SubtaskMeter;
  readonly #checkpoints: SubtaskCheckpoints;
  readonly #sinkPressure: SinkPressure;
  /** Null beside a source of its own, which alone says how time goes on. */
  readonly #inputTime: InputTime | null;
  #phase: Phase = "created";
  /** Inputs that have not ended, the source included. */
  #openInputs: number;
  /** The source has said that nothing comes any more... */
  #hasSourceEnded = false;
  /** ...and everything it gave has run. */
  #isSourceClosed = false;
  #turnNowMs = 0;
  #closed: Promise<unknown> | null = null;

  /** Compiles the chain and makes its connectors; nothing is connected yet. */
  constructor(identity: SubtaskIdentity, job: BuiltJob, ports: SubtaskPorts) {
    this.#identity = identity;
    this.#ports = ports;
    this.#job = job;
    const { plan } = identity;
    const { clock } = ports;
    const of: PartsOf = { ...identity, job, connectors: ports.connectors };
    this.#origin = new Origin(identity.regionId);
    this.#state = createKeyedState(operatorsOf(job, plan), job.operators);
    ports.onState(this.#state);
    this.#timers = new TimerService(clock, this.#latest, (thrown) => this.#fail(thrown));
    const monotonicMs = () => clock.monotonicMs();
    const event = eventsOf(of, ports);
    this.#deadLetters = new DeadLetters(event, monotonicMs);
    this.#sinks = createSinks(of, {
      onAlarms: (edges) => ports.report({ kind: "alarms", edges }),
      failed: (message, options) => this.#failWith(message, options),
    });
    this.#source = createSource(of, ports, {
      record: (value, position, arrivedAtMs) => this.#record(value, position, arrivedAtMs),
      deadLetter: (reason, payload, position) =>
        this.#guarded(() => this.#chain.undecodable(reason, payload, position)),
      failed: (message, options) => this.#failWith(message, options),
      ended: () => this.#sourceEnded(),
    });
    this.#shedder = createShedder(of, {
      isFull: () => this.#holds.isFullBehind,
      run: (value, position, arrivedAtMs) => this.#run(value, position, arrivedAtMs),
      event,
    });
    this.#holds = new Holds(this.#source, monotonicMs, { isShedding: this.#shedder !== null });
    this.#sinkPressure = new SinkPressure({
      clock,
      sinks: this.#sinks,
      holds: this.#holds,
      isRunning: () => this.#isRunning(),
      onRelief: () => this.#goOn(),
    });
    this.#inputs = new ChannelInputs(plan.inputs.length, this.#taker(), ports.workedOff);
    this.#outputs = new ChannelOutputs(clock, () => this.#ranOutOfCredit());
    this.#chain = compileSubtask(this.#outputs, {
      job,
      plan,
      origin: this.#origin,
      state: this.#state,
      timers: this.#timers,
      deadLetters: this.#deadLetters,
      samples: this.#samples,
      sinks: this.#sinks,
      afterWrite: (sink) => this.#sinkPressure.check(sink),
      senderTo: ports.senderTo,
    });
    for (const [edge, entry] of this.#chain.inputs) this.#entries[edge] = entry;
    this.#meter = new SubtaskMeter(this.#chain.counts, monotonicMs);
    this.#inputTime = this.#source === null ? new InputTime(timedChannels(of)) : null;
    this.#openInputs = plan.inputs.length + (this.#source === null ? 0 : 1);
    this.#checkpoints = this.#createCheckpoints();
  }

  get regionId(): RegionId {
    return this.#identity.regionId;
  }

  get attempt(): Attempt {
    return this.#identity.attempt;
  }

  get plan(): SubtaskPlan {
    return this.#identity.plan;
  }

  /**
   * Takes over its share of a checkpoint, or starts empty; reports `restored`, or `failed` with nothing
   * having run.
   *
   * @param pieces Bytes of every piece that its share names.
   */
  async restore(
    request: RestoreRequest | null,
    pieces: ReadonlyMap<Digest, Uint8Array>,
  ): Promise<void> {
    try {
      if (request !== null) await this.#load(request, pieces);
    } catch (thrown) {
      return this.#fail(thrown);
    }
    if (this.#phase !== "created") return;
    this.#phase = "restored";
    this.#ports.report({ kind: "restored", ...this.#region() });
  }

  /** Lets records and timers run; every subtask of the region has restored (C8). Idempotent. */
  async run(): Promise<void> {
    if (this.#phase !== "restored") return;
    this.#phase = "running";
    this.#timers.start();
    this.#outputs.settle(this.#chain.watermarkMs);
    this.#ports.turns.schedule(this);
    try {
      await this.#source?.start();
    } catch (thrown) {
      return this.#fail(thrown);
    }
    if (this.#isRunning()) this.#ports.report({ kind: "running", ...this.#region() });
  }

  /**
   * Checkpoint `checkpointId` has begun: the source gives its barrier now; behind channels alone, theirs
   * are waited for. Declines when the subtask does not run.
   *
   * @param options `isDrain`: time comes to its end in front of the barrier, and nothing is read behind it.
   */
  trigger(
    checkpointId: CheckpointId,
    options: { isDrain: boolean } = { isDrain: false },
  ): void {
    if (this.#phase === "running") {
      this.#shedder?.flush();
      return this.#checkpoints.trigger(checkpointId, options);
    }
    this.#checkpoints.decline(checkpointId, "not-running", `The subtask is ${this.#phase}`);
  }

  /** All checkpoints up to this one are durable (C5). A savepoint releases nothing (P1). Idempotent. */
  completed(checkpointId: CheckpointId, { isSavepoint }: { isSavepoint: boolean }): void {
    this.#ports.failPoints.hit("completed-received");
    this.#state.completed(checkpointId);
    if (isSavepoint || this.#phase !== "running") return;
    this.#source?.notifyCompleted(checkpointId);
    for (const sink of this.#sinks.values()) sink.notifyCompleted(checkpointId);
  }

  /** Checkpoint `checkpointId` will not be: what it captured is written by the next one. */
  aborted(checkpointId: CheckpointId): void {
    this.#state.aborted(checkpointId);
    if (this.#phase === "running") this.#source?.notifyAborted(checkpointId);
    this.#checkpoints.aborted(checkpointId);
  }

  /** A batch has come on input channel `channel`; it is worked on in the subtask's next turn. */
  deliver(channel: number, batch: ElementBatch): void {
    this.#inputs.enqueue(channel, batch);
    if (this.#phase === "running") this.#ports.turns.schedule(this);
  }

  /** A channel that leaves the subtask has credit again. */
  credited(): void {
    if (this.#holds.has(NO_CREDIT)) this.#ports.turns.schedule(this);
  }

  turn(): boolean {
    if (this.#phase !== "running") return false;
    if (this.#holds.has(NO_CREDIT) && this.#outputs.hasCredit) {
      this.#holds.remove(NO_CREDIT);
      this.#timers.start();
      this.#shedder?.release();
    }
    this.#turnNowMs = this.#latest.observe(this.#ports.clock.nowMs());
    const hasMore = this.#inputs.drain();
    this.#outputs.settle(this.#chain.watermarkMs);
    return hasMore;
  }

  /** Disconnects; the brokers keep the sessions. Resolves when source and sinks are closed. Idempotent. */
  stop(): Promise<unknown> {
    if (this.#phase !== "failed") this.#phase = "stopped";
    this.#timers.stop();
    this.#checkpoints.cancel();
    this.#outputs.close();
    const connectors = [...(this.#source === null ? [] : [this.#source]), ...this.#sinks.values()];
    this.#closed ??= Promise.allSettled(connectors.map((connector) => connector.close()));
    return this.#closed;
  }

  /** Once a second: expires state, lets time pass, and says what happened since. */
  tick(): { metrics: SubtaskMetrics; samples: SignalSample[] } {
    if (this.#isRunning()) this.#passTime();
    const { jobId, plan } = this.#identity;
    const metrics = {
      jobId: jobId as SubtaskMetrics["jobId"],
      ...this.#region(),
      subtaskId: plan.subtaskId,
      ...this.#meter.report({
        source: this.#source?.metrics() ?? null,
        deadLetters: this.#deadLetters.count,
        stateEntries: this.#state.size,
        sinkUids: [...this.#sinks.keys()],
        heldMs: this.#holds.takeFullMs(),
        watermarkMs: this.#chain.watermarkMs,
        inputQueued: this.#inputs.queuedRecords,
        sourceTime: this.#chain.sourceTime,
        shedRecords: this.#shedder?.shedRecords ?? 0,
        wallMs: this.#latest.latestMs,
      }),
    };
    return { metrics, samples: this.#samples.take() };
  }

  #region(): { regionId: RegionId; attempt: Attempt } {
    return { regionId: this.regionId, attempt: this.attempt };
  }

  #isRunning(): boolean {
    return this.#phase === "running";
  }

  async #load(request: RestoreRequest, pieces: ReadonlyMap<Digest, Uint8Array>): Promise<void> {
    const { clock, yieldTurn, failPoints } = this.#ports;
    const time = await restoreSubtask(request, pieces, {
      plan: this.plan,
      operators: this.#job.graph.operators,
      state: this.#state,
      latest: this.#latest,
      source: this.#source,
      sinks: this.#sinks,
      monotonicMs: () => clock.monotonicMs(),
      yieldTurn,
      onHalf: () => failPoints.hit("restore-half-loaded"),
      isOver: () => this.#phase !== "created",
    });
    if (time === null) return;
    this.#chain.restore(time);
    this.#inputTime?.restore(time.watermarkMs);
    this.#timers.load();
  }

  #record(value: unknown, position: number, arrivedAtMs: number): void {
    if (this.#phase !== "running") return;
    if (this.#holds.isSourceHeld) return this.#checkpoints.keep(value, position, arrivedAtMs);
    if (this.#shedder?.isShedding === true) this.#shedder.take(value, position, arrivedAtMs);
    else this.#run(value, position, arrivedAtMs);
  }

  #run(value: unknown, position: number, arrivedAtMs: number): void {
    if (this.#phase !== "running") return;
    const startedMs = this.#meter.begin();
    this.#outputs.setIdle(false);
    this.#origin.setRecord(position, this.#latest.observe(arrivedAtMs));
    try {
      this.#chain.push(value);
    } catch (thrown) {
      this.#fail(thrown);
    }
    this.#meter.end(startedMs);
    this.#outputs.settle(this.#chain.watermarkMs);
  }

  #exchanged(
    edge: number,
    value: unknown,
    { positions, lanes, times }: ElementBatch,
    at: number,
  ): void {
    const startedMs = this.#meter.begin();
    this.#origin.setExchanged(positions[at]!, lanes[at]!, times[at]!, this.#turnNowMs);
    try {
      this.#entries[edge]!(value);
    } catch (thrown) {
      this.#fail(thrown);
    }
    this.#meter.end(startedMs);
  }

  #taker(): ElementTaker {
    const isHeld = () => this.#phase !== "running" || this.#holds.isFullBehind;
    return {
      get isHeld() {
        return isHeld();
      },
      record: (edge, value, batch, at) => this.#exchanged(edge, value, batch, at),
      watermark: (input, watermarkMs) =>
        this.#channelTime({ kind: "watermark", input, watermarkMs }),
      idle: (input, isIdle) => this.#channelTime({ kind: "idle", input, isIdle }),
      barrier: (channel, checkpointId) => this.#checkpoints.barrier(channel, checkpointId),
      end: (channel) => {
        this.#channelTime({ kind: "close", input: channel });
        this.#checkpoints.channelEnded(channel);
        this.#inputEnded();
      },
    };
  }

  /** What a channel says of time; beside a source of its own it is not asked. */
  #channelTime(event: ValveEvent): void {
    const time = this.#inputTime;
    if (time === null) return;
    time.take(event);
    // The end of the last input is told behind a barrier that it may set off.
    if (event.kind === "watermark" || time.watermarkMs < MAX_WATERMARK_MS) {
      this.#advance(time.watermarkMs);
    }
    this.#outputs.setIdle(time.isIdle);
  }

  #advance(watermarkMs: number): void {
    if (watermarkMs <= this.#chain.watermarkMs) return;
    this.#guarded(() => this.#chain.advanceWatermark(watermarkMs));
    if (this.#isRunning()) this.#outputs.settle(watermarkMs);
  }

  #passTime(): void {
    const nowMs = this.#latest.observe(this.#ports.clock.nowMs());
    for (const table of this.#state.tables) table.sweep(nowMs, SWEEP_ENTRIES_PER_SECOND);
    this.#shedder?.tick(nowMs);
    this.#guarded(() => this.#chain.tick(nowMs));
    if (!this.#isRunning()) return;
    this.#outputs.settle(this.#chain.watermarkMs);
    const { sourceTime } = this.#chain;
    if (sourceTime !== null) this.#outputs.setIdle(sourceTime.isIdle);
  }

  #sourceEnded(): void {
    if (this.#phase !== "running" || this.#hasSourceEnded) return;
    this.#hasSourceEnded = true;
    if (!this.#holds.has(ALIGNING)) this.#endSource();
  }

  #endSource(): void {
    if (this.#isSourceClosed) return;
    this.#isSourceClosed = true;
    this.#shedder?.flush();
    this.#checkpoints.sourceEnded();
    this.#advance(MAX_WATERMARK_MS);
    this.#inputEnded();
  }

  #inputEnded(): void {
    if (--this.#openInputs > 0) return;
    this.#advance(MAX_WATERMARK_MS);
    this.#outputs.end();
  }

  #createCheckpoints(): SubtaskCheckpoints {
    const { clock, yieldTurn, report, failPoints } = this.#ports;
    const parts = {
      plan: this.plan,
      operators: operatorsOf(this.#job, this.plan),
      state: this.#state,
      latest: this.#latest,
      time: (): TimeState => ({
        watermarkMs: this.#chain.watermarkMs,
        latestEventMs: this.#chain.sourceTime?.latestMs ?? MIN_WATERMARK_MS,
      }),
      source: this.#source,
      sinks: this.#sinks,
      monotonicMs: () => clock.monotonicMs(),
      yieldTurn,
    };
    return new SubtaskCheckpoints({
      snapshots: { region: this.#region(), parts, report, failPoints },
      inputs: this.#inputs,
      outputs: this.#outputs,
      holds: this.#holds,
      record: (value, position, arrivedAtMs) => this.#record(value, position, arrivedAtMs),
      drain: () => this.#advance(MAX_WATERMARK_MS),
      onUnblocked: () => this.#unblocked(),
      failed: (message) => this.#failWith(message, { isRetryable: true }),
    });
  }

  /** Runs `body`; what it throws fails the subtask. */
  #guarded(body: () => void): void {
    try {
      body();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #fail(thrown: unknown): void {
    if (thrown instanceof AssertionError) throw thrown;
    this.#failWith(messageOf(thrown), { isRetryable: isRetryable(thrown) });
  }

  #failWith(message: string, { isRetryable }: { isRetryable: boolean }): void {
    if (this.#phase === "failed" || this.#phase === "stopped") return;
    this.#phase = "failed";
    this.#ports.report({ kind: "failed", ...this.#region(), message, isRetryable });
    void this.stop();
  }

  #unblocked(): void {
    if (this.#hasSourceEnded) this.#endSource();
    this.#goOn();
  }

  /** Channels may be read again. */
  #goOn(): void {
    this.#shedder?.release();
    if (this.#inputs.hasWork) this.#ports.turns.schedule(this);
  }

  #ranOutOfCredit(): void {
    if (this.#holds.has(NO_CREDIT) || !this.#isRunning()) return;
    this.#holds.add(NO_CREDIT);
    this.#timers.stop();
  }
}
