/**
 * The exchange of one attempt of a region with the agents that run its other subtasks, over MQTT 5.
 *
 * Touches the broker and the clock. One connection with a session of its own that ends with it; what the
 * broker has taken and not handed over is lost with it, and so is the attempt.
 *
 *   opening ── CONNACK ── SUBACK ──▶ open ── close ──▶ over
 *      └──── refused, timeout ──▶ over   └── connection lost, gap, value without a form ──▶ over, `failed`
 *
 * Invariants (mqtt_exchange_test.ts, tests/services/exchange_test.ts):
 *
 *   P7  One QoS, 1; a lost connection or a gap fails the attempt, nothing is sent a second time.
 *   A2  Everything of a channel goes to one topic, which names the attempt.
 *   F4  A frame of another attempt, or one not made with the channel's key, is counted and changes nothing.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { Clock } from "@shared/clock.ts";
import type { Connection, Dialer } from "@shared/dialer.ts";
import { PenstockError } from "@shared/errors.ts";
import type { Random } from "@shared/random.ts";
import type { InboundMessage } from "../connectors/mqtt_packet_reader.ts";
import {
  type BrokerProfile,
  PUBLISH_FRAMING_BYTES_MAX,
  reasonText,
} from "../connectors/mqtt_packets.ts";
import { MqttSession, type SessionClose, type SessionEvents } from "../connectors/mqtt_session.ts";
import type { ElementBatch } from "../runner/exchange_batch.ts";
import type { Exchange, ExchangeOptions, OpenExchange } from "../runner/exchange_port.ts";
import { ChannelTable, type Recognized } from "./channel_table.ts";
import { FRAME_BYTES_MAX } from "./frame_codec.ts";
import { PublishQueue } from "./publish_queue.ts";
import type { ReceivingChannel } from "./receiving_channel.ts";
import { RefusedFrames } from "./refused_frames.ts";

export interface MqttExchangePorts {
  readonly dial: Dialer;
  readonly clock: Clock;
  readonly random: Random;
}

const KEEP_ALIVE_SECONDS = 10;
const OPEN_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 1_000;
const RECEIVE_MAXIMUM = 65_535;
/** Credit below what is urgent is told after so long. */
const CREDIT_LINGER_MS = 5;
const CLIENT_ID_BYTES = 16;

/** Opens exchanges over the broker that the region's deployment names. */
export function mqttExchangeOpener(ports: MqttExchangePorts): OpenExchange {
  return async (options) => {
    const exchange = new MqttExchange(options, ports);
    await exchange.open();
    return exchange;
  };
}

class MqttExchange implements Exchange {
  readonly #options: ExchangeOptions;
  readonly #ports: MqttExchangePorts;
  readonly #channels: ChannelTable;
  readonly #refused = new RefusedFrames();
  readonly #opened = Promise.withResolvers<void>();
  /** Message ids of one chunk of bytes, acknowledged together. */
  readonly #received: number[] = [];
  readonly #indebted = new Set<ReceivingChannel>();
  #state: "opening" | "open" | "closing" | "over" = "opening";
  #session: MqttSession | null = null;
  #publications: PublishQueue | null = null;
  #cancelCredit: (() => void) | null = null;

  /** @throws {PenstockError} What `ChannelTable` refuses. */
  constructor(options: ExchangeOptions, ports: MqttExchangePorts) {
    this.#options = options;
    this.#ports = ports;
    this.#channels = new ChannelTable(options);
  }

  async open(): Promise<void> {
    const cancel = this.#ports.clock.after(
      OPEN_TIMEOUT_MS,
      () => this.#opened.reject(this.#error(`did not answer within ${OPEN_TIMEOUT_MS} ms`)),
    );
    void this.#connect();
    try {
      await this.#opened.promise;
    } catch (thrown) {
      this.#over();
      throw thrown;
    } finally {
      cancel();
    }
  }

  send(channel: number, batch: ElementBatch): void {
    if (this.#state !== "open") return;
    const sending = this.#channels.sends[channel];
    assert(sending !== undefined, `There is no channel ${channel} to send on`);
    this.#guarded(() => {
      sending.send(batch);
      this.#publishGranted(channel);
    });
  }

  credit(channel: number): number {
    return this.#channels.sends[channel]!.credit;
  }

  grant(channel: number, records: number): void {
    if (this.#state !== "open") return;
    const receiving = this.#channels.receives[channel];
    assert(receiving !== undefined, `There is no channel ${channel} to grant on`);
    receiving.credit.workedOff(records);
    this.#creditDue(receiving);
  }

  async close(): Promise<void> {
    if (this.#state !== "open") return this.#over();
    this.#state = "closing";
    await this.#answeredOrLate();
    if (this.#session?.isConnected) await this.#session.disconnect({ endsSession: true });
    this.#over();
  }

  /** What was taken is at the broker when this has resolved, or it has had its time. */
  async #answeredOrLate(): Promise<void> {
    const done = Promise.withResolvers<void>();
    const cancel = this.#ports.clock.after(CLOSE_TIMEOUT_MS, done.resolve);
    this.#publications!.whenEmpty(done.resolve);
    await done.promise;
    cancel();
  }

  async #connect(): Promise<void> {
    const { broker } = this.#options;
    const { dial, clock } = this.#ports;
    let connection: Connection;
    try {
      connection = await dial(broker.url, { caPem: broker.caPem });
    } catch (thrown) {
      return this.#opened.reject(thrown);
    }
    if (this.#state !== "opening") return connection.close();
    this.#session = new MqttSession(connection, {
      clientId: this.#clientId(),
      username: broker.username,
      password: broker.password,
      keepAliveSeconds: KEEP_ALIVE_SECONDS,
      sessionExpirySeconds: 0,
      isCleanStart: true,
      receiveMaximum: RECEIVE_MAXIMUM,
      maxPayloadBytes: FRAME_BYTES_MAX,
    }, { events: this.#events, clock });
  }

  /** Nobody else's: a connection under the same client id would end this one. */
  #clientId(): string {
    const { jobId, regionId, attempt } = this.#options;
    const unique = [...this.#ports.random.bytes(CLIENT_ID_BYTES)]
      .map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return `penstock-x-${jobId}-${regionId}-${attempt}-${unique}`;
  }

  readonly #events: SessionEvents = {
    connected: (profile) => this.#connected(profile),
    subscribed: (reasonCodes) => this.#subscribed(reasonCodes),
    published: (reasonCode) => this.#guarded(() => this.#publications!.answered(reasonCode)),
    batchStarted: () => {},
    message: (message) => this.#message(message),
    batchEnded: () => this.#acknowledge(),
    closed: (close) => this.#closed(close),
  };

  #connected(profile: BrokerProfile): void {
    const wrong = this.#unfit(profile);
    if (wrong !== null) return this.#opened.reject(this.#error(wrong, { isRetryable: false }));
    const session = this.#session!;
    this.#publications = new PublishQueue(
      (topic, packetId, frame) => session.publish(topic, packetId, frame),
      profile.receiveMaximum,
    );
    session.subscribe(this.#channels.topics);
  }

  /** What the broker grants too little of; null when it will do. */
  #unfit({ maximumQos, maximumPacketBytes }: BrokerProfile): string | null {
    if (maximumQos < 1) return "takes QoS 0 only, want 1";
    // A topic is ASCII: its characters are its bytes.
    const topicBytes = Math.max(0, ...this.#channels.sends.map(({ topic }) => topic.length));
    const needed = PUBLISH_FRAMING_BYTES_MAX + topicBytes + FRAME_BYTES_MAX;
    if (maximumPacketBytes === null || maximumPacketBytes >= needed) return null;
    return `takes packets of at most ${maximumPacketBytes} bytes, want ${needed}. ` +
      `Raise its maximum packet size, or name another broker for the exchange`;
  }

  #subscribed(reasonCodes: readonly number[]): void {
    const refused = reasonCodes.findIndex((code) => code !== 1);
    if (refused === -1) {
      if (this.#state === "opening") this.#state = "open";
      return this.#opened.resolve();
    }
    const topic = this.#channels.topics[refused];
    const reason = reasonText(reasonCodes[refused]!);
    this.#opened.reject(
      this.#error(`refused to subscribe "${topic}": ${reason}. Grant read access to this topic`, {
        isRetryable: false,
      }),
    );
  }

  #message(message: InboundMessage): void {
    if (message.packetId > 0) this.#received.push(message.packetId);
    if (this.#state !== "open") return;
    const frame = message.bytes.subarray(message.payloadStart, message.payloadEnd);
    const recognized = this.#channels.recognize(frame);
    this.#guarded(() => this.#take(recognized));
  }

  #take(recognized: Recognized): void {
    switch (recognized.kind) {
      case "refused": {
        const nowMs = this.#ports.clock.monotonicMs();
        const event = this.#refused.refused(recognized.refusal, nowMs);
        if (event !== null) this.#options.event(event);
        return;
      }
      case "credit":
        return this.#credited(recognized.channel, recognized.body);
      case "elements": {
        const { channel, head, body } = recognized;
        const receiving = this.#channels.receives[channel]!;
        const received = receiving.receive(head, body);
        this.#creditDue(receiving);
        if (received.kind === "batch") this.#options.onBatch(channel, received.batch);
      }
    }
  }

  #credited(channel: number, body: Uint8Array): void {
    const sending = this.#channels.sends[channel]!;
    const outcome = sending.granted(body);
    if (outcome === "impossible") {
      const { from, to } = sending.address;
      throw this.#error(`brought credit of ${to} for more than ${from} has sent it`);
    }
    this.#publishGranted(channel);
    if (outcome === "resumed") this.#options.onCredit(channel);
  }

  #publishGranted(channel: number): void {
    const sending = this.#channels.sends[channel]!;
    for (const frame of sending.takeFrames()) {
      this.#publications!.elements({ topic: sending.topic, frame });
    }
  }

  #creditDue(receiving: ReceivingChannel): void {
    if (receiving.credit.isUrgent) {
      this.#indebted.delete(receiving);
      return this.#tellCredit(receiving);
    }
    if (!receiving.credit.isUntold) return;
    this.#indebted.add(receiving);
    this.#cancelCredit ??= this.#ports.clock.after(CREDIT_LINGER_MS, () => {
      this.#cancelCredit = null;
      const indebted = [...this.#indebted];
      this.#indebted.clear();
      for (const channel of indebted) this.#tellCredit(channel);
    });
  }

  #tellCredit(receiving: ReceivingChannel): void {
    this.#publications!.credit({ topic: receiving.topic, frame: receiving.creditFrame() });
  }

  /** The broker keeps what is not acknowledged, and drops what comes behind too much of it. */
  #acknowledge(): void {
    if (this.#received.length === 0) return;
    this.#session!.acknowledge(Uint16Array.from(this.#received));
    this.#received.length = 0;
  }

  /** What the other side or the job did wrong ends the exchange; any other throw is a bug. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (thrown) {
      if (!(thrown instanceof PenstockError)) throw thrown;
      this.#fail(thrown.message, thrown.isRetryable);
    }
  }

  #closed(close: SessionClose): void {
    const error = this.#error(closeText(close), { isRetryable: !isRefusal(close) });
    if (this.#state === "opening") this.#opened.reject(error);
    else this.#fail(error.message, error.isRetryable);
  }

  #fail(reason: string, isRetryable: boolean): void {
    const wasOpen = this.#state === "open";
    this.#over();
    if (wasOpen) this.#options.failed(reason, { isRetryable });
  }

  #over(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#cancelCredit?.();
    this.#cancelCredit = null;
    this.#session?.abort();
  }

  #error(found: string, options: { isRetryable: boolean } = { isRetryable: true }): PenstockError {
    return new PenstockError(
      `The exchange over broker "${this.#options.broker.name}" cannot go on: it ${found}`,
      { code: "exchange-broken", domain: "external", ...options },
    );
  }
}

function closeText(close: SessionClose): string {
  switch (close.kind) {
    case "refused":
      return `refused the connection: ${reasonText(close.reasonCode)}`;
    case "disconnected":
      return `ended the connection: ${reasonText(close.reasonCode)}`;
    case "lost":
      return `was lost: ${close.detail}`;
    case "closed":
      return "was closed";
  }
}

const NO_ACCESS: readonly number[] = [0x84, 0x85, 0x86, 0x87, 0x8a];

/** Whether the broker will say the same next time. */
function isRefusal(close: SessionClose): boolean {
  return close.kind === "refused" && NO_ACCESS.includes(close.reasonCode);
}
