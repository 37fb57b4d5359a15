/**
 * A job's operators as one chain over state in memory, without source, sinks and snapshots of their own; a
 * restore goes through the stored form.
 *
 * @module
 */
import type { RegionId } from "@shared/ids.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import { defineJob, type JobBuilder } from "@shared/sdk/job.ts";
import type { BuiltJob } from "@shared/sdk/operator.ts";
import type { SinkWriter } from "../../agent/connectors/connector.ts";
import { type Chain, compileChain } from "../../agent/runner/chain.ts";
import { DeadLetters } from "../../agent/runner/failures.ts";
import { LatestTime, Origin } from "../../agent/runner/origin.ts";
import { slotStates } from "../../agent/runner/restore_plan.ts";
import { SignalSamples } from "../../agent/runner/signal_samples.ts";
import { TimerService } from "../../agent/runner/timer_service.ts";
import { MAX_WATERMARK_MS } from "../../agent/runner/watermarks.ts";
import { KeyedState } from "../../agent/state/keyed_state.ts";
import { StateTable } from "../../agent/state/state_table.ts";
import { changesInPlace } from "../../agent/state/value_clone.ts";
import { captureTable } from "./table_copy.ts";

/** What a sink got. */
export interface Written {
  readonly value: unknown;
  readonly outputId: string;
  /** Event time that it was sent with. */
  readonly atMs: number;
}

export class ChainRig {
  readonly job: BuiltJob;
  readonly clock: ManualClock;
  readonly chain: Chain;
  readonly origin = new Origin("r.0" as RegionId);
  readonly deadLetters: unknown[] = [];
  readonly #latest = new LatestTime();
  readonly #state: KeyedState;
  readonly #timers: TimerService;
  readonly #written = new Map<string, Written[]>();
  #position = 0;

  constructor(build: ((job: JobBuilder) => void) | BuiltJob, clock = new ManualClock()) {
    this.job = typeof build === "function" ? defineJob("rig", build).build({}) : build;
    this.clock = clock;
    this.#state = new KeyedState(tablesOf(this.job));
    this.#timers = new TimerService(clock, this.#latest, (thrown) => {
      throw thrown;
    });
    const { graph, operators } = this.job;
    const sinks = graph.operators.filter(({ kind }) => kind === "sink");
    this.chain = compileChain(
      { operatorUids: graph.operators.map(({ uid }) => uid), edges: graph.edges, operators },
      {
        origin: this.origin,
        state: this.#state,
        timers: this.#timers,
        deadLetters: new DeadLetters((event) => this.deadLetters.push(event.fields), () => 0),
        samples: new SignalSamples(),
        sinks: new Map(sinks.map(({ uid }) => [uid, this.#sink(uid)])),
        afterWrite: () => {},
        isTimeDrivenByRecords: true,
      },
    );
  }

  /** What sink `uid` got. */
  written(uid = "out"): readonly Written[] {
    return this.#written.get(uid) ?? [];
  }

  values(uid = "out"): unknown[] {
    return this.written(uid).map(({ value }) => value);
  }

  get stateEntries(): number {
    return this.#state.size;
  }

  lateRecords(uid: string): number {
    return this.chain.counts.find((count) => count.uid === uid)!.lateRecords;
  }

  /** Records of the source, arriving now. */
  emit(...records: unknown[]): void {
    for (const record of records) {
      this.origin.setRecord(++this.#position, this.#latest.observe(this.clock.nowMs()));
      this.chain.push(record);
    }
  }

  /** Timers of the wall clock fire from now on. */
  start(): this {
    this.#timers.start();
    return this;
  }

  /** Wall-clock time passes, in steps of a second at most. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 1_000) {
      this.clock.advance(Math.min(left, 1_000));
      this.chain.tick(this.#latest.observe(this.clock.nowMs()));
    }
  }

  /** The input is over: everything fires. */
  end(): void {
    this.chain.advanceWatermark(MAX_WATERMARK_MS);
  }

  /** A chain that begins with the state of this moment, though `meanwhile` changes it before it is stored. */
  restored(meanwhile: () => void = () => {}): ChainRig {
    const copies = [...this.#state.tables].map((table) =>
      [table.uid, captureTable(table)] as const
    );
    const event = this.chain.clock.capture();
    const source = this.chain.sourceTime!.capture();
    const position = this.#position;
    const clock = new ManualClock(this.clock.nowMs());
    meanwhile();
    const other = new ChainRig(this.job, clock);
    for (const [uid, copy] of copies) copy(other.#state.table(uid));
    other.chain.clock.restore(event);
    other.chain.sourceTime!.restore(source);
    other.#position = position;
    other.#latest.observe(this.#latest.latestMs);
    other.#timers.load();
    return other;
  }

  #sink(uid: string): SinkWriter {
    const written: Written[] = [];
    this.#written.set(uid, written);
    return {
      pendingCount: 0,
      write: (value, outputId) => {
        written.push({ value: structuredClone(value), outputId, atMs: this.origin.atMs });
      },
      flush: () => Promise.resolve(),
      capture: () => null,
      restore: () => {},
      notifyCompleted: () => {},
      close: () => Promise.resolve(),
    };
  }
}

function tablesOf({ graph }: BuiltJob): StateTable[] {
  return graph.operators.filter(({ isKeyed }) => isKeyed).map(({ uid, kind, states }) =>
    new StateTable({
      uid,
      slotCount: slotStates(states).length,
      ttlMs: null,
      isMutable: changesInPlace(kind),
    })
  );
}
