/**
 * The MQTT source against a real Mosquitto: crashes, takeovers, lost sessions, TLS, restarts, lost acks.
 *
 * A `Job` stands for a subtask: it counts each numbered message in its state, makes checkpoints and restores
 * them. The outcome asserted is always the state: each message once.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { Connection, Dialer } from "@shared/dialer.ts";
import type { CheckpointId } from "@shared/ids.ts";
import type { BrokerConfig, RegionEvent } from "@shared/messages.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { denoDialer } from "@shared/platform/deno_dialer.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import type { SourceReader } from "../../agent/connectors/connector.ts";
import { ByteWriter, PACKET, packet } from "../../agent/connectors/mqtt_packets.ts";
import { clientIdOf, createMqttSource } from "../../agent/connectors/mqtt_source.ts";
import { accepts, ended, freePort, pause, runOrThrow, waitUntil } from "../support/commands.ts";
import { silentLogger } from "../support/logger.ts";

onEachBroker(
  "mqtt source: killed without acknowledging, the next owner gets everything (M1, C9)",
  async (broker) => {
    const first = await Job.start(broker);
    await publish(broker, 0, 500);
    await first.untilHeld(500);
    first.kill();
    const second = await Job.start(broker);
    await second.untilHeld(500);
    await second.assertExact(500);
  },
);

onEachBroker(
  "mqtt source: a restored checkpoint counts nothing twice and acknowledges what it dropped (M3, M5)",
  async (broker) => {
    const first = await Job.start(broker);
    await publish(broker, 0, 1000);
    await first.untilHeld(1000);
    const snapshot = first.capture();
    await publish(broker, 1000, 500);
    await first.untilHeld(1500);
    first.kill();
    const second = await Job.start(broker, { restore: snapshot });
    await second.untilHeld(1500);
    second.checkpoint();
    await waitUntil(
      "confirmation",
      () => Promise.resolve(second.source.metrics().windowUsed === 0),
    );
    await second.assertExact(1500);
  },
);

onEachBroker(
  "mqtt source: of two owners the one the hub denies stops, the other is exact (M2, F4)",
  async (broker) => {
    const zombie = await Job.start(broker, { isOwner: false });
    await publish(broker, 0, 300);
    await zombie.untilHeld(300);
    const owner = await Job.start(broker);
    await waitUntil("zombie to stop", () => Promise.resolve(zombie.failures.length > 0), 60_000);
    await publish(broker, 300, 300);
    await owner.untilHeld(600, 60_000);
    await owner.assertExact(600);
  },
);

onEachBroker(
  "mqtt source: a session taken with Clean Start 1 is told as lost, and reading goes on (M9)",
  async (broker) => {
    const job = await Job.start(broker);
    await publish(broker, 0, 100);
    await job.untilHeld(100);
    const thief = await rawClient(broker, { clientId: CLIENT_ID, isCleanStart: true });
    thief.close();
    await waitUntil("session-lost", () => Promise.resolve(job.has("session-lost")));
    await waitUntil("connection", () => Promise.resolve(job.source.metrics().isConnected));
    await publish(broker, 100, 50);
    await job.untilHeld(150);
    equal(job.events.find(({ type }) => type === "session-lost")!.fields.pendingCount, 100);
    await job.assertExact(150);
  },
);

Deno.test("mqtt source on mosquitto: reads over TLS with its own authority, name and password", async () => {
  await using broker = await Broker.start({ isTls: true });
  const job = await Job.start(broker);
  await publish(broker, 0, 2000);
  await job.untilHeld(2000);
  const profile = job.events.find(({ type }) => type === "broker-profile")!.fields;
  deepEqual([profile.grantedQos, profile.windowSize], [1, 65_535]);
  await job.assertExact(2000);
});

Deno.test("mqtt source on mosquitto: a SIGTERM restart of the broker loses and repeats nothing (F16)", async () => {
  await using broker = await Broker.start();
  const job = await Job.start(broker);
  await publish(broker, 0, 3000);
  await job.untilHeld(3000);
  job.checkpoint();
  await publish(broker, 3000, 3000);
  await job.untilHeld(6000);
  await broker.restart();
  await waitUntil("connection", () => Promise.resolve(job.source.metrics().isConnected));
  await publish(broker, 6000, 500);
  await job.untilHeld(6500);
  ok(!job.has("session-lost"));
  await job.assertExact(6500);
});

Deno.test(
  "mqtt source on mosquitto: acks counted as processed when written, not when confirmed: acks a takeover discards are expected again (M3a)",
  async () => {
    await using broker = await Broker.start();
    const zombie = await Job.start(broker);
    await publish(broker, 0, 1000);
    await zombie.untilHeld(1000);
    broker.freeze();
    zombie.checkpoint();
    await pause(100);
    const snapshot = zombie.capture();
    const starting = Job.start(broker, { restore: snapshot });
    await pause(100);
    broker.thaw();
    const owner = await starting;
    zombie.kill();
    await publish(broker, 1000, 10);
    await owner.untilHeld(1010);
    ok(owner.source.metrics().duplicatesDropped > 0, "the takeover discarded acks");
    await owner.assertExact(1010);
  },
);

onEachBroker("mqtt source: kills and takeovers under load stay exact (M3, M3a)", async (broker) => {
  const total = broker.isEmbedded ? 500_000 : 120_000;
  const random = new SeededRandom(20_261_122);
  let job = await Job.start(broker, { total, checkpointEveryMs: 60 });
  const published = publish(broker, 0, total);
  for (let round = 0; round < 8; round += 1) {
    await pause(150 + 300 * random.next());
    const zombie = job;
    const isTakeover = random.next() < 0.5;
    if (!isTakeover) zombie.kill();
    zombie.fence();
    job = await Job.start(broker, { total, checkpointEveryMs: 60, restore: zombie.durable });
    zombie.kill();
  }
  await published;
  await job.untilHeld(total, 60_000);
  await job.assertExact(total);
});

/** Registers a test for Mosquitto and one for the embedded broker. */
function onEachBroker(title: string, body: (broker: Broker) => Promise<void>): void {
  for (const program of ["mosquitto", "embedded broker"] as const) {
    Deno.test(`${title} [${program}]`, async () => {
      await using broker = await Broker.start({ program });
      await body(broker);
    });
  }
}

const SOURCE_UID = "telemetry";
const JOB_ID = "0193-job";
const CLIENT_ID = clientIdOf(JOB_ID, SOURCE_UID, 0);

interface Snapshot {
  readonly section: Uint8Array;
  readonly counts: Uint8Array;
}

interface JobOptions {
  readonly total?: number;
  readonly isOwner?: boolean;
  readonly restore?: Snapshot | null;
  readonly checkpointEveryMs?: number;
}

/** One attempt of a job that counts numbered messages. */
class Job {
  readonly source: SourceReader;
  readonly events: RegionEvent[] = [];
  readonly failures: string[] = [];
  durable: Snapshot | null;
  readonly #counts: Uint8Array;
  #connection: Connection | null = null;
  #isDead = false;
  #isFenced = false;
  #checkpointId = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  private constructor(broker: Broker, options: JobOptions) {
    this.durable = options.restore ?? null;
    this.#counts = this.durable?.counts.slice() ?? new Uint8Array(options.total ?? 10_000);
    const dial: Dialer = async (url, dialOptions) => {
      const connection = await denoDialer(url, dialOptions);
      if (this.#isDead) connection.close();
      this.#connection = connection;
      return connection;
    };
    this.source = createMqttSource({
      spec: {
        connector: "mqtt",
        broker: "plant",
        topics: [["plant/#"]],
        receiveMaximum: 65_535,
        sessionExpirySeconds: 3600,
        onGap: "continue",
        maxPayloadBytes: 65_536,
        decode: null,
        eventTime: null,
      },
      sourceUid: SOURCE_UID,
      splitIndex: 0,
      jobId: JOB_ID,
      broker: broker.config,
      dial,
      probe: () => Promise.resolve({ kind: "unknown", reason: "not probed here", isFinal: true }),
      clock: systemClock,
      random: new SeededRandom(1),
      logger: silentLogger,
      failPoint: null,
      output: {
        record: (value) => {
          const seq = (value as { seq: number }).seq;
          this.#counts[seq] = this.#counts[seq]! + 1;
        },
        deadLetter: (reason) => this.failures.push(reason),
        windowPressure: () => {},
        event: (event) => this.events.push(event),
        failed: (message) => this.failures.push(message),
        askOwnership: () => Promise.resolve(options.isOwner ?? true),
      },
    });
    if (this.durable !== null) {
      this.source.restore(this.durable.section, { isSavepoint: false, positionFloor: 0 });
    }
  }

  static async start(broker: Broker, options: JobOptions = {}): Promise<Job> {
    const job = new Job(broker, options);
    await job.source.start();
    if (options.checkpointEveryMs !== undefined) {
      job.#timer = setInterval(() => job.#slowCheckpoint(), options.checkpointEveryMs);
    }
    return job;
  }

  get heldCount(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  has(type: RegionEvent["type"]): boolean {
    return this.events.some((event) => event.type === type);
  }

  capture(): Snapshot {
    this.#checkpointId += 1;
    const { section } = this.source.capture(this.#checkpointId as CheckpointId);
    return { section, counts: this.#counts.slice() };
  }

  checkpoint(): void {
    this.durable = this.capture();
    this.source.notifyCompleted(this.#checkpointId as CheckpointId);
  }

  /** The hub commits no further checkpoint of this attempt. */
  fence(): void {
    this.#isFenced = true;
  }

  /** As by SIGKILL: nothing more is written, nothing more is read. */
  kill(): void {
    this.#isDead = true;
    clearInterval(this.#timer);
    this.#connection?.close();
    void this.source.close();
  }

  async untilHeld(count: number, timeoutMs = 20_000): Promise<void> {
    const isHeld = () => Promise.resolve(this.heldCount >= count);
    await waitUntil(`${count} messages in the state`, isHeld, timeoutMs).catch((error) => {
      throw new Error(`${error.message}: has ${this.heldCount}`);
    });
  }

  /** The state holds messages 0..count-1 once each, and the source lets go. */
  async assertExact(count: number): Promise<void> {
    const isWrong = (value: number, seq: number) => value !== (seq < count ? 1 : 0);
    const wrong = [...this.#counts.entries()].filter(([seq, value]) => isWrong(value, seq));
    clearInterval(this.#timer);
    await this.source.close();
    deepEqual(wrong.slice(0, 5), [], `${wrong.length} messages not exactly once`);
  }

  /** Commits a moment after the barrier, as a hub does. */
  #slowCheckpoint(): void {
    const snapshot = this.capture();
    const checkpointId = this.#checkpointId as CheckpointId;
    setTimeout(() => {
      if (this.#isFenced || this.#isDead) return;
      this.durable = snapshot;
      this.source.notifyCompleted(checkpointId);
    }, 20);
  }
}

/** A broker process with a directory of its own: Mosquitto, or the embedded one. */
class Broker {
  readonly config: BrokerConfig;
  /** Several times faster: takes more messages for the same time under load. */
  readonly isEmbedded: boolean;
  readonly #folder: string;
  readonly #spawn: () => Deno.ChildProcess;
  #process: Deno.ChildProcess;

  private constructor(
    folder: string,
    config: BrokerConfig,
    spawn: () => Deno.ChildProcess,
    isEmbedded: boolean,
  ) {
    this.isEmbedded = isEmbedded;
    this.#folder = folder;
    this.config = config;
    this.#spawn = spawn;
    this.#process = spawn();
  }

  static async start(
    options: { isTls?: boolean; program?: "mosquitto" | "embedded broker" } = {},
  ): Promise<Broker> {
    const folder = await Deno.makeTempDir({ prefix: "penstock-mosquitto-" });
    const port = freePort();
    const lines = [
      "per_listener_settings false",
      `listener ${port} 127.0.0.1`,
      "max_queued_messages 0",
      "max_inflight_messages 0",
      "persistence true",
      `persistence_location ${folder}/`,
      "user root",
    ];
    if (options.isTls) {
      await makeCertificates(folder);
      const passwords = `${folder}/passwords`;
      await runOrThrow("mosquitto_passwd", ["-b", "-c", passwords, "agent", "secret"]);
      lines.push(`certfile ${folder}/broker.pem`, `keyfile ${folder}/broker.key`);
      lines.push("allow_anonymous false", `password_file ${passwords}`);
    } else lines.push("allow_anonymous true");
    await Deno.writeTextFile(`${folder}/mosquitto.conf`, lines.join("\n") + "\n");
    const isTls = options.isTls ?? false;
    const isEmbedded = options.program === "embedded broker";
    const broker = new Broker(
      folder,
      {
        name: "plant",
        url: `${isTls ? "mqtts" : "mqtt"}://localhost:${port}`,
        username: isTls ? "agent" : null,
        password: isTls ? "secret" : null,
        caPem: isTls ? await Deno.readTextFile(`${folder}/ca.pem`) : null,
      },
      () => isEmbedded ? spawnEmbedded(port) : spawnMosquitto(folder),
      isEmbedded,
    );
    await waitUntil("broker", () => accepts(port));
    return broker;
  }

  /** The process stands still; the kernel goes on to take bytes for it. */
  freeze(): void {
    this.#process.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process.kill("SIGCONT");
  }

  async restart(): Promise<void> {
    await this.#stop();
    this.#process = this.#spawn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await ended(this.#process);
  }
}

const SILENT = { stdin: "null", stdout: "null", stderr: "null" } as const;

function spawnMosquitto(folder: string): Deno.ChildProcess {
  const args = ["-c", `${folder}/mosquitto.conf`];
  const path = `${Deno.env.get("PATH")}:/usr/sbin`;
  return new Deno.Command("mosquitto", { args, env: { PATH: path }, ...SILENT }).spawn();
}

function spawnEmbedded(port: number): Deno.ChildProcess {
  const main = new URL("../../tools/broker/main.ts", import.meta.url).pathname;
  const args = ["run", "--no-check", "--allow-net", main, "--listen", `127.0.0.1:${port}`];
  return new Deno.Command(Deno.execPath(), { args, ...SILENT }).spawn();
}

async function makeCertificates(folder: string): Promise<void> {
  const at = (name: string) => `${folder}/${name}`;
  const subject = (name: string) => ["-subj", `/CN=${name}`];
  const key = ["-newkey", "rsa:2048", "-nodes", "-keyout"];
  await runOrThrow("openssl", [
    ...["req", "-x509", ...key, at("ca.key"), "-out", at("ca.pem"), ...subject("test authority")],
    ...["-days", "2", "-addext", "keyUsage=critical,keyCertSign"],
  ]);
  const request = ["req", ...key, at("broker.key"), "-out", at("broker.csr")];
  await runOrThrow("openssl", [...request, ...subject("localhost")]);
  await Deno.writeTextFile(at("broker.ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  await runOrThrow("openssl", [
    ...["x509", "-req", "-in", at("broker.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key")],
    ...["-CAcreateserial", "-out", at("broker.pem"), "-days", "2", "-extfile", at("broker.ext")],
  ]);
}

/** A connection that has its CONNACK. */
async function rawClient(
  broker: Broker,
  options: { clientId: string; isCleanStart: boolean },
): Promise<Connection> {
  const { url, caPem, username, password } = broker.config;
  const connection = await denoDialer(url, { caPem });
  const flags = (options.isCleanStart ? 2 : 0) | (username === null ? 0 : 0xc0);
  const body = new ByteWriter().text("MQTT").byte(5).byte(flags).uint16(0).byte(0);
  body.text(options.clientId);
  if (username !== null) body.text(username).text(password ?? "");
  await connection.write(packet(PACKET.CONNECT << 4, body));
  await connection.read(new Uint8Array(1024));
  return connection;
}

/** Publishes messages from..from+count-1 at QoS 1; resolves when the broker has acknowledged all. */
async function publish(broker: Broker, from: number, count: number): Promise<void> {
  const connection = await rawClient(broker, { clientId: "publisher", isCleanStart: true });
  const batchSize = 500;
  const buffer = new Uint8Array(65_536);
  for (let sent = 0; sent < count; sent += batchSize) {
    const batch = new ByteWriter();
    const size = Math.min(batchSize, count - sent);
    for (let i = 0; i < size; i += 1) {
      const payload = JSON.stringify({ seq: from + sent + i, equipment: "pump-7", temp: 21.5 });
      const body = new ByteWriter().text("plant/a").uint16(i + 1).byte(0);
      batch.raw(packet((PACKET.PUBLISH << 4) | 2, body.raw(new TextEncoder().encode(payload))));
    }
    await connection.write(batch.bytes());
    let ackBytes = 0;
    // Every PUBACK is 4 bytes, or 6 when it says that nobody has subscribed.
    while (ackBytes < 4 * size) ackBytes += await connection.read(buffer) ?? Infinity;
  }
  connection.close();
}
