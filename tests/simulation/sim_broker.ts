/**
 * The embedded broker without a network: connections are pairs of byte queues in memory.
 *
 * Touches nothing. Bytes need `LATENCY_MS` of the virtual clock; a cut connection loses those on their way and breaks on both sides at once; a broker that is away refuses to be
 * dialled, and its sessions stay.
 */
import type { Clock } from "@shared/clock.ts";
import type { Connection, Dialer } from "@shared/dialer.ts";
import { PenstockError } from "@shared/errors.ts";
import { Broker } from "../../tools/broker/broker.ts";
import { BrokerConnection } from "../../tools/broker/connection.ts";
import { Message } from "../../tools/broker/message.ts";
import type { Session } from "../../tools/broker/session.ts";

const QUEUE_MAX = 1_000_000;
/** From one end of a connection to the other. */
const LATENCY_MS = 30;
const TOPIC_LENGTH_BYTES = 2;
const PACKET_ID_BYTES = 2;

/** One direction of a connection. */
class Pipe {
  #chunks: Uint8Array[] = [];
  #waiting: ((bytes: Uint8Array | null) => void) | null = null;
  #isClosed = false;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  write(bytes: Uint8Array): void {
    if (this.#isClosed) throw new Error("The connection is closed");
    const chunk = bytes.slice();
    this.#clock.after(LATENCY_MS, () => {
      if (this.#isClosed) return;
      this.#chunks.push(chunk);
      this.#wake();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    const chunk = this.#chunks.shift() ??
      (this.#isClosed ? null : await new Promise<Uint8Array | null>((resolve) => {
        this.#waiting = resolve;
      }));
    if (chunk === null) return null;
    const part = chunk.subarray(0, buffer.length);
    buffer.set(part);
    if (part.length < chunk.length) this.#chunks.unshift(chunk.subarray(part.length));
    return part.length;
  }

  #wake(): void {
    const waiting = this.#waiting;
    if (waiting === null || (this.#chunks.length === 0 && !this.#isClosed)) return;
    this.#waiting = null;
    waiting(this.#chunks.shift() ?? null);
  }
}

export class SimBroker {
  readonly #broker = new Broker({ queueMax: QUEUE_MAX });
  readonly #links = new Map<BrokerConnection, { cut(): void; agent: string }>();
  readonly #sessions = new Map<string, Session>();
  readonly #clock: Clock;
  isAway = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A dialer of the processes of `agent`. */
  dialerOf(agent: string): Dialer {
    return () => {
      if (this.isAway) {
        const unreachable = { code: "broker-unreachable", domain: "network", isRetryable: true };
        return Promise.reject(new PenstockError("The broker is away", unreachable as never));
      }
      return Promise.resolve(this.#connect(agent));
    };
  }

  /** Takes a message of QoS 1 in, as from a publisher whose PUBACK is sent on return. */
  publish(topic: string, payload: Uint8Array): void {
    const name = new TextEncoder().encode(topic);
    const topicEnd = TOPIC_LENGTH_BYTES + name.length;
    const start = topicEnd + PACKET_ID_BYTES;
    const bytes = new Uint8Array(start + 1 + payload.length);
    bytes[0] = name.length >> 8;
    bytes[1] = name.length & 0xff;
    bytes.set(name, TOPIC_LENGTH_BYTES);
    bytes.set(payload, start + 1);
    const parts = { qos: 1, isRetained: false, topicEnd, propertiesStart: start };
    this.#broker.publish(new Message(bytes, topic, { ...parts, payloadStart: start + 1 }), null);
    this.#broker.flush();
  }

  /** Breaks the connections of one agent, or all. */
  cut(agent: string | null): void {
    for (const link of [...this.#links.values()]) {
      if (agent === null || link.agent === agent) link.cut();
    }
  }

  /** Messages of the client's session that are not acknowledged; null when it has none yet. */
  unacknowledged(clientId: string): number | null {
    const session = this.#sessions.get(clientId);
    return session === undefined ? null : session.inFlight.size + session.queuedCount;
  }

  get clientIds(): string[] {
    return [...this.#sessions.keys()];
  }

  #connect(agent: string): Connection {
    const [up, down] = [new Pipe(this.#clock), new Pipe(this.#clock)];
    const cut = () => {
      up.close();
      down.close();
    };
    const socket = {
      read: (buffer: Uint8Array) => up.read(buffer),
      write(bytes: Uint8Array) {
        down.write(bytes);
        return Promise.resolve(bytes.length);
      },
      close: cut,
    };
    const connection = new BrokerConnection(socket as unknown as Deno.Conn, this.#broker);
    this.#links.set(connection, { cut, agent });
    void connection.serve().finally(() => this.#links.delete(connection));
    return {
      read: async (buffer) => {
        const count = await down.read(buffer);
        this.#note(connection);
        return count;
      },
      write: (bytes) => Promise.resolve(up.write(bytes)),
      close: cut,
    };
  }

  /** Remembers the session that a connection has attached to. */
  #note(connection: BrokerConnection): void {
    const session = connection.session as Session | null;
    if (session !== null) this.#sessions.set(session.clientId, session);
  }
}
