/**
 * How many messages a second the source's session client takes in, against MQTT.js under the same conditions.
 *
 * Touches the network: a fake broker in a process of its own streams prebuilt QoS 1 frames of 123 bytes of JSON. Both
 * clients parse each payload and hold acknowledgements back, in batches every 50 ms; the broker keeps the window of
 * 65,535. Each run is a process of its own. What is NOT measured: a real broker (which is slower than either
 * client), TLS, the ledger's hash, and any work of a job on the record.
 *
 * @module
 */
import { denoDialer } from "@shared/platform/deno_dialer.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { ByteWriter, PACKET, packet } from "../../agent/connectors/mqtt_packets.ts";
import { MqttSession } from "../../agent/connectors/mqtt_session.ts";

const MESSAGES = 400_000;
const RUNS = 5;
const WINDOW = 65_535;
const ACK_BATCH_MS = 50;
const PAYLOAD_BYTES = 123;
const FRAMES_PER_CHUNK = 1_000;

type ClientKind = "own" | "mqttjs";

export interface SessionClientBench {
  /** Own rate over that of MQTT.js; the goal is at least 3. */
  readonly sessionClientVsMqttjs: number;
  readonly ownPerSecond: number;
  readonly mqttjsPerSecond: number;
}

/** Medians of 5 runs each, taken in turns. */
export async function benchSessionClient(): Promise<SessionClientBench> {
  const rates: Record<ClientKind, number[]> = { own: [], mqttjs: [] };
  for (let run = 0; run < RUNS; run += 1) {
    for (const kind of ["own", "mqttjs"] as const) rates[kind].push(await measureInProcess(kind));
  }
  const ownPerSecond = median(rates.own);
  const mqttjsPerSecond = median(rates.mqttjs);
  return { sessionClientVsMqttjs: ownPerSecond / mqttjsPerSecond, ownPerSecond, mqttjsPerSecond };
}

async function measureInProcess(kind: ClientKind): Promise<number> {
  const broker = spawn(["broker"]);
  const address = (await firstLine(broker)).trim();
  const client = spawn(["client", kind, address]);
  const rate = Number(await firstLine(client));
  // The broker ends when its client has gone.
  await client.status;
  await broker.status;
  if (!(rate > 0)) throw new Error(`Client ${kind} measured no rate`);
  return rate;
}

function spawn(args: readonly string[]): Deno.ChildProcess {
  const self = new URL(import.meta.url).pathname;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", self, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

async function firstLine(child: Deno.ChildProcess): Promise<string> {
  let text = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.includes("\n")) break;
  }
  return text;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

/** Messages a second from the first message to the last. */
class Stopwatch {
  #count = 0;
  #startMs = 0;
  readonly done: PromiseWithResolvers<number> = Promise.withResolvers();

  message(): void {
    if (this.#count === 0) this.#startMs = performance.now();
    this.#count += 1;
    if (this.#count === MESSAGES) {
      this.done.resolve(MESSAGES / (performance.now() - this.#startMs) * 1000);
    }
  }
}

async function measureOwn(address: string): Promise<number> {
  const stopwatch = new Stopwatch();
  const held = new Uint16Array(WINDOW + 1);
  let heldCount = 0;
  const connection = await denoDialer(`mqtt://${address}`, { caPem: null });
  const session = new MqttSession(connection, {
    clientId: "bench",
    username: null,
    password: null,
    keepAliveSeconds: 60,
    sessionExpirySeconds: 60,
    receiveMaximum: WINDOW,
    maxPayloadBytes: 65_536,
  }, {
    clock: systemClock,
    events: {
      connected: () => session.subscribe(["#"]),
      subscribed: () => {},
      batchStarted: () => {},
      message: (message) => {
        JSON.parse(message.text(true));
        held[heldCount++] = message.packetId;
        stopwatch.message();
      },
      batchEnded: () => {},
      closed: () => {},
    },
  });
  setInterval(() => {
    if (heldCount > 0) session.acknowledge(held.slice(0, heldCount));
    heldCount = 0;
  }, ACK_BATCH_MS);
  return stopwatch.done.promise;
}

async function measureMqttjs(address: string): Promise<number> {
  const stopwatch = new Stopwatch();
  const { default: mqtt } = await import("mqtt");
  const client = mqtt.connect(`mqtt://${address}`, {
    protocolVersion: 5,
    clientId: "bench",
    clean: false,
    properties: { sessionExpiryInterval: 60, receiveMaximum: WINDOW },
  });
  let held: number[] = [];
  // MQTT.js has no way to defer acknowledgements, so its PUBACKs are taken out and written in batches.
  const inner = client as unknown as {
    _sendPacket: (packet: { cmd: string; messageId: number }, done?: () => void) => void;
  };
  const send = inner._sendPacket.bind(client);
  inner._sendPacket = (packet, done) => {
    if (packet.cmd !== "puback") return send(packet, done);
    held.push(packet.messageId);
    done?.();
  };
  client.on("connect", () => client.subscribe("#", { qos: 1 }));
  client.on("message", (_topic, payload) => {
    JSON.parse(payload.toString());
    stopwatch.message();
  });
  setInterval(() => {
    const bytes = new Uint8Array(held.length * 4);
    held.forEach((id, i) => bytes.set([0x40, 2, id >> 8, id & 0xff], 4 * i));
    if (held.length > 0) (client.stream as { write(bytes: Uint8Array): void }).write(bytes);
    held = [];
  }, ACK_BATCH_MS);
  return stopwatch.done.promise;
}

/** Answers CONNECT and SUBSCRIBE, then streams frames as far as the window allows. */
async function runBroker(): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await print(`127.0.0.1:${listener.addr.port}`);
  const socket = await listener.accept();
  const chunk = chunkOf(FRAMES_PER_CHUNK);
  const frameBytes = chunk.length / FRAMES_PER_CHUNK;
  const buffer = new Uint8Array(65_536);
  let ackedBytes = 0;
  await socket.read(buffer);
  await socket.write(packet(PACKET.CONNACK << 4, new ByteWriter().byte(0).byte(0).byte(0)));
  const count = await socket.read(buffer) ?? 0;
  const suback = new ByteWriter().raw(buffer.subarray(2, 4)).byte(0).byte(1);
  if (count > 0) await socket.write(packet(PACKET.SUBACK << 4, suback));
  void (async () => {
    for (;;) {
      const acked = await socket.read(buffer).catch(() => null);
      if (acked === null) return;
      ackedBytes += acked;
    }
  })();
  for (let sent = 0; sent < MESSAGES;) {
    const inWindow = sent - ackedBytes / 4 <= WINDOW - FRAMES_PER_CHUNK;
    if (!inWindow) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      continue;
    }
    for (let i = 0; i < FRAMES_PER_CHUNK; i += 1) {
      const id = (sent + i) % WINDOW + 1;
      const at = i * frameBytes + ID_AT;
      chunk[at] = id >> 8;
      chunk[at + 1] = id & 0xff;
    }
    for (let at = 0; at < chunk.length;) at += await socket.write(chunk.subarray(at));
    sent += FRAMES_PER_CHUNK;
  }
}

const TOPIC = "plant/line-01/telemetry";
/** Where the packet id lies in a frame: fixed header of 3 bytes, length and text of the topic. */
const ID_AT = 3 + 2 + TOPIC.length;

function chunkOf(count: number): Uint8Array {
  const writer = new ByteWriter();
  for (let i = 0; i < count; i += 1) {
    const record = {
      equipment: "pump-07",
      seq: 1_000_000 + i,
      temperature: 61.25,
      pressure: 4.375,
    };
    const open = JSON.stringify(record).slice(0, -1);
    const payload = `${open},"note":"${"n".repeat(PAYLOAD_BYTES - open.length - 11)}"}`;
    const body = new ByteWriter().text(TOPIC).uint16(1).byte(0);
    writer.raw(packet(0x32, body.raw(new TextEncoder().encode(payload))));
  }
  return writer.bytes().slice();
}

async function print(line: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
}

async function main(args: readonly string[]): Promise<void> {
  const [role, kind, address] = args;
  if (role === "broker") return await runBroker();
  if (role === "client") {
    const rate = await (kind === "own" ? measureOwn(address!) : measureMqttjs(address!));
    await print(String(rate));
    Deno.exit(0);
  }
  await print(JSON.stringify(await benchSessionClient()));
}

if (import.meta.main) await main(Deno.args);
