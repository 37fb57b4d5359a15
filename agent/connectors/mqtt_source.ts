/**
 * Reads one split of an MQTT source: a persistent session, a ledger of what the state holds, a decoder.
 *
 * Touches the network through the dialer, and the clock.
 *
 *   idle ──start──▶ connecting ──CONNACK, SUBACK──▶ attached
 *                      ▲   │ cannot                    │ connection over
 *                      │   ▼                           ▼
 *                      └─ waiting ◀────────────────────┘      close() ends each of them
 *                           │ must ask (M2) ── not the owner ──▶ failed
 *
 * Invariants:
 *  1. (C9) PUBACKs are written only for what the ledger releases.
 *  2. (M1, M9) Every connection is made with Clean Start 0 and subscribes again, without retained messages.
 *  3. (M2) After a takeover notice or two unexplained closes the hub is asked before the next CONNECT.
 *  4. (M3a) Each batch of PUBACKs is followed by a PINGREQ, in the same write.
 *  5. (M9) A lost session is an event, and a failure where the job says so; never silent.
 *  6. At most `WINDOW_MAX` messages are held unacknowledged: then reading pauses.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import type { Connection, Dialer } from "@shared/dialer.ts";
import { messageOf, PenstockError } from "@shared/errors.ts";
import type { CheckpointId } from "@shared/ids.ts";
import type { Logger } from "@shared/logger.ts";
import type { SplitPosition } from "@shared/manifest.ts";
import type { BrokerConfig, RegionEvent } from "@shared/messages.ts";
import type { Random } from "@shared/random.ts";
import type { SourceSpec } from "@shared/sdk/operator.ts";
import { isProbeTopic } from "./broker_probe.ts";
import { type ProbeFinding, profileEvent, windowGiven } from "./broker_verdict.ts";
import type { RestoreOptions, SourceMetrics, SourceOutput, SourceReader } from "./connector.ts";
import { decodeJson, RecordRefused } from "./json_decoder.ts";
import { MessageHash } from "./message_hash.ts";
import type { InboundMessage } from "./mqtt_packet_reader.ts";
import { type BrokerProfile, reasonText, SESSION_TAKEN_OVER } from "./mqtt_packets.ts";
import { MqttSession, type SessionClose, type SessionEvents } from "./mqtt_session.ts";
import { ReconnectPolicy, type Unreachable } from "./reconnect_policy.ts";
import { SourceLedger } from "./source_ledger.ts";

export type MqttSourceSpec = Extract<SourceSpec, { connector: "mqtt" }>;

export interface MqttSourceOptions {
  readonly spec: MqttSourceSpec;
  readonly sourceUid: string;
  readonly splitIndex: number;
  /** Job under whose name the session is kept: that of the source, or one that it goes on from. */
  readonly jobId: string;
  readonly broker: BrokerConfig;
  readonly output: SourceOutput;
  readonly dial: Dialer;
  /** What the broker really does; called when the source is attached, which never waits for it (M7). */
  readonly probe: (broker: BrokerConfig) => Promise<ProbeFinding>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Tests only: called at named points; "pubacks-partly-written" makes each batch two writes. */
  readonly failPoint: ((name: string) => void) | null;
}

const WINDOW_MAX = 65_535;
const KEEP_ALIVE_SECONDS = 30;
const DIAL_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 1_000;

/** A source on `broker`; nothing happens until `start`. */
export function createMqttSource(options: MqttSourceOptions): SourceReader {
  return new MqttSource(options);
}

/** Client id of a split: the same for every attempt, so that the next owner takes the session over. */
export function clientIdOf(jobId: string, sourceUid: string, splitIndex: number): string {
  return `penstock-${jobId}-${sourceUid}-${splitIndex}`;
}

class MqttSource implements SourceReader {
  readonly #options: MqttSourceOptions;
  readonly #filters: readonly string[];
  readonly #ledger = new SourceLedger();
  readonly #hash = new MessageHash();
  readonly #policy: ReconnectPolicy;
  readonly #attached = Promise.withResolvers<void>();

  #session: MqttSession | null = null;
  #profile: BrokerProfile | null = null;
  #isAttached = false;
  #hasStarted = false;
  #isStopped = false;
  #isPaused = false;
  #isWindowFull = false;
  #isPressureTold = false;
  #isOutageTold = false;
  #isWritingParts = false;
  #mismatchesTold = 0;
  #batchAtMs = 0;
  #lastRecordAtMs: number | null = null;
  /** Unacknowledged messages after which the broker waits: what was asked, or less where the probe saw less. */
  #windowSize: number;
  #failsWhenSubscribed: string | null = null;
  #cancelRetry: () => void = () => {};
  #confirmed: () => void = () => {};

  constructor(options: MqttSourceOptions) {
    this.#options = options;
    this.#windowSize = options.spec.receiveMaximum;
    this.#policy = new ReconnectPolicy(options.random);
    const filters = options.spec.topics[options.splitIndex];
    if (filters === undefined) {
      throw new PenstockError(
        `Source ${options.sourceUid} has ${options.spec.topics.length} splits, asked for ${options.splitIndex}`,
        { code: "no-such-split", domain: "internal" },
      );
    }
    this.#filters = filters;
  }

  restore(section: Uint8Array, options: RestoreOptions): void {
    this.#lastRecordAtMs = this.#ledger.restore(section, options);
  }

  /**
   * Resolves when the broker has granted the subscription; until then an unreachable broker is tried again.
   *
   * @throws {PenstockError} If the source failed or was closed before; `output.failed` is not called then.
   */
  start(): Promise<void> {
    void this.#connect();
    return this.#attached.promise;
  }

  pause(): void {
    this.#isPaused = true;
    this.#applyHold();
  }

  resume(): void {
    this.#isPaused = false;
    this.#applyHold();
  }

  capture(checkpointId: CheckpointId): { section: Uint8Array; position: SplitPosition } {
    return {
      section: this.#ledger.capture(checkpointId, this.#lastRecordAtMs),
      position: {
        sourceUid: this.#options.sourceUid,
        splitIndex: this.#options.splitIndex,
        position: this.#ledger.position,
        lastRecordAtMs: this.#lastRecordAtMs,
      },
    };
  }

  notifyCompleted(checkpointId: CheckpointId): void {
    this.#isPressureTold = false;
    this.#ledger.completed(checkpointId);
    this.#release();
  }

  notifyAborted(checkpointId: CheckpointId): void {
    this.#isPressureTold = false;
    this.#ledger.aborted(checkpointId);
  }

  metrics(): SourceMetrics {
    return {
      position: this.#ledger.position,
      duplicatesDropped: this.#ledger.duplicateCount,
      windowUsed: this.#ledger.usedCount,
      windowSize: this.#windowSize,
      isConnected: this.#isAttached,
    };
  }

  async close(): Promise<void> {
    this.#stop("it was closed");
    const session = this.#session;
    if (session === null) return;
    session.resume();
    if (session.isConnected && this.#ledger.sentCount > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const cancel = this.#options.clock.after(CLOSE_TIMEOUT_MS, resolve);
      this.#confirmed = resolve;
      await promise;
      cancel();
    }
    await session.disconnect();
  }

  /** No record leaves the source from here on, and no connection is made. */
  #stop(why: string): void {
    this.#isStopped = true;
    this.#cancelRetry();
    this.#attached.promise.catch(() => {});
    this.#attached.reject(
      new PenstockError(`Source ${this.#options.sourceUid} did not start: ${why}`, {
        code: "source-stopped",
        domain: "external",
      }),
    );
  }

  #fail(message: string, options: { isRetryable: boolean }): void {
    if (this.#isStopped) return;
    const wasStarted = this.#hasStarted;
    this.#stop(message);
    this.#session?.abort();
    if (wasStarted) this.#options.output.failed(message, options);
  }

  async #connect(): Promise<void> {
    let connection: Connection;
    try {
      connection = await this.#dial();
    } catch (error) {
      if (this.#isStopped) return;
      if (error instanceof PenstockError && !error.isRetryable) {
        return this.#fail(error.message, { isRetryable: false });
      }
      return this.#closed({ kind: "unreachable", detail: messageOf(error) });
    }
    if (this.#isStopped) return connection.close();
    const { spec, sourceUid, splitIndex, jobId, broker, clock } = this.#options;
    this.#session = new MqttSession(connection, {
      clientId: clientIdOf(jobId, sourceUid, splitIndex),
      username: broker.username,
      password: broker.password,
      keepAliveSeconds: KEEP_ALIVE_SECONDS,
      sessionExpirySeconds: spec.sessionExpirySeconds,
      receiveMaximum: spec.receiveMaximum,
      maxPayloadBytes: spec.maxPayloadBytes,
    }, { events: this.#events, clock });
  }

  /** A dial with an end: a host that swallows packets must not hold the source for minutes. */
  async #dial(): Promise<Connection> {
    const { dial, broker, clock } = this.#options;
    const timeout = Promise.withResolvers<never>();
    let isLate = false;
    const cancel = clock.after(DIAL_TIMEOUT_MS, () => {
      isLate = true;
      timeout.reject(new Error(`no answer within ${DIAL_TIMEOUT_MS} ms`));
    });
    const dialed = dial(broker.url, { caPem: broker.caPem });
    dialed.then((connection) => isLate && connection.close(), () => {});
    try {
      return await Promise.race([dialed, timeout.promise]);
    } finally {
      cancel();
    }
  }

  readonly #events: SessionEvents = {
    connected: (profile) => this.#connected(profile),
    subscribed: (reasonCodes) => this.#subscribed(reasonCodes),
    batchStarted: () => {
      this.#batchAtMs = this.#options.clock.nowMs();
    },
    message: (message) => this.#message(message),
    batchEnded: () => this.#batchEnded(),
    closed: (close) => this.#closed(close),
  };

  #connected(profile: BrokerProfile): void {
    this.#profile = profile;
    this.#policy.connected(this.#options.clock.monotonicMs());
    const outcome = this.#ledger.connected(profile.isSessionPresent);
    if (outcome.kind === "lost") this.#sessionLost(outcome.pendingCount);
    this.#session!.subscribe(this.#filters);
    this.#applyHold();
  }

  #sessionLost(pendingCount: number): void {
    const detail = "The broker has forgotten the session: messages published since then are lost";
    this.#event("session-lost", detail, {
      pendingCount,
      position: this.#ledger.position,
      fromMs: this.#lastRecordAtMs,
      toMs: this.#options.clock.nowMs(),
    });
    // Subscribed first, so that the new session collects what comes while a person decides.
    if (this.#options.spec.onGap === "fail") this.#failsWhenSubscribed = detail;
  }

  #subscribed(reasonCodes: readonly number[]): void {
    const refused = reasonCodes.findIndex((code) => code >= 0x80);
    if (refused !== -1) {
      const reason = reasonText(reasonCodes[refused]!);
      return this.#fail(
        `Broker "${this.#options.broker.name}" refused to subscribe "${
          this.#filters[refused]
        }": ${reason}. Grant read access to this topic`,
        { isRetryable: false },
      );
    }
    if (this.#failsWhenSubscribed !== null) {
      return this.#fail(this.#failsWhenSubscribed, { isRetryable: false });
    }
    const profile = this.#profile!;
    this.#isAttached = true;
    this.#isOutageTold = false;
    this.#event("broker-connected", `Connected to broker "${this.#options.broker.name}"`, {
      isSessionPresent: profile.isSessionPresent,
    });
    this.#hasStarted = true;
    this.#attached.resolve();
    void this.#reportProfile(profile, Math.min(...reasonCodes));
  }

  /** Reports what was granted and what the probe found; a later connection reports for itself (M7). */
  async #reportProfile(connack: BrokerProfile, grantedQos: number): Promise<void> {
    const { broker, spec, probe } = this.#options;
    const finding = await probe(broker);
    if (this.#isStopped || this.#profile !== connack) return;
    this.#windowSize = Math.max(1, windowGiven({ windowAsked: spec.receiveMaximum }, finding));
    this.#tellPressure();
    const { detail, fields } = profileEvent({
      broker: broker.name,
      connack,
      grantedQos,
      windowAsked: spec.receiveMaximum,
      sessionExpirySeconds: spec.sessionExpirySeconds,
    }, finding);
    this.#event("broker-profile", detail, fields);
  }

  #message(message: InboundMessage): void {
    if (this.#isStopped) return;
    const hash = this.#hash.of(message);
    const verdict = this.#ledger.received(message.packetId, hash, message.qos);
    if (verdict === "process") this.#process(message);
    if (this.#ledger.unackedCount >= WINDOW_MAX && !this.#isWindowFull) {
      this.#isWindowFull = true;
      this.#applyHold();
    }
  }

  /** Runs one message through the job; one that is no record goes to the dead letters. */
  #process(message: InboundMessage): void {
    const { output, spec } = this.#options;
    const position = this.#ledger.position;
    this.#lastRecordAtMs = this.#batchAtMs;
    let value: unknown;
    try {
      if (message.isTruncated || message.payloadBytes > spec.maxPayloadBytes) {
        throw new RecordRefused(`payload is longer than ${spec.maxPayloadBytes} bytes`);
      }
      value = spec.decode === null
        ? decodeJson(message.text(this.#hash.isAscii))
        : spec.decode(message.payload(), message.topic());
    } catch (error) {
      if (isProbeTopic(message.topic())) return;
      return output.deadLetter(messageOf(error), message.payload(), position);
    }
    output.topicSeen?.(message.topic());
    output.record(value, position, this.#batchAtMs);
  }

  #batchEnded(): void {
    this.#release();
    this.#tellPressure();
    const mismatchCount = this.#ledger.mismatchCount;
    if (mismatchCount > this.#mismatchesTold) {
      const givenUpCount = mismatchCount - this.#mismatchesTold;
      this.#mismatchesTold = mismatchCount;
      this.#event("ledger-mismatch", "The broker redelivered other messages than it was sent", {
        givenUpCount,
        position: this.#ledger.position,
      });
    }
  }

  /** Asks for a checkpoint when half of the window is used (M8). */
  #tellPressure(): void {
    if (this.#isPressureTold || 2 * this.#ledger.usedCount < this.#windowSize) return;
    this.#isPressureTold = true;
    this.#options.output.windowPressure();
  }

  /** Writes what the ledger releases, with a ping behind it. */
  #release(): void {
    const session = this.#session;
    if (session === null || !session.isConnected || this.#isWritingParts) return;
    const packetIds = this.#ledger.releasable();
    if (packetIds.length === 0) return;
    this.#ledger.acksWritten(packetIds.length);
    if (this.#options.failPoint !== null) {
      void this.#writeInParts(session, packetIds, this.#options.failPoint);
    } else {
      session.acknowledge(packetIds);
      session.ping(() => this.#pingConfirmed());
    }
    if (this.#isWindowFull) {
      this.#isWindowFull = false;
      this.#applyHold();
    }
  }

  /** A crash between the two halves must leave nothing lost and nothing counted twice (M3). */
  async #writeInParts(
    session: MqttSession,
    packetIds: Uint16Array,
    failPoint: (name: string) => void,
  ): Promise<void> {
    this.#isWritingParts = true;
    const half = packetIds.length >> 1;
    session.acknowledge(packetIds.subarray(0, half));
    await session.flushed();
    failPoint("pubacks-partly-written");
    this.#isWritingParts = false;
    if (this.#session !== session || !session.isConnected) return;
    session.acknowledge(packetIds.subarray(half));
    session.ping(() => this.#pingConfirmed());
    this.#release();
  }

  #pingConfirmed(): void {
    this.#ledger.pingConfirmed();
    if (this.#ledger.sentCount === 0) this.#confirmed();
  }

  #applyHold(): void {
    const session = this.#session;
    // CONNACK must be read, so a hold begins with the connection.
    if (session === null || !session.isConnected || this.#isStopped) return;
    if (this.#isPaused || this.#isWindowFull) session.pause();
    else session.resume();
  }

  #closed(close: SessionClose | Unreachable): void {
    this.#session = null;
    this.#isAttached = false;
    this.#isWindowFull = false;
    this.#confirmed();
    if (this.#isStopped || close.kind === "closed") return;
    if (close.kind === "disconnected" && close.reasonCode === SESSION_TAKEN_OVER) {
      this.#event("session-taken-over", "Another client took the session over", {});
    }
    const detail = describe(close);
    if (!this.#isOutageTold) {
      this.#isOutageTold = true;
      this.#event("broker-disconnected", detail, { url: this.#options.broker.url });
      this.#options.logger.warn("Broker was lost", { broker: this.#options.broker.name, detail });
    }
    const { delayMs, asksFirst } = this.#policy.closed(close, this.#options.clock.monotonicMs());
    this.#retryAfter(delayMs, asksFirst);
  }

  #retryAfter(delayMs: number, asksFirst: boolean): void {
    this.#cancelRetry = this.#options.clock.after(delayMs, () => {
      void (asksFirst ? this.#askThenConnect(delayMs) : this.#connect());
    });
  }

  /** Takes the session back only from nobody (M2). */
  async #askThenConnect(delayMs: number): Promise<void> {
    let isOwner: boolean;
    try {
      isOwner = await this.#options.output.askOwnership();
    } catch (error) {
      // No answer is no leave: ask again later.
      this.#options.logger.debug("Ownership was not answered", { detail: messageOf(error) });
      if (!this.#isStopped) this.#retryAfter(delayMs, true);
      return;
    }
    if (this.#isStopped) return;
    if (!isOwner) {
      return this.#fail(
        `Split ${this.#options.splitIndex} of source ${this.#options.sourceUid} has another owner`,
        { isRetryable: false },
      );
    }
    this.#policy.ownershipAffirmed();
    await this.#connect();
  }

  #event(type: RegionEvent["type"], detail: string, fields: RegionEvent["fields"]): void {
    const { sourceUid, splitIndex } = this.#options;
    this.#options.output.event({ type, detail, fields: { sourceUid, splitIndex, ...fields } });
  }
}

function describe(close: Exclude<SessionClose, { kind: "closed" }> | Unreachable): string {
  switch (close.kind) {
    case "refused":
      return `Broker refused the connection: ${reasonText(close.reasonCode)}`;
    case "disconnected":
      return `Broker ended the connection: ${reasonText(close.reasonCode)}`;
    case "lost":
      return `Connection was lost: ${close.detail}`;
    case "unreachable":
      return close.detail;
  }
}
