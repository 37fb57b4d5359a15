/**
 * One MQTT 5 connection of a source: subscribes, hands out messages, acknowledges when told.
 *
 * Touches the connection given and the clock. A session object lives as long as its connection; the broker's
 * session outlives it. All callbacks run on the caller's thread, none inside another.
 *
 *   opening ──CONNACK 0──▶ connected ──close, error, DISCONNECT──▶ closed
 *      └──────────── refused, timeout, error ──────────────────────────▲
 *
 * Invariants:
 *  1. (M11) Everything that takes messages is in place before CONNECT is written.
 *  2. (M6) Acknowledgements are written in the order given, on this connection or not at all.
 *  3. (M3a) PINGRESPs are matched to PINGREQs first in, first out, keep-alive pings among them.
 *  4. `closed` is called exactly once, last.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import type { Connection } from "@shared/dialer.ts";
import { messageOf, PenstockError } from "@shared/errors.ts";
import { type InboundMessage, PacketReader, type PacketSink } from "./mqtt_packet_reader.ts";
import {
  type BrokerProfile,
  type ConnectOptions,
  decodeConnack,
  decodeDisconnect,
  decodePuback,
  decodeSuback,
  DISCONNECT_AND_FORGET_BYTES,
  DISCONNECT_BYTES,
  encodeConnect,
  encodePubacks,
  encodePublish,
  encodeSubscribe,
  malformed,
  PACKET,
  PINGREQ_BYTES,
} from "./mqtt_packets.ts";

export interface SessionOptions extends ConnectOptions {
  /** Longer payloads are reported cut off. */
  readonly maxPayloadBytes: number;
}

/** Why a connection is over. */
export type SessionClose =
  /** CONNACK said no. */
  | { readonly kind: "refused"; readonly reasonCode: number }
  /** The broker said why it goes. */
  | { readonly kind: "disconnected"; readonly reasonCode: number }
  /** Closed or broken without a word. */
  | { readonly kind: "lost"; readonly detail: string; readonly wasConnected: boolean }
  /** We closed it. */
  | { readonly kind: "closed" };

export interface SessionEvents {
  /** CONNACK came; redelivered messages follow at once. */
  connected(profile: BrokerProfile): void;
  /** One reason code per filter; 0..2 is the granted QoS. */
  subscribed(reasonCodes: readonly number[]): void;
  /** The oldest unanswered PUBLISH was answered; without this, a session publishes nothing. */
  published?(reasonCode: number): void;
  /** Messages of one chunk of bytes follow. */
  batchStarted(): void;
  /** `message` is valid during the call. */
  message(message: InboundMessage): void;
  batchEnded(): void;
  closed(close: SessionClose): void;
}

const CONNACK_TIMEOUT_MS = 10_000;
/** Time spent on messages before the rest of the process gets a turn. */
const BUSY_MS_MAX = 8;
/** Reads below this many bytes, following each other within `DENSE_MS`, are gathered. */
const SMALL_READ_BYTES = 64 * 1024;
const DENSE_MS = 12;
/** So many in a row are let through: a burst of a few messages is not delayed. */
const SMALL_READS_MAX = 8;
/** How long bytes may gather in the socket's buffer before the next read. */
const GATHER_MS = 10;
const SUBSCRIBE_PACKET_ID = 1;
const KEEP_SESSION = { endsSession: false };

export class MqttSession implements PacketSink {
  readonly #connection: Connection;
  readonly #options: SessionOptions;
  readonly #events: SessionEvents;
  readonly #clock: Clock;
  readonly #reader: PacketReader;

  #state: "opening" | "connected" | "closed" = "opening";
  #resume: (() => void) | null = null;
  #cancelTimer: () => void = () => {};
  /** What each awaited PINGRESP confirms, oldest first. */
  #pings: (() => void)[] = [];
  #isKeepAliveAwaited = false;
  #outbox: Uint8Array[] = [];
  #writing: Promise<void> | null = null;

  /** Writes CONNECT on a connection that is up and starts to read. */
  constructor(
    connection: Connection,
    options: SessionOptions,
    ports: { readonly events: SessionEvents; readonly clock: Clock },
  ) {
    this.#connection = connection;
    this.#options = options;
    this.#events = ports.events;
    this.#clock = ports.clock;
    this.#reader = new PacketReader(options);
    this.#cancelTimer = this.#clock.after(
      CONNACK_TIMEOUT_MS,
      () => this.#close(this.#lost(`no CONNACK within ${CONNACK_TIMEOUT_MS} ms`)),
    );
    this.#send(encodeConnect(options));
    void this.#readLoop();
  }

  get isConnected(): boolean {
    return this.#state === "connected";
  }

  get #isOver(): boolean {
    return this.#state === "closed";
  }

  /** Asks for `filters` at QoS 1; `subscribed` gets the answer. */
  subscribe(filters: readonly string[]): void {
    this.#send(encodeSubscribe(SUBSCRIBE_PACKET_ID, filters));
  }

  /** Publishes at QoS 1; `published` gets the answer. The caller gives each its own packet id, not 1. */
  publish(topic: string, packetId: number, payload: Uint8Array): void {
    this.#send(encodePublish(topic, packetId, payload));
  }

  /** Writes one PUBACK per id, in order, as one piece with what is sent in the same turn. */
  acknowledge(packetIds: Uint16Array): void {
    this.#send(encodePubacks(packetIds));
  }

  /** Calls `confirmed` when the broker has processed everything sent before this call; never, if the connection ends. */
  ping(confirmed: () => void): void {
    this.#pings.push(confirmed);
    this.#send(PINGREQ_BYTES);
  }

  /** Resolves when everything sent so far is handed to the network, or the connection is over. */
  async flushed(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  /** Stops reading, in the middle of a chunk if need be. */
  pause(): void {
    this.#reader.isHeld = true;
  }

  /** Reads on. */
  resume(): void {
    this.#reader.isHeld = false;
    this.#resume?.();
  }

  /** Says goodbye and closes; the broker keeps the session, or forgets it where so told. */
  async disconnect(options: { readonly endsSession: boolean } = KEEP_SESSION): Promise<void> {
    if (this.#state === "connected") {
      this.#send(options.endsSession ? DISCONNECT_AND_FORGET_BYTES : DISCONNECT_BYTES);
      await this.flushed();
    }
    this.#close({ kind: "closed" });
  }

  /** Closes without a word, as a crash would. */
  abort(): void {
    this.#close({ kind: "closed" });
  }

  /** @internal Called by the packet reader. */
  message(message: InboundMessage): void {
    if (this.#state === "connected") this.#events.message(message);
    else if (this.#state === "opening") throw malformed("PUBLISH before CONNACK");
  }

  /** @internal Called by the packet reader. */
  control(type: number, body: Uint8Array): void {
    switch (type) {
      case PACKET.CONNACK:
        return this.#connack(body);
      case PACKET.SUBACK:
        return this.#events.subscribed(decodeSuback(body).reasonCodes);
      case PACKET.PUBACK:
        if (this.#events.published === undefined) throw malformed("PUBACK without PUBLISH");
        return this.#events.published(decodePuback(body));
      case PACKET.PINGRESP: {
        const confirmed = this.#pings.shift();
        if (confirmed === undefined) throw malformed("PINGRESP without PINGREQ");
        return confirmed();
      }
      case PACKET.DISCONNECT:
        return this.#close({ kind: "disconnected", reasonCode: decodeDisconnect(body) });
      default:
        throw malformed(`packet of type ${type} is not for a subscriber`);
    }
  }

  #connack(body: Uint8Array): void {
    if (this.#state !== "opening") throw malformed("second CONNACK");
    const { reasonCode, profile } = decodeConnack(body);
    if (reasonCode !== 0) return this.#close({ kind: "refused", reasonCode });
    this.#cancelTimer();
    this.#state = "connected";
    this.#keepAlive(500 * (profile.serverKeepAliveSeconds ?? this.#options.keepAliveSeconds));
    this.#events.connected(profile);
  }

  /** Pings twice per keep-alive time; one without an answer by the next turn means that the peer is dead. */
  #keepAlive(intervalMs: number): void {
    if (intervalMs === 0) return;
    this.#cancelTimer = this.#clock.after(intervalMs, () => {
      if (this.#isKeepAliveAwaited && !this.#reader.isHeld) {
        return this.#close(this.#lost(`no PINGRESP within ${intervalMs} ms`));
      }
      this.#isKeepAliveAwaited = true;
      this.ping(() => this.#isKeepAliveAwaited = false);
      this.#keepAlive(intervalMs);
    });
  }

  async #readLoop(): Promise<void> {
    let busyMs = 0;
    let lastReadMs = -Infinity;
    let smallReads = 0;
    while (!this.#isOver) {
      const startMs = this.#clock.monotonicMs();
      this.#parse();
      if (this.#isOver) return;
      busyMs += this.#clock.monotonicMs() - startMs;
      // A read that finds bytes does not let timers and other input run: a full pipe would shut them out.
      if (busyMs > BUSY_MS_MAX) {
        busyMs = 0;
        await this.#wait(0);
      } else if (smallReads > SMALL_READS_MAX) {
        // Brokers write message by message; a read for each costs more than all that is done with it.
        await this.#wait(GATHER_MS);
      }
      if (this.#reader.isHeld) await new Promise<void>((resolve) => this.#resume = resolve);
      else {
        const count = await this.#read();
        const nowMs = this.#clock.monotonicMs();
        const isDense = count < SMALL_READ_BYTES && nowMs - lastReadMs < DENSE_MS;
        smallReads = isDense ? smallReads + 1 : 0;
        lastReadMs = nowMs;
      }
    }
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise<void>((resolve) => void this.#clock.after(delayMs, resolve));
  }

  /** @returns How many bytes came; 0 when the connection is over. */
  async #read(): Promise<number> {
    try {
      const count = await this.#connection.read(this.#reader.space());
      if (count === null) this.#close(this.#lost("closed by the broker"));
      else this.#reader.filled(count);
      return count ?? 0;
    } catch (error) {
      this.#close(this.#lost(messageOf(error)));
      return 0;
    }
  }

  /** Hands out one chunk. What the other side did wrong ends the connection; any other throw is a bug. */
  #parse(): void {
    try {
      this.#events.batchStarted();
      this.#reader.parse(this);
      if (!this.#isOver) this.#events.batchEnded();
    } catch (error) {
      if (!(error instanceof PenstockError)) throw error;
      this.#close(this.#lost(error.message));
    }
  }

  #send(bytes: Uint8Array): void {
    if (this.#state === "closed") return;
    this.#outbox.push(bytes);
    this.#writing ??= this.#writeLoop();
  }

  /** Writes all that was sent in one turn as one piece. */
  async #writeLoop(): Promise<void> {
    try {
      await null;
      while (this.#outbox.length > 0) {
        const bytes = joined(this.#outbox);
        this.#outbox = [];
        await this.#connection.write(bytes);
      }
    } catch (error) {
      this.#close(this.#lost(messageOf(error)));
    } finally {
      this.#writing = null;
    }
  }

  #lost(detail: string): SessionClose {
    return { kind: "lost", detail, wasConnected: this.#state === "connected" };
  }

  #close(close: SessionClose): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#cancelTimer();
    this.#outbox = [];
    this.#pings = [];
    this.#connection.close();
    this.#reader.isHeld = true;
    this.#resume?.();
    this.#events.closed(close);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}
