/**
 * The plant of the demo: machines that publish telemetry at QoS 1 with a sequence number of their own.
 *
 * Touches the network and timers. A record counts as published when the broker has acknowledged it;
 * what was published is what the results are held against.
 *
 * @module
 */
import mqtt from "mqtt";
import type { Random } from "@shared/random.ts";
import {
  createMachine,
  type Fault,
  type MachineState,
  stepMachine,
  withFault,
} from "./plant_model.ts";
import type { Recording } from "./recording.ts";

/** Machine name to records the broker has acknowledged. */
export type PublishedCounts = Map<string, number>;

interface Machine {
  readonly name: string;

  readonly topic: string;
  seq: number;
  /** Body of the next record. */
  next(): Record<string, unknown>;
}

export interface PlantOptions {
  readonly brokerUrl: string;
  readonly random: Random;
  /** Time between two records of one machine. */
  readonly periodMs: number;
}

const MACHINES_PER_LINE = 3;
const KINDS = ["pump", "compressor", "mixer"] as const;

export class Plant {
  readonly #client: mqtt.MqttClient;
  readonly #options: PlantOptions;
  readonly #machines: Machine[] = [];
  readonly #lines = new Map<string, number>();
  readonly #models = new Map<string, MachineState>();
  readonly published: PublishedCounts = new Map();
  #timer: ReturnType<typeof setInterval> | null = null;
  #inFlight = 0;
  #idle: (() => void) | null = null;

  private constructor(client: mqtt.MqttClient, options: PlantOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Two lines of three machines each, simulated. */
  static async simulated(options: PlantOptions): Promise<Plant> {
    const plant = new Plant(
      await mqtt.connectAsync(options.brokerUrl, { protocolVersion: 5 }),
      options,
    );
    for (let line = 1; line <= 2; line++) {
      for (let i = 0; i < MACHINES_PER_LINE; i++) {
        const name = `${KINDS[i]}-${line}${i + 1}`;
        plant.#models.set(name, createMachine());
        plant.#add(name, line, () => plant.#simulate(name));
      }
    }
    return plant;
  }

  /** One rig per recording, spread over the two lines, each played over and over. */
  static async replayed(options: PlantOptions, recordings: readonly Recording[]): Promise<Plant> {
    const plant = new Plant(
      await mqtt.connectAsync(options.brokerUrl, { protocolVersion: 5 }),
      options,
    );
    recordings.forEach((recording, index) => {
      let row = 0;
      plant.#add(recording.rig, index % 2 + 1, () => {
        const values = recording.rows[row++ % recording.rows.length]!;
        return {
          signals: Object.fromEntries(recording.signalNames.map((name, i) => [name, values[i]])),
        };
      });
    });
    return plant;
  }

  get machineNames(): string[] {
    return [...this.#lines.keys()];
  }

  lineOf(machineName: string): number {
    return this.#lines.get(machineName)!;
  }

  get publishedTotal(): number {
    return [...this.published.values()].reduce((sum, count) => sum + count, 0);
  }

  run(): void {
    this.#timer ??= setInterval(() => this.#tick(), this.#options.periodMs);
  }

  /** Resolves when nothing more is published and everything published is acknowledged. */
  async pause(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => this.#idle = resolve);
  }

  /** Breaks a simulated machine; a replayed rig brings its own faults. */
  injectFault(name: string, fault: Fault): void {
    const model = this.#models.get(name);
    if (model !== undefined) this.#models.set(name, withFault(model, fault));
  }

  async stop(): Promise<void> {
    await this.pause();
    await this.#client.endAsync();
  }

  #add(name: string, line: number, next: () => Record<string, unknown>): void {
    const topic = `plant/line-${line}/${name}/telemetry`;
    this.#machines.push({ name, topic, seq: 0, next });
    this.#lines.set(name, line);
    this.published.set(name, 0);
  }

  #tick(): void {
    for (const machine of [...this.#machines]) {
      const body = machine.next();
      if (body === null) {
        this.#machines.splice(this.#machines.indexOf(machine), 1);
        continue;
      }
      machine.seq++;
      this.#publish(machine, {
        equipment: machine.name,
        seq: machine.seq,
        ts: Date.now(),
        ...body,
      });
    }
  }

  #publish(machine: Machine, record: Record<string, unknown>): void {
    this.#inFlight++;
    this.#client.publish(machine.topic, JSON.stringify(record), { qos: 1 }, (error) => {
      this.#inFlight--;
      if (error === undefined || error === null) {
        this.published.set(machine.name, this.published.get(machine.name)! + 1);
      }
      if (this.#inFlight === 0) this.#idle?.();
    });
  }

  #simulate(name: string): Record<string, unknown> {
    const noise = [this.#normal(), this.#normal(), this.#normal()] as const;
    const step = stepMachine(this.#models.get(name)!, this.#options.periodMs / 1000, noise);
    this.#models.set(name, step.state);
    return { ...step.signals };
  }

  /** Standard normal, after Box and Muller (1958). */
  #normal(): number {
    const u = Math.max(this.#options.random.next(), Number.MIN_VALUE);
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * this.#options.random.next());
  }
}
