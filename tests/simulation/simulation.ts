/**
 * Hub, agents, runners and broker under one virtual clock, with faults from a seed.
 *
 * Touches a database in memory. Everything but processes, disks and sockets is the real code: job loops,
 * sessions, agent, runner, MQTT session, ledger, snapshots. After each step the central rule is checked
 * (C9); at the end every record counts once, and an output id names one output (K1).
 *
 * The seed fixes the load and the faults; the database answers in its own time, so that two runs of a seed
 * agree in what they are given and not in every interleaving.
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers";
import { clientIdOf } from "../../agent/connectors/mqtt_source.ts";
import { createAgent } from "../../hub/db/agent_store.ts";
import { readPart } from "../../hub/db/checkpoint_store.ts";
import { createJob } from "../../hub/db/job_store.ts";
import { bundles } from "../../hub/db/schema.ts";
import { HubWorld, JOB_ID } from "../support/hub_world.ts";
import type { Digest } from "@shared/ids.ts";
import { defineJob } from "@shared/sdk/job.ts";
import type { JobDefinition } from "@shared/sdk/operator.ts";
import { mqttSink } from "@shared/sdk/sink.ts";
import { mqttSource } from "@shared/sdk/source.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import { SimAgent } from "./sim_agent.ts";
import { SimBroker } from "./sim_broker.ts";

const SPLITS = 3;
const KEYS_PER_SPLIT = 5;
const AGENTS = 3;
const PARALLELISM = 2;
const PARALLELISM_MAX = 4;
const STEP_MS = 200;
/** The clock moves in parts of a step, so that one event can follow another within it. */
const PART_MS = 20;
/** From the connection of the last agent to the deployment. */
const SETTLE_MS = 2_000;
/** Longest upload. */
const UPLOAD_MS_MAX = 1_000;
const STEPS = 400;
const BURST_MAX = 8;
/** Chance of a fault in one step. */
const FAULT_CHANCE = 0.08;
/** Longest time that a fault lasts. */
const FAULT_MS_MAX = 20_000;
const QUIET_STEPS_MAX = 2_000;
const BUNDLE = "simulation";

interface Reading {
  readonly k: string;
  readonly v: number;
}

interface Counted {
  readonly k: string;
  readonly n: number;
  readonly sum: number;
}

/** How the records of a key come together: in their split, or from all splits through an exchange. */
export type Flow = "local" | "exchange";

const definitionOf = (flow: Flow): JobDefinition =>
  defineJob("simulation", (job) => {
    const readings = job.source(
      "telemetry",
      mqttSource<Reading>({
        broker: "plant",
        splits: Array.from({ length: SPLITS }, (_, split) => ({ topics: [`plant/${split}/#`] })),
      }),
    );
    const keyed = flow === "local"
      ? readings.keyByLocal((reading) => reading.k)
      : readings.keyBy((reading) => reading.k);
    keyed.mapWithState(
      "count",
      { initial: () => ({ n: 0, sum: 0 }) },
      (state, { k, v }): [{ n: number; sum: number }, Counted] => {
        const next = { n: state.n + 1, sum: state.sum + v };
        return [next, { k, ...next }];
      },
    ).sink("out", mqttSink({ broker: "plant", topic: () => "out" }));
  });

type Fault =
  | "kill"
  | "lose-disk"
  | "freeze"
  | "cut-off"
  | "drop-link"
  | "cut-broker"
  | "broker-away"
  | "hub";
const FAULTS: readonly Fault[] = [
  "kill",
  "kill",
  "lose-disk",
  "freeze",
  "cut-off",
  "drop-link",
  "cut-broker",
  "broker-away",
  "hub",
];
/** Chance of a rescale in one step of a job with an exchange. */
const RESCALE_CHANCE = 0.01;

export class Simulation {
  readonly #hub: HubWorld;
  readonly #flow: Flow;
  readonly #random: SeededRandom;
  readonly #broker: SimBroker;
  readonly #agents: SimAgent[];
  readonly #published: number[] = Array.from({ length: SPLITS }, () => 0);
  /** Sum of each key after its n-th record, by key. */
  readonly #expected = new Map<string, number[]>();
  readonly #outputs = new Map<string, string>();
  readonly #counted = new Map<string, number[]>();
  /** What is to be healed, and when. */
  readonly #healing: { atMs: number; heal: () => Promise<void> | void }[] = [];
  readonly faults: string[] = [];
  #isHubUp = true;

  private constructor(hub: HubWorld, flow: Flow, seed: number) {
    this.#hub = hub;
    this.#flow = flow;
    this.#random = new SeededRandom(seed);
    this.#broker = new SimBroker(hub.clock);
    this.#agents = Array.from(
      { length: AGENTS },
      (_, i) =>
        new SimAgent(`agent-${i + 1}`, seed + i, {
          clock: hub.clock,
          broker: this.#broker,
          definition: definitionOf(flow),
          fetch: this.#fetch,
          sessions: () => this.#isHubUp ? hub.sessions : null,
          onOutput: (value, id) => this.#output(value as Counted, id),
        }),
    );
  }

  /** Runs one seed from the first deployment to the last check. */
  static async run(flow: Flow, seed: number): Promise<Simulation> {
    const brokers = [{
      name: "plant",
      url: "mqtt://plant",
      username: null,
      password: null,
      caPem: null,
    }];
    const hub = await HubWorld.open({ brokers });
    const simulation = new Simulation(hub, flow, seed);
    try {
      await simulation.#deploy();
      for (let step = 0; step < STEPS; step++) await simulation.#step();
      await simulation.#heal();
      await simulation.#settle();
      simulation.#verify();
    } finally {
      for (const agent of simulation.#agents) agent.kill({ losesDisk: true });
      await hub.close();
    }
    return simulation;
  }

  async #deploy(): Promise<void> {
    const { db, clock } = this.#hub;
    for (const agent of this.#agents) {
      const name = agent.id as string;
      const nowMs = clock.nowMs();
      await createAgent(db, { id: agent.id, name, labels: {}, credentialHash: name, nowMs });
      await agent.start();
    }
    const { sessions } = this.#hub;
    const areHere = () => this.#agents.every(({ id }) => sessions.verdict(id) === "held");
    await this.#hub.until(areHere, "all agents are connected");
    await this.#hub.pass(SETTLE_MS);
    const digest = createHash("sha256").update(BUNDLE).digest("hex");
    await db.insert(bundles).values({ digest, bundle: BUNDLE, createdAt: new Date(clock.nowMs()) });
    this.#hub.objects.objects.set(digest as Digest, new TextEncoder().encode(BUNDLE));
    const { graph } = definitionOf(this.#flow).build({});
    await createJob(db, {
      id: JOB_ID,
      name: graph.name,
      bundleDigest: digest,
      params: {},
      graph,
      parallelism: PARALLELISM,
      checkpointIntervalMs: 2_000,
      allowNonRestoredState: false,
      createdBy: "simulation",
      nowMs: clock.nowMs(),
    });
    await this.#hub.order("deploy", {});
    await this.#hub.allRunning();
  }

  async #step(): Promise<void> {
    const { clock } = this.#hub;
    for (const due of this.#healing.filter(({ atMs }) => atMs <= clock.monotonicMs())) {
      this.#healing.splice(this.#healing.indexOf(due), 1);
      await due.heal();
    }
    if (!this.#broker.isAway) this.#publish(Math.floor(this.#random.next() * BURST_MAX));
    if (this.#random.next() < FAULT_CHANCE) await this.#inject();
    if (this.#flow === "exchange" && this.#random.next() < RESCALE_CHANCE) await this.#rescale();
    await this.#pass();
    await this.#checkCentralRule();
  }

  /** Lets what was said be handled, and time pass. */
  async #pass(): Promise<void> {
    for (let past = 0; past < STEP_MS; past += PART_MS) {
      this.#hub.clock.advance(PART_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await this.#hub.idle();
  }

  #publish(count: number): void {
    for (let i = 0; i < count; i++) {
      const split = Math.floor(this.#random.next() * SPLITS);
      const key = Math.floor(this.#random.next() * KEYS_PER_SPLIT);
      const k = this.#flow === "local" ? `${split}-${key}` : `${key}`;
      // Often equal to the record before: only its place tells a redelivery from a new record.
      const v = Math.floor(this.#random.next() * 3);
      const sums = this.#expected.get(k) ?? [];
      sums.push((sums.at(-1) ?? 0) + v);
      this.#expected.set(k, sums);
      this.#published[split]!++;
      this.#broker.publish(`plant/${split}/x`, new TextEncoder().encode(JSON.stringify({ k, v })));
    }
  }

  /** Asks for another parallelism; a job that is not all running refuses it. */
  async #rescale(): Promise<void> {
    if (!this.#isHubUp) return;
    const parallelism = 1 + Math.floor(this.#random.next() * PARALLELISM_MAX);
    this.faults.push(`${this.#hub.clock.monotonicMs()} rescale ${parallelism}`);
    await this.#hub.order("rescale", { parallelism });
  }

  async #inject(): Promise<void> {
    const fault = FAULTS[Math.floor(this.#random.next() * FAULTS.length)]!;
    const agent = this.#agents[Math.floor(this.#random.next() * AGENTS)]!;
    const lastsMs = Math.floor(this.#random.next() * FAULT_MS_MAX);
    const heal = await this.#break(fault, agent);
    if (heal === null) return;
    this.faults.push(`${this.#hub.clock.monotonicMs()} ${fault} ${agent.id} ${lastsMs}`);
    this.#healing.push({ atMs: this.#hub.clock.monotonicMs() + lastsMs, heal });
  }

  /** Injects a fault. @returns What ends it; null when it cannot happen now. */
  async #break(fault: Fault, agent: SimAgent): Promise<(() => Promise<void> | void) | null> {
    switch (fault) {
      case "kill":
      case "lose-disk":
        if (!agent.isAlive || agent.isFrozen) return null;
        agent.kill({ losesDisk: fault === "lose-disk" });
        return () => agent.start();
      case "freeze":
        if (!agent.isAlive || agent.isFrozen) return null;
        agent.freeze();
        return () => agent.thaw();
      case "cut-off":
        agent.isCutOff = true;
        agent.dropLinks();
        return () => void (agent.isCutOff = false);
      case "drop-link":
        agent.dropLinks();
        return () => {};
      case "cut-broker":
        this.#broker.cut(agent.id);
        return () => {};
      case "broker-away":
        this.#broker.isAway = true;
        this.#broker.cut(null);
        return () => void (this.#broker.isAway = false);
      case "hub":
        if (!this.#isHubUp) return null;
        await this.#stopHub();
        return () => this.#startHub();
    }
  }

  async #stopHub(): Promise<void> {
    this.#isHubUp = false;
    for (const agent of this.#agents) agent.dropLinks();
    await this.#hub.stopHub();
  }

  async #startHub(): Promise<void> {
    await this.#hub.startHub();
    this.#isHubUp = true;
  }

  async #heal(): Promise<void> {
    for (const { heal } of this.#healing.splice(0)) await heal();
  }

  /** Waits until everything published is in a completed checkpoint and acknowledged. */
  async #settle(): Promise<void> {
    for (let step = 0; step < QUIET_STEPS_MAX; step++) {
      await this.#pass();
      await this.#checkCentralRule();
      const left = this.#published.map((_, split) => this.#unacknowledged(split));
      if (left.every((count) => count === 0)) return;
    }
    const left = this.#published.map((_, split) => this.#unacknowledged(split));
    ok(false, `Not all was acknowledged in quiet: ${left.join(", ")} left`);
  }

  /** C9: what the broker has forgotten is inside a completed checkpoint. */
  async #checkCentralRule(): Promise<void> {
    const covered = await this.#coveredPositions();
    for (const [split, published] of this.#published.entries()) {
      const acknowledged = published - this.#unacknowledged(split);
      ok(
        acknowledged <= covered[split]!,
        `C9: split ${split}: ${acknowledged} acknowledged, ${
          covered[split]
        } in completed checkpoints`,
      );
    }
  }

  /** Records of each split inside the last completed checkpoint of its region. */
  async #coveredPositions(): Promise<number[]> {
    const covered = this.#published.map(() => 0);
    for (const { regionId, lastCompletedId: checkpointId } of await this.#hub.regions()) {
      if (checkpointId === null) continue;
      const part = await readPart(this.#hub.db, { jobId: JOB_ID, checkpointId, regionId });
      for (const { splits } of part?.snapshots ?? []) {
        for (const { splitIndex, position } of splits) covered[splitIndex] = position;
      }
    }
    return covered;
  }

  #unacknowledged(split: number): number {
    const left = this.#broker.unacknowledged(clientIdOf(JOB_ID, "telemetry", split));
    return left ?? this.#published[split]!;
  }

  #output(value: Counted, id: string): void {
    const text = JSON.stringify(value);
    const known = this.#outputs.get(id);
    // Behind an exchange a replay may meet the records of several splits in another order.
    const isSame = known === undefined || known === text || this.#flow === "exchange";
    ok(isSame, `K1: output ${id} was ${known}, and now ${text}`);
    this.#outputs.set(id, text);
    const sums = this.#counted.get(value.k) ?? [];
    sums[value.n - 1] = value.sum;
    this.#counted.set(value.k, sums);
  }

  #verify(): void {
    const last = (sums: number[]) => this.#flow === "local" ? sums : [sums.length, sums.at(-1)!];
    const sorted = (of: Map<string, number[]>) =>
      [...of].map(([k, sums]) => [k, last(sums)] as const).sort(([a], [b]) => a < b ? -1 : 1);
    deepStrictEqual(sorted(this.#counted), sorted(this.#expected));
    const total = this.#published.reduce((sum, count) => sum + count, 0);
    deepStrictEqual(this.#outputs.size, total, "each record has one output id");
    const hasExchanged = this.#broker.clientIds.some((id) => id.startsWith("penstock-x-"));
    deepStrictEqual(hasExchanged, this.#flow === "exchange", "agents exchange records");
  }

  readonly #fetch = ((url: string, init: RequestInit = {}): Promise<Response> => {
    const digest = url.slice("memory:".length) as Digest;
    const { objects } = this.#hub.objects;
    if (init.method === "PUT") {
      const tookMs = Math.floor(this.#random.next() * UPLOAD_MS_MAX);
      return new Response(init.body ?? null).arrayBuffer().then((body) =>
        new Promise((resolve) =>
          this.#hub.clock.after(tookMs, () => {
            objects.set(digest, new Uint8Array(body));
            resolve(new Response(""));
          })
        )
      );
    }
    const bytes = objects.get(digest);
    const answer = bytes === undefined
      ? new Response("", { status: 404 })
      : new Response(bytes as Uint8Array<ArrayBuffer>);
    return Promise.resolve(answer);
  }) as typeof fetch;
}
