/** One agent's end of an exchange, for tests and benches: opens it, keeps what comes, works it off. @module */
import type { Attempt, RegionId, SubtaskId } from "@shared/ids.ts";
import type { BrokerConfig, RegionEvent } from "@shared/messages.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { denoDialer } from "@shared/platform/deno_dialer.ts";
import { systemRandom } from "@shared/platform/random.ts";
import type { Dialer } from "@shared/dialer.ts";
import { mqttExchangeOpener } from "../../agent/exchange/mqtt_exchange.ts";
import {
  BATCH_ELEMENTS_MAX,
  BatchBuilder,
  type ElementBatch,
} from "../../agent/runner/exchange_batch.ts";
import type { Exchange, ExchangeOptions } from "../../agent/runner/exchange_port.ts";

/** 32 bytes, as the hub makes them for each attempt. */
export const EXCHANGE_KEY: string = btoa("k".repeat(32));

export interface ExchangeEndOptions {
  readonly brokerUrl: string;
  /** Channels as `from>to`. */
  readonly sends?: readonly string[];
  readonly receives?: readonly string[];
  readonly attempt?: number;
  readonly key?: string;
  readonly dial?: Dialer;
  /** Gets each batch; without it batches are kept in `batches` and worked off at once. */
  readonly onBatch?: (channel: number, batch: ElementBatch) => void;
  /** Work every batch off at once; default true. */
  readonly worksOff?: boolean;
}

export class ExchangeEnd {
  readonly batches: ElementBatch[] = [];
  readonly events: RegionEvent[] = [];
  readonly failures: { readonly reason: string; readonly isRetryable: boolean }[] = [];
  credits = 0;
  #exchange: Exchange | null = null;
  #onCredit: () => void = () => {};

  static async open(options: ExchangeEndOptions): Promise<ExchangeEnd> {
    const end = new ExchangeEnd();
    const { dial = denoDialer } = options;
    const open = mqttExchangeOpener({ dial, clock: systemClock, random: systemRandom });
    end.#exchange = await open(end.#options(options));
    return end;
  }

  get exchange(): Exchange {
    return this.#exchange!;
  }

  /** Sends on channel 0. */
  send(fill: (batch: BatchBuilder) => void): void {
    const batch = new BatchBuilder();
    fill(batch);
    this.exchange.send(0, batch.finish());
  }

  /** Sends `count` records on channel 0 in full batches, as far as credit goes and no further. */
  async sendRecords(
    count: number,
    record: (index: number) => unknown,
  ): Promise<void> {
    for (let at = 0; at < count;) {
      while (this.exchange.credit(0) <= 0) {
        await new Promise<void>((resolve) => this.#onCredit = resolve);
      }
      const end = Math.min(count, at + BATCH_ELEMENTS_MAX);
      this.send((batch) => {
        for (; at < end; at++) {
          batch.record(0, record(at), { atMs: 1_700_000_000_000 + at, position: at }, at * 7_919);
        }
      });
      // Lets what came in be taken, as a subtask does between its turns.
      if (at % 1_024 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  /** Values of the records that came, in order. */
  get values(): unknown[] {
    return this.batches.flatMap(({ edges, values }) => values.filter((_, i) => edges[i]! >= 0));
  }

  #options(options: ExchangeEndOptions): ExchangeOptions {
    const { sends = [], receives = [], worksOff = true } = options;
    const broker: BrokerConfig = {
      name: "plant",
      url: options.brokerUrl,
      username: null,
      password: null,
      caPem: null,
    };
    const addressOf = (text: string) => {
      const [from, to] = text.split(">");
      return { from: from as SubtaskId, to: to as SubtaskId };
    };
    return {
      jobId: "019ab001-0000-7000-8000-000000000001",
      regionId: "in.0" as RegionId,
      attempt: (options.attempt ?? 1) as Attempt,
      broker,
      key: options.key ?? EXCHANGE_KEY,
      sends: sends.map(addressOf),
      receives: receives.map(addressOf),
      onBatch: (channel, batch) => {
        if (options.onBatch === undefined) this.batches.push(batch);
        else options.onBatch(channel, batch);
        if (worksOff) this.exchange.grant(channel, batch.recordCount);
      },
      onCredit: () => {
        this.credits++;
        this.#onCredit();
      },
      event: (event) => void this.events.push(event),
      failed: (reason, { isRetryable }) => void this.failures.push({ reason, isRetryable }),
    };
  }
}
