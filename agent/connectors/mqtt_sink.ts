/**
 * Publishes the outputs of a job over MQTT, at once (`direct`) or when their checkpoint is complete (`staged`).
 *
 * Touches the network through MQTT.js, which is loaded only when a job has such a sink. Every message carries the
 * stable id of its output as user property `penstock-id`: a replay repeats the id, so a consumer can tell (K1).
 *
 * Invariants:
 *  1. (C1) `flush` resolves only when every direct output written before it is confirmed; an output that the
 *     broker refused makes every later flush reject.
 *  2. (K1, K2) Staged outputs are published only behind their checkpoint and stay in snapshots until confirmed.
 *  3. (L3) Closing waits, but not for long, for what is published and not confirmed.
 *  4. At most the broker's Receive Maximum is in flight; the rest waits in order.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { MqttClient } from "mqtt";
import { messageOf, PenstockError, UserError } from "@shared/errors.ts";
import type { Clock } from "@shared/clock.ts";
import type { CheckpointId } from "@shared/ids.ts";
import type { Logger } from "@shared/logger.ts";
import type { BrokerConfig } from "@shared/messages.ts";
import type { Random } from "@shared/random.ts";
import type { SinkSpec } from "@shared/sdk/operator.ts";
import type { SinkWriter } from "./connector.ts";
import { type StagedOutput, StagedOutputs } from "./staged_outputs.ts";

export type MqttSinkSpec = Extract<SinkSpec, { connector: "mqtt" }>;

export interface MqttSinkOptions {
  readonly spec: MqttSinkSpec;
  readonly sinkUid: string;
  readonly jobId: string;
  readonly broker: BrokerConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The broker refused an output: the subtask cannot go on without losing it. */
  readonly failed: (message: string, options: { isRetryable: boolean }) => void;
}

/** At this `pendingCount` a runner should pause its source, and resume below half of it. */
export const SINK_PENDING_MAX = 20_000;

const IN_FLIGHT_MAX = 1_000;
const RECONNECT_MS = 1_000;
const KEEP_ALIVE_SECONDS = 30;
/** Longest wait of a closing sink for what it has published. */
const CLOSE_TIMEOUT_MS = 1_000;

/** A sink that begins to connect; outputs wait until it has. */
export function createMqttSink(options: MqttSinkOptions): SinkWriter {
  return new MqttSink(options);
}

class MqttSink implements SinkWriter {
  readonly #options: MqttSinkOptions;
  readonly #client: Promise<MqttClient>;
  readonly #staged = new StagedOutputs();
  /** Handed over for publishing and not confirmed, oldest first. */
  readonly #unconfirmed = new Set<StagedOutput>();
  #waiting: StagedOutput[] = [];
  #connected: MqttClient | null = null;
  #inFlightCount = 0;
  #inFlightMax = IN_FLIGHT_MAX;
  #flushes: { behind: Set<StagedOutput>; done: PromiseWithResolvers<void> }[] = [];
  #refusal: PenstockError | null = null;
  #isClosed = false;

  constructor(options: MqttSinkOptions) {
    this.#options = options;
    this.#client = this.#connect();
  }

  get pendingCount(): number {
    return this.#options.spec.delivery === "direct" ? this.#unconfirmed.size : this.#staged.count;
  }

  write(value: unknown, outputId: string): void {
    const { spec } = this.#options;
    const topic = spec.topic(value);
    if (topic === "" || /[+#\0]/.test(topic)) {
      throw new UserError(
        "bad-topic",
        `Sink ${this.#options.sinkUid} cannot publish to "${topic}"`,
      );
    }
    const encoded = spec.encode === null ? JSON.stringify(value) : spec.encode(value);
    const payload = typeof encoded === "string" ? new TextEncoder().encode(encoded) : encoded;
    const output = { outputId, topic, payload };
    if (spec.delivery === "direct") this.#publish([output]);
    else this.#staged.add(output);
  }

  flush(): Promise<void> {
    if (this.#refusal !== null) return Promise.reject(this.#refusal);
    // Staged outputs are in the snapshot instead.
    if (this.#options.spec.delivery === "staged" || this.#unconfirmed.size === 0) {
      return Promise.resolve();
    }
    const done = Promise.withResolvers<void>();
    this.#flushes.push({ behind: new Set(this.#unconfirmed), done });
    return done.promise;
  }

  capture(checkpointId: CheckpointId): Uint8Array | null {
    if (this.#options.spec.delivery === "direct") return null;
    return this.#staged.capture(checkpointId);
  }

  restore(section: Uint8Array, restoredId: CheckpointId): void {
    this.#publish(this.#staged.restore(section, restoredId));
  }

  notifyCompleted(checkpointId: CheckpointId): void {
    this.#publish(this.#staged.completed(checkpointId));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const client = await this.#client;
    if (this.#connected !== null && this.#refusal === null) await this.#confirmedOrLate();
    await client.endAsync(true);
    const error = new PenstockError(`Sink ${this.#options.sinkUid} was closed`, {
      code: "sink-closed",
      domain: "internal",
    });
    for (const { done } of this.#flushes.splice(0)) done.reject(error);
  }

  /** A stop behind a completed checkpoint must not cut its outputs off (K2, L3). */
  async #confirmedOrLate(): Promise<void> {
    if (this.#unconfirmed.size === 0) return;
    const done = Promise.withResolvers<void>();
    this.#flushes.push({ behind: new Set(this.#unconfirmed), done });
    const cancel = this.#options.clock.after(CLOSE_TIMEOUT_MS, done.resolve);
    await done.promise;
    cancel();
  }

  async #connect(): Promise<MqttClient> {
    const { default: mqtt } = await import("mqtt");
    const { broker, jobId, sinkUid, random, logger } = this.#options;
    const suffix = [...random.bytes(6)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const client = mqtt.connect(broker.url, {
      protocolVersion: 5,
      // Two attempts may run side by side (F4): an id of its own keeps them from closing each other.
      clientId: `penstock-${jobId}-${sinkUid}-${suffix}`,
      clean: true,
      reconnectPeriod: RECONNECT_MS,
      keepalive: KEEP_ALIVE_SECONDS,
      ...(broker.username === null ? {} : { username: broker.username }),
      ...(broker.password === null ? {} : { password: broker.password }),
      ...(broker.caPem === null ? {} : { ca: broker.caPem }),
    });
    client.on("connect", (connack) => {
      this.#inFlightMax = Math.min(IN_FLIGHT_MAX, connack.properties?.receiveMaximum ?? 65_535);
      this.#connected = client;
      this.#pump();
    });
    client.on("close", () => this.#connected = null);
    client.on("error", (error) => {
      logger.warn("Sink could not reach its broker", { sinkUid, detail: messageOf(error) });
    });
    return client;
  }

  #publish(outputs: readonly StagedOutput[]): void {
    for (const output of outputs) {
      this.#unconfirmed.add(output);
      this.#waiting.push(output);
    }
    this.#pump();
  }

  /** Hands to MQTT.js what the broker's window allows; MQTT.js sends it again after a reconnect. */
  #pump(): void {
    const client = this.#connected;
    if (client === null) return;
    const { spec } = this.#options;
    const count = Math.min(this.#inFlightMax - this.#inFlightCount, this.#waiting.length);
    if (count <= 0) return;
    for (const output of this.#waiting.splice(0, count)) {
      this.#inFlightCount += 1;
      client.publish(output.topic, Buffer.from(output.payload), {
        qos: spec.qos,
        retain: spec.isRetained,
        properties: { userProperties: { "penstock-id": output.outputId } },
      }, (error) => this.#settled(output, error ?? null));
    }
  }

  #settled(output: StagedOutput, error: Error | null): void {
    this.#inFlightCount -= 1;
    if (error === null) this.#confirmed(output);
    else this.#refused(output, error);
    this.#pump();
  }

  #confirmed(output: StagedOutput): void {
    this.#unconfirmed.delete(output);
    this.#staged.confirmed(output);
    this.#flushes = this.#flushes.filter(({ behind, done }) => {
      behind.delete(output);
      if (behind.size === 0) done.resolve();
      return behind.size > 0;
    });
  }

  /** The output would be missing behind a checkpoint that completes, so none may. */
  #refused(output: StagedOutput, cause: Error): void {
    if (this.#isClosed || this.#refusal !== null) return;
    this.#refusal = new PenstockError(
      `Broker "${this.#options.broker.name}" refused output ${output.outputId} to "${output.topic}": ` +
        messageOf(cause),
      { code: "output-refused", domain: "external", cause },
    );
    for (const { done } of this.#flushes.splice(0)) done.reject(this.#refusal);
    this.#options.failed(this.#refusal.message, { isRetryable: true });
  }
}
