/**
 * The channels of one exchange, and which of them a frame is for.
 *
 * Pure but for the digests of `node:crypto`.
 *
 * Invariants (tests/property/exchange_channel_test.ts):
 *
 *   F3  A frame of another attempt is refused before anything of it is used.
 *   F4  So is one whose code was not made with its channel's key for its direction.
 *
 * @module
 */
import { PenstockError } from "@shared/errors.ts";
import type { ChannelAddress } from "../runner/exchange_port.ts";
import { CHANNELS_MAX } from "./channel_credit.ts";
import { attemptKey, type ChannelKeys, channelKeys, type ExchangeIdentity } from "./channel_key.ts";
import { exchangeTopic } from "./exchange_topics.ts";
import { authenticBody, claimedFrame, type FrameHead } from "./frame_codec.ts";
import { ReceivingChannel } from "./receiving_channel.ts";
import type { Refusal } from "./refused_frames.ts";
import { SendingChannel } from "./sending_channel.ts";

/** What a message turned out to be. `body` is a view on it. */
export type Recognized =
  /** Of `receives[channel]`. */
  | {
    readonly kind: "elements";
    readonly channel: number;
    readonly head: FrameHead;
    readonly body: Uint8Array;
  }
  /** Of `sends[channel]`. */
  | { readonly kind: "credit"; readonly channel: number; readonly body: Uint8Array }
  | { readonly kind: "refused"; readonly refusal: Refusal };

interface Entry {
  readonly channel: number;
  readonly keys: ChannelKeys;
}

export interface TableOptions extends ExchangeIdentity {
  readonly key: string;
  readonly sends: readonly ChannelAddress[];
  readonly receives: readonly ChannelAddress[];
}

export class ChannelTable {
  readonly sends: readonly SendingChannel[];
  readonly receives: readonly ReceivingChannel[];
  /** What to subscribe to. */
  readonly topics: readonly string[];
  readonly #identity: ExchangeIdentity;
  readonly #ofElements = new Map<number, Entry>();
  readonly #ofCredit = new Map<number, Entry>();

  /** @throws {PenstockError} If the key or a name is not fit for an exchange, or there are too many channels. */
  constructor(options: TableOptions) {
    const { sends, receives } = options;
    if (Math.max(sends.length, receives.length) > CHANNELS_MAX) {
      throw new PenstockError(
        `Region ${options.regionId} has ${sends.length} channels to and ${receives.length} from ` +
          `other agents on one: at most ${CHANNELS_MAX} go. Lower its parallelism`,
        { code: "exchange-too-wide", domain: "user" },
      );
    }
    this.#identity = options;
    const key = attemptKey(options.key);
    this.sends = sends.map((address, channel) => {
      const keys = channelKeys(key, options, address);
      this.#ofCredit.set(keys.number, { channel, keys });
      return new SendingChannel(options, address, keys, exchangeTopic(options, address.to));
    });
    const channelCount = receives.length;
    this.receives = receives.map((address, channel) => {
      const keys = channelKeys(key, options, address);
      this.#ofElements.set(keys.number, { channel, keys });
      const topic = exchangeTopic(options, address.from);
      return new ReceivingChannel(options, address, keys, { topic, channelCount });
    });
    const here = [...sends.map(({ from }) => from), ...receives.map(({ to }) => to)];
    this.topics = [...new Set(here)].map((subtaskId) => exchangeTopic(options, subtaskId));
  }

  /** @param frame Whatever came on one of `topics`. */
  recognize(frame: Uint8Array): Recognized {
    const claimed = claimedFrame(frame);
    if (claimed.kind === "malformed") return forged(claimed.detail);
    const { head } = claimed;
    if (head.attempt !== this.#identity.attempt) {
      const detail = `attempt ${head.attempt}, this one is ${this.#identity.attempt}`;
      return { kind: "refused", refusal: { kind: "late", detail } };
    }
    const isCredit = head.kind === "credit";
    const entry = (isCredit ? this.#ofCredit : this.#ofElements).get(head.channel);
    if (entry === undefined) return forged("they name no channel of this agent");
    const { channel, keys } = entry;
    const body = authenticBody(frame, isCredit ? keys.credit : keys.elements);
    if (body === null) return forged(`their code is wrong`);
    return isCredit ? { kind: "credit", channel, body } : { kind: "elements", channel, head, body };
  }
}

function forged(detail: string): Recognized {
  return { kind: "refused", refusal: { kind: "forged", detail } };
}
