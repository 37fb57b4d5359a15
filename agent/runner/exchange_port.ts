/**
 * The port through which a region's subtasks exchange batches with subtasks on other agents.
 *
 * Pure types; `agent/exchange` fills it in over MQTT, tests with their own.
 *
 * What the one who fills it in keeps:
 *
 *   A1  A channel is FIFO and delivers each batch once. A gap fails the attempt through `failed`; it is
 *       never skipped. A frame that is not what its sender sent is refused, and leaves a gap.
 *   A2  Frames carry job, region and attempt; frames of another attempt are refused.
 *   A7  `send` takes every batch, credit or not: a barrier is never held back or dropped. What is
 *       taken is bounded by the callers, who take in nothing more without credit.
 *
 * @module
 */
import type { Attempt, RegionId, SubtaskId } from "@shared/ids.ts";
import type { BrokerConfig, RegionEvent } from "@shared/messages.ts";
import type { ElementBatch } from "./exchange_batch.ts";

/** One channel between two subtasks. */
export interface ChannelAddress {
  readonly from: SubtaskId;
  readonly to: SubtaskId;
}

export interface ExchangeOptions {
  readonly jobId: string;
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  /** Carries the frames. */
  readonly broker: BrokerConfig;
  /** Authenticates the frames of this attempt, base64 of 32 bytes. */
  readonly key: string;
  /** Channels from a subtask here to one elsewhere; numbered by their place in this list. */
  readonly sends: readonly ChannelAddress[];
  /** Channels from elsewhere to a subtask here; numbered by their place in this list. */
  readonly receives: readonly ChannelAddress[];
  /** The next batch of `receives[channel]`. */
  readonly onBatch: (channel: number, batch: ElementBatch) => void;
  /** Credit of `sends[channel]` is above 0 again. */
  readonly onCredit: (channel: number) => void;
  /** Frames of another attempt came, or forged ones: they were refused and changed nothing. */
  readonly event: (event: RegionEvent) => void;
  /** The exchange cannot go on; the attempt fails. Called at most once, and not after `close`. */
  readonly failed: (reason: string, options: { isRetryable: boolean }) => void;
}

/** An exchange whose channels are all subscribed. */
export interface Exchange {
  /** Sends behind everything sent before on `sends[channel]`; never waits, never refuses. */
  send(channel: number, batch: ElementBatch): void;
  /**
   * Records that `sends[channel]` may still take: `CHANNEL_CREDIT_RECORDS` at first, less by those sent,
   * more by those the consumer granted. Below 0 when more was sent than granted.
   */
  credit(channel: number): number;
  /** The consumer of `receives[channel]` has worked off `records` more. */
  grant(channel: number, records: number): void;
  /** Sends what `send` took, as far as the consumers granted it, then disconnects. */
  close(): Promise<void>;
}

/**
 * Connects and subscribes; when it has resolved no batch that any other agent sends is lost, and
 * `restored` may be reported.
 *
 * @throws {PenstockError} When the broker cannot be reached or refuses the subscription.
 */
export type OpenExchange = (options: ExchangeOptions) => Promise<Exchange>;
