/**
 * Load with an oracle: publishes numbered records at QoS 1 and remembers what the broker acknowledged.
 *
 * Touches the network and timers. A record counts for the oracle when its PUBACK came; the results of a
 * job are exact when every key's count and sum equal the oracle's.
 *
 * @module
 */
import mqtt from "mqtt";

export interface KeyTotal {
  n: number;
  sum: number;
}

export interface LoadOptions {
  readonly brokerUrl: string;
  /** Records go to `<prefix>/<split>`; keys are spread over the splits, each key on one. */
  readonly prefix: string;
  readonly splitCount: number;
  readonly keyCount: number;
  readonly recordsPerSecond: number;
}

const TICK_MS = 20;

export class Load {
  readonly #client: mqtt.MqttClient;
  readonly #options: LoadOptions;
  /** What the broker has taken, by key. */
  readonly oracle = new Map<string, KeyTotal>();
  #sequence = 0;
  #owed = 0;
  #inFlight = 0;
  #timer: ReturnType<typeof setInterval> | null = null;
  #idle: (() => void) | null = null;

  private constructor(client: mqtt.MqttClient, options: LoadOptions) {
    this.#client = client;
    this.#options = options;
  }

  static async connect(options: LoadOptions): Promise<Load> {
    const client = await mqtt.connectAsync(options.brokerUrl, {
      protocolVersion: 5,
      // An own session: what is in flight when a broker restarts is sent again and acknowledged once.
      clientId: `load-${options.prefix.replaceAll("/", "-")}`,
      clean: false,
      properties: { sessionExpiryInterval: 600 },
      reconnectPeriod: 200,
    });
    return new Load(client, options);
  }

  get acknowledged(): number {
    let total = 0;
    for (const { n } of this.oracle.values()) total += n;
    return total;
  }

  run(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  /** Stops and waits until everything sent is acknowledged. */
  async pause(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#idle = resolve);
  }

  async stop(): Promise<void> {
    await this.pause();
    await this.#client.endAsync();
  }

  #tick(): void {
    this.#owed += (this.#options.recordsPerSecond * TICK_MS) / 1000;
    for (; this.#owed >= 1; this.#owed--) this.#publishOne();
  }

  #publishOne(): void {
    const number = this.#sequence++;
    const key = number % this.#options.keyCount;
    const value = (number * 7919) % 1000;
    const topic = `${this.#options.prefix}/${key % this.#options.splitCount}`;
    this.#inFlight++;
    this.#client.publish(
      topic,
      JSON.stringify({ k: `key-${key}`, v: value }),
      { qos: 1 },
      (error) => {
        this.#inFlight--;
        if (!error) this.#count(`key-${key}`, value);
        if (this.#inFlight === 0) this.#idle?.();
      },
    );
  }

  #count(key: string, value: number): void {
    const total = this.oracle.get(key);
    if (total === undefined) this.oracle.set(key, { n: 1, sum: value });
    else {
      total.n++;
      total.sum += value;
    }
  }
}

/** Latest total of every key, read from the topics that the job writes. */
export class Totals {
  readonly #client: mqtt.MqttClient;
  readonly latest = new Map<string, KeyTotal>();
  /** Output ids seen, and how often; repeats must carry the same payload. */
  readonly outputs = new Map<string, string>();
  contradictions = 0;
  received = 0;

  private constructor(client: mqtt.MqttClient) {
    this.#client = client;
    client.on("message", (_topic, payload, packet) => {
      this.received++;
      const text = payload.toString();
      const total = JSON.parse(text) as KeyTotal & { k: string };
      const id = packet.properties?.userProperties?.["penstock-id"];
      if (typeof id === "string") this.#check(id, text);
      this.latest.set(total.k, { n: total.n, sum: total.sum });
    });
  }

  static async connect(brokerUrl: string, topic: string): Promise<Totals> {
    const client = await mqtt.connectAsync(brokerUrl, {
      protocolVersion: 5,
      clientId: `totals-${topic.replaceAll(/[^a-z0-9]/g, "")}`,
      clean: false,
      properties: { sessionExpiryInterval: 600, receiveMaximum: 65_535 },
      reconnectPeriod: 200,
    });
    const totals = new Totals(client);
    await client.subscribeAsync(topic, { qos: 1 });
    return totals;
  }

  get counted(): number {
    let total = 0;
    for (const { n } of this.latest.values()) total += n;
    return total;
  }

  async stop(): Promise<void> {
    await this.#client.endAsync();
  }

  /** Within one lineage the same output id always means the same output. */
  #check(id: string, text: string): void {
    const known = this.outputs.get(id);
    if (known === undefined) this.outputs.set(id, text);
    else if (known !== text) this.contradictions++;
  }
}

/** Keys whose total differs from the oracle's, as readable lines. */
export function differences(
  oracle: ReadonlyMap<string, KeyTotal>,
  found: ReadonlyMap<string, KeyTotal>,
): string[] {
  const lines: string[] = [];
  for (const [key, want] of oracle) {
    const have = found.get(key) ?? { n: 0, sum: 0 };
    if (have.n !== want.n || have.sum !== want.sum) {
      lines.push(
        `${key}: want ${want.n} records of sum ${want.sum}, found ${have.n} of ${have.sum}`,
      );
    }
  }
  for (const key of found.keys()) if (!oracle.has(key)) lines.push(`${key}: never published`);
  return lines;
}
