/**
 * The chain of a job's one stage with tables, timers and sinks in memory, for tests of operators alone.
 *
 * Touches nothing. Edges that leave the chain, and edges that come from other stages, are the test's.
 *
 * @module
 */
import type { RegionId } from "@shared/ids.ts";
import { isExchange } from "@shared/job_graph.ts";
import type { GroupRange } from "@shared/manifest.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import type { RegionEvent } from "@shared/messages.ts";
import type { BuiltJob, JobDefinition } from "@shared/sdk/operator.ts";
import { KeyedState } from "../state/keyed_state.ts";
import { StateTable } from "../state/state_table.ts";
import { type Chain, compileChain } from "./chain.ts";
import type { BroadcastTable } from "./chain_parts.ts";
import { DeadLetters } from "./failures.ts";
import { LatestTime, Origin } from "./origin.ts";
import { SignalSamples } from "./signal_samples.ts";
import { FakeSink } from "./test_support.ts";
import { TimerService } from "./timer_service.ts";

/** Broadcast state of one operator in memory. */
export class FakeBroadcast implements BroadcastTable {
  readonly values = new Map<string, unknown>();

  get size(): number {
    return this.values.size;
  }
  get(name: string): unknown {
    return this.values.get(name);
  }
  set(name: string, value: unknown): void {
    this.values.set(name, value);
  }
  delete(name: string): void {
    this.values.delete(name);
  }
  entries(): Iterable<readonly [string, unknown]> {
    return [...this.values].sort(([a], [b]) => a < b ? -1 : 1);
  }
}

export class ChainRig {
  readonly chain: Chain;
  readonly clock = new ManualClock();
  readonly origin = new Origin("in.0" as RegionId);
  readonly tables: ReadonlyMap<string, StateTable>;
  readonly timers: TimerService;
  readonly events: RegionEvent[] = [];
  readonly deadLetters: DeadLetters;
  /** By uid. */
  readonly sinks: ReadonlyMap<string, FakeSink>;
  readonly broadcast = new FakeBroadcast();
  /** What left over exchange edges. */
  readonly sent: { edge: number; record: unknown; atMs: number }[] = [];
  #position = 0;

  /** @param of `stage`: the uids of the chain; all operators unless given. */
  constructor(definition: JobDefinition, of: {
    stage?: readonly string[];
    keyGroups?: GroupRange;
    isTimeDrivenByRecords?: boolean;
    subtaskId?: string;
  } = {}) {
    const job = definition.build({});
    const stage = of.stage ?? job.graph.operators.map(({ uid }) => uid);
    const nodes = job.graph.operators.filter(({ uid }) => stage.includes(uid));
    const tables = nodes.filter(({ isKeyed }) => isKeyed).map(({ uid, states }) => {
      const slotCount = states.filter(({ kind }) =>
        kind !== "timers" && kind !== "broadcast"
      ).length;
      return new StateTable({ uid, slotCount, ttlMs: null, isMutable: false });
    });
    this.tables = new Map(tables.map((table) => [table.uid, table]));
    this.sinks = new Map(
      nodes.filter(({ kind }) => kind === "sink").map(({ uid }) => [uid, new FakeSink()]),
    );
    this.timers = new TimerService(this.clock, new LatestTime(), (thrown) => {
      throw thrown;
    });
    this.deadLetters = new DeadLetters((event) => this.events.push(event), () => 0);
    this.chain = compileChain({ ...job, edges: job.graph.edges, operatorUids: stage }, {
      origin: this.origin,
      state: new KeyedState(tables),
      timers: this.timers,
      deadLetters: this.deadLetters,
      samples: new SignalSamples(),
      sinks: this.sinks,
      afterWrite: () => {},
      exchange: (edge) => (record) => void this.sent.push({ edge, record, atMs: this.origin.atMs }),
      broadcast: () => this.broadcast,
      ...(of.keyGroups === undefined ? {} : { keyGroups: of.keyGroups }),
      ...(of.subtaskId === undefined ? {} : { subtaskId: of.subtaskId }),
      ...(of.isTimeDrivenByRecords === undefined ? {} : { isTimeDrivenByRecords: true }),
    });
    this.timers.start();
  }

  /** A record of the source, each at the time of the clock. */
  push(...records: unknown[]): void {
    for (const record of records) {
      this.origin.setRecord(++this.#position, this.clock.nowMs());
      this.chain.push(record);
    }
  }

  /** A record of another subtask over edge number `edge`. */
  receive(edge: number, record: unknown, atMs: number): void {
    this.origin.setExchanged(++this.#position, 1, atMs, this.clock.nowMs());
    this.chain.inputs.get(edge)!(record);
  }

  /** The wall clock goes on, and the chain is told. */
  wait(ms: number): void {
    this.clock.advance(ms);
    this.chain.tick(this.clock.nowMs());
  }

  /** What sink `uid` got so far. */
  out(uid = "out"): unknown[] {
    return this.sinks.get(uid)!.written.map(({ value }) => value);
  }

  /** Takes over the tables and event time of `other`, as a restore does. */
  takeOver(other: ChainRig): void {
    for (const [uid, table] of this.tables) {
      for (const entry of other.tables.get(uid)!.entries()) table.rollBack(entry.key, entry);
    }
    this.chain.clock.restore(other.chain.clock.capture());
    const time = other.chain.sourceTime?.capture();
    if (time !== undefined) this.chain.sourceTime?.restore(time);
    this.timers.load();
  }
}

/** Indexes of the exchange edges of `job` that end at `uid`. */
export function exchangeEdgesTo(job: BuiltJob, uid: string): number[] {
  return [...job.graph.edges.entries()]
    .filter(([, edge]) => edge.to === uid && isExchange(edge))
    .map(([index]) => index);
}
