/**
 * Finds out what a broker really does with unacknowledged messages, by a session of the probe's own.
 *
 * Touches the network through the dialer, the clock and chance. Publishes to a topic nobody can guess,
 * acknowledges nothing, breaks off, comes back, and compares what comes again (M7).
 *
 *   dial ─▶ subscribe ─▶ publish ─▶ settle ─▶ break off ─▶ dial ─▶ settle ─▶ acknowledge, end session
 *
 * Invariants:
 *  1. A probe ends within `PROBE_TIMEOUT_MS`, with a finding, and leaves no connection behind.
 *  2. It leaves no session behind for longer than `SESSION_EXPIRY_SECONDS`.
 *  3. A broker that cannot be probed is `unknown`, never an error of the source.
 *  4. A session that was there before is somebody else's: it is left at once, as it was.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import type { Connection, Dialer } from "@shared/dialer.ts";
import { messageOf, PenstockError } from "@shared/errors.ts";
import type { BrokerConfig } from "@shared/messages.ts";
import type { Random } from "@shared/random.ts";
import { type Delivery, factsOf, type ProbeFinding, unassuredFacts } from "./broker_verdict.ts";
import type { InboundMessage } from "./mqtt_packet_reader.ts";
import { type BrokerProfile, reasonText } from "./mqtt_packets.ts";
import { MqttSession, type SessionClose, type SessionEvents } from "./mqtt_session.ts";

export interface ProbePorts {
  readonly dial: Dialer;
  readonly clock: Clock;
  readonly random: Random;
}

const PROBE_TIMEOUT_MS = 10_000;
/** Of one broker, as long as none has a result. */
const TRIES_MAX = 3;
const SESSION_EXPIRY_SECONDS = 60;
const WINDOW = 50;
/** More than the window, so that a broker that does not honour it shows. */
const MESSAGE_COUNT = 60;
const KEEP_ALIVE_SECONDS = 30;
/** Above the packet id of SUBSCRIBE. */
const FIRST_PACKET_ID = 2;
const SETTLE_STEP_MS = 250;
/** How long nothing may come before fewer messages than expected count as all there are. */
const SILENCE_MS = 2_000;

const PROBE_REFUSED = "probe-refused";
const TOPIC_PREFIX = "penstock/probe/";
/** No JSON: to a job that reads every topic a probe message is no record. */
const PAYLOAD_PREFIX = "penstock probe ";

/** Whether a topic carries probe messages, which are nobody's records. */
export function isProbeTopic(topic: string): boolean {
  return topic.startsWith(TOPIC_PREFIX);
}

/** Probes each broker once; one that could not be reached is tried again when next asked for. */
export class BrokerProbes {
  readonly #ports: ProbePorts;
  readonly #findings = new Map<string, Promise<ProbeFinding>>();
  readonly #tries = new Map<string, number>();

  constructor(ports: ProbePorts) {
    this.#ports = ports;
  }

  /** The finding on a broker, by its name; never rejects. */
  of(broker: BrokerConfig): Promise<ProbeFinding> {
    const { name } = broker;
    const known = this.#findings.get(name);
    if (known !== undefined) return known;
    const tries = (this.#tries.get(name) ?? 0) + 1;
    this.#tries.set(name, tries);
    const finding = probeBroker(broker, this.#ports);
    this.#findings.set(name, finding);
    void finding.then((found) => {
      const isWorthAnother = found.kind === "unknown" && !found.isFinal && tries < TRIES_MAX;
      if (isWorthAnother) this.#findings.delete(name);
    });
    return finding;
  }
}

/** Probes a broker now. Never rejects. */
export async function probeBroker(broker: BrokerConfig, ports: ProbePorts): Promise<ProbeFinding> {
  const probe = new Probe(broker, ports);
  const cancel = ports.clock.after(
    PROBE_TIMEOUT_MS,
    () => probe.giveUp(unreached(`no result within ${PROBE_TIMEOUT_MS / 1000} s`)),
  );
  try {
    return await probe.run();
  } catch (error) {
    const isFinal = error instanceof PenstockError && error.code === PROBE_REFUSED;
    return { kind: "unknown", reason: messageOf(error), isFinal };
  } finally {
    cancel();
    probe.giveUp(unreached("over"));
  }
}

class Probe {
  readonly #broker: BrokerConfig;
  readonly #ports: ProbePorts;
  readonly #clientId: string;
  readonly #topic: string;
  readonly #over = Promise.withResolvers<never>();
  #isOver = false;
  #session: MqttSession | null = null;
  #deliveries: Delivery[] = [];
  #connected = Promise.withResolvers<BrokerProfile>();
  #subscribed = Promise.withResolvers<number>();
  #published: (reasonCode: number) => void = () => {};

  constructor(broker: BrokerConfig, ports: ProbePorts) {
    this.#broker = broker;
    this.#ports = ports;
    const name = hex(ports.random.bytes(16));
    this.#clientId = `penstock-probe-${name}`;
    this.#topic = `${TOPIC_PREFIX}${hex(ports.random.bytes(16))}`;
    this.#over.promise.catch(() => {});
  }

  /** @throws {PenstockError} If the broker cannot be probed. */
  async run(): Promise<ProbeFinding> {
    const { receiveMaximum, isSessionPresent: isForeign } = await this.#connect();
    if (isForeign) throw refused("it gives all clients of one user the same session");
    this.#session!.subscribe([this.#topic]);
    const grantedQos = await this.#orOver(this.#subscribed.promise);
    if (grantedQos >= 0x80) {
      throw refused(`it refused to subscribe "${this.#topic}": ${reasonText(grantedQos)}`);
    }
    if (grantedQos === 0) {
      await this.#orOver(this.#session!.disconnect({ endsSession: true }));
      return { kind: "done", facts: unassuredFacts(WINDOW) };
    }
    await this.#publishAll(receiveMaximum);
    await this.#settle(WINDOW);
    const first = this.#deliveries;
    if (first.length === 0) throw refused("none of the probe's messages arrived");
    this.#breakOff();
    const { isSessionPresent } = await this.#connect();
    if (isSessionPresent) await this.#settle(first.length);
    const second = this.#deliveries;
    this.#session!.acknowledge(Uint16Array.from(second, ({ packetId }) => packetId));
    await this.#orOver(this.#session!.disconnect({ endsSession: true }));
    const seen = { windowAsked: WINDOW, first, isSessionPresent, second };
    return { kind: "done", facts: factsOf(seen) };
  }

  /** Ends whatever goes on. Idempotent. */
  giveUp(why: PenstockError): void {
    this.#isOver = true;
    this.#over.reject(why);
    this.#session?.abort();
  }

  async #connect(): Promise<BrokerProfile> {
    const { dial, clock } = this.#ports;
    const { url, caPem, username, password } = this.#broker;
    const dialed = dial(url, { caPem });
    dialed.then((connection) => this.#isOver && connection.close(), () => {});
    const connection: Connection = await this.#orOver(dialed);
    this.#deliveries = [];
    this.#connected = Promise.withResolvers();
    this.#session = new MqttSession(connection, {
      clientId: this.#clientId,
      username,
      password,
      keepAliveSeconds: KEEP_ALIVE_SECONDS,
      sessionExpirySeconds: SESSION_EXPIRY_SECONDS,
      receiveMaximum: WINDOW,
      maxPayloadBytes: PAYLOAD_PREFIX.length + 8,
    }, { events: this.#events, clock });
    return await this.#orOver(this.#connected.promise);
  }

  readonly #events: SessionEvents = {
    connected: (profile) => this.#connected.resolve(profile),
    subscribed: ([reasonCode]) => this.#subscribed.resolve(reasonCode ?? 0x80),
    published: (reasonCode) => this.#published(reasonCode),
    batchStarted: () => {},
    message: (message) => this.#message(message),
    batchEnded: () => {},
    closed: (close) => this.#closed(close),
  };

  #message(message: InboundMessage): void {
    const { packetId, qos } = message;
    const seq = Number(message.text(true).slice(PAYLOAD_PREFIX.length));
    this.#deliveries.push({ seq, packetId, qos });
  }

  #closed(close: SessionClose): void {
    switch (close.kind) {
      case "closed":
        return;
      case "refused":
        return this.giveUp(
          refused(`it refused the connection: ${reasonText(close.reasonCode)}`),
        );
      case "disconnected":
        return this.giveUp(refused(`it ended the connection: ${reasonText(close.reasonCode)}`));
      case "lost":
        return this.giveUp(unreached(`connection was lost: ${close.detail}`));
    }
  }

  /** As a crash would: the broker sees a close without DISCONNECT. */
  #breakOff(): void {
    const session = this.#session;
    this.#session = null;
    session?.abort();
  }

  /** Publishes every message, at most as many unanswered as the broker takes. */
  async #publishAll(receiveMaximum: number): Promise<void> {
    const session = this.#session!;
    const answered = Promise.withResolvers<void>();
    answered.promise.catch(() => {});
    let sentCount = 0;
    let answeredCount = 0;
    const sendNext = () => {
      const payload = new TextEncoder().encode(`${PAYLOAD_PREFIX}${sentCount}`);
      session.publish(this.#topic, FIRST_PACKET_ID + sentCount, payload);
      sentCount += 1;
    };
    this.#published = (reasonCode) => {
      answeredCount += 1;
      if (reasonCode >= 0x80) {
        const why = `it refused to publish to "${this.#topic}": ${reasonText(reasonCode)}`;
        return answered.reject(refused(why));
      }
      if (sentCount < MESSAGE_COUNT) sendNext();
      if (answeredCount === MESSAGE_COUNT) answered.resolve();
    };
    while (sentCount < Math.min(receiveMaximum, MESSAGE_COUNT)) sendNext();
    await this.#orOver(answered.promise);
  }

  /**
   * Waits until nothing more comes: a short while when `expected` messages are there, else longer. A ping
   * behind each wait makes sure that what the broker has written was read, however busy this process is.
   * The end of the probe bounds it.
   */
  async #settle(expected: number): Promise<void> {
    for (let quietMs = 0;;) {
      const before = this.#deliveries.length;
      await this.#orOver(this.#wait(SETTLE_STEP_MS));
      await this.#orOver(this.#pinged());
      quietMs = this.#deliveries.length === before ? quietMs + SETTLE_STEP_MS : 0;
      const enoughMs = this.#deliveries.length >= expected ? SETTLE_STEP_MS : SILENCE_MS;
      if (quietMs >= enoughMs) return;
    }
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#ports.clock.after(delayMs, resolve));
  }

  #pinged(): Promise<void> {
    return new Promise((resolve) => this.#session!.ping(resolve));
  }

  #orOver<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#over.promise]);
  }
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The broker will say the same the next time. */
function refused(reason: string): PenstockError {
  return new PenstockError(reason, { code: PROBE_REFUSED, domain: "external" });
}

function unreached(reason: string): PenstockError {
  return new PenstockError(reason, {
    code: "probe-unreached",
    domain: "external",
    isRetryable: true,
  });
}
