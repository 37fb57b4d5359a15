/**
 * What comes out of the job: the latest count of every machine, read from the topics the job writes.
 *
 * Touches the network. Counts arrive on `out/count/<machine>`, staged, so each follows a completed
 * checkpoint; after a failure the same output may come twice, and the newest sequence number wins.
 *
 * @module
 */
import mqtt from "mqtt";
import type { PublishedCounts } from "./plant.ts";

/** State that the job keeps of one machine. */
export interface MachineCount {
  readonly equipment: string;
  /** Records counted. */
  readonly n: number;
  readonly lastSeq: number;
  /** Sequence numbers jumped over: records this state has never seen. */
  readonly holes: number;
  /** Records whose sequence number was not new. */
  readonly duplicates: number;
}

export interface Verdict {
  readonly counted: number;
  /** Published, and neither counted nor inside a hole that a rollback opened. */
  readonly missing: number;
  readonly duplicates: number;
  readonly holes: number;
}

export class CountObserver {
  readonly #client: mqtt.MqttClient;
  readonly #latest = new Map<string, MachineCount>();
  readonly #listeners = new Set<(count: MachineCount) => void>();

  private constructor(client: mqtt.MqttClient) {
    this.#client = client;
    client.on("message", (_topic, payload) => this.#take(JSON.parse(payload.toString())));
  }

  static async connect(brokerUrl: string): Promise<CountObserver> {
    const client = await mqtt.connectAsync(brokerUrl, { protocolVersion: 5 });
    const observer = new CountObserver(client);
    await client.subscribeAsync("out/count/+", { qos: 1 });
    return observer;
  }

  latest(machine: string): MachineCount | undefined {
    return this.#latest.get(machine);
  }

  get counted(): number {
    return [...this.#latest.values()].reduce((sum, count) => sum + count.n, 0);
  }

  /** Calls `listener` with every count that comes; the returned function ends that. */
  onCount(listener: (count: MachineCount) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Holds the newest counts against what the broker has taken from the plant. */
  verify(published: PublishedCounts): Verdict {
    let missing = 0;
    let duplicates = 0;
    let holes = 0;
    for (const [machine, wanted] of published) {
      const found = this.#latest.get(machine) ?? { n: 0, holes: 0, duplicates: 0 };
      missing += Math.max(0, wanted - found.n - found.holes);
      duplicates += found.duplicates + Math.max(0, found.n + found.holes - wanted);
      holes += found.holes;
    }
    return { counted: this.counted, missing, duplicates, holes };
  }

  async stop(): Promise<void> {
    await this.#client.endAsync();
  }

  #take(count: MachineCount): void {
    const known = this.#latest.get(count.equipment);
    if (known !== undefined && known.lastSeq > count.lastSeq) return;
    this.#latest.set(count.equipment, count);
    for (const listener of this.#listeners) listener(count);
  }
}
