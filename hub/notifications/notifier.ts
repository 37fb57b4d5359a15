/**
 * Tells channels what is in the outbox.
 *
 * Touches the database and the network. One round at a time; what a channel gets within ten seconds goes
 * as one message. A message that fails is tried again, later and later, and given up in the end.
 *
 *   pending ──sent──▶ delivered
 *     │ failed: again after 10 s, 30 s, 2 min, 10 min, 30 min
 *     └──failed six times──▶ failed
 *
 * Invariants: a row that is not pending is never sent. A crash between sending and noting it down repeats
 * the message under the same delivery id, so that who receives it can tell.
 *
 * @module
 */
import { messageOf } from "@shared/errors.ts";
import { alarmBriefs } from "../db/alarm_views.ts";
import { DeposedError, withReign } from "../db/hub_state_store.ts";
import {
  type ChannelRow,
  channelsDue,
  dueNotifications,
  getChannel,
  insertTrial,
  noteAttempt,
  type NotificationRow,
} from "../db/notification_store.ts";
import type { HubContext } from "../ports.ts";
import { openSecret } from "./channel_secret.ts";
import type { SendMail } from "./email.ts";
import { type Message, messageOfNotices, type Notice } from "./message.ts";
import { sendWebhook, type WebhookWorld } from "./webhook.ts";

const ROUND_INTERVAL_MS = 1_000;
/** From one message to a channel to its next one. */
export const GROUPING_MS = 10_000;
const RETRY_DELAYS_MS = [10_000, 30_000, 120_000, 600_000, 1_800_000];
const NOTICES_PER_MESSAGE = 100;
const CHANNELS_AT_ONCE = 4;
/** From the connection to the mail server's last word; other channels wait for it. */
const MAIL_LIMIT_MS = 60_000;
/** Channels whose last message is remembered. */
const CHANNELS_REMEMBERED = 1_000;

/** The ways out of the hub. */
export interface Outlets {
  readonly webhook: Omit<WebhookWorld, "clock">;
  /** Null: the hub was started without a mail server. */
  readonly sendMail: SendMail | null;
}

type NotifierContext = Pick<
  HubContext,
  "db" | "clock" | "random" | "logger" | "events" | "hubTerm" | "config"
>;

export class Notifier {
  readonly #ctx: NotifierContext;
  readonly #outlets: Outlets;
  readonly #signingSecret: string;
  readonly #lastSentMs = new Map<string, number>();
  #cancel: () => void = () => {};
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(ctx: NotifierContext, outlets: Outlets, signingSecret: string) {
    this.#ctx = ctx;
    this.#outlets = outlets;
    this.#signingSecret = signingSecret;
  }

  /** Which targets a webhook may have; for channels that are made. */
  get allowed(): WebhookWorld["allowed"] {
    return this.#outlets.webhook.allowed;
  }

  get hasMail(): boolean {
    return this.#outlets.sendMail !== null;
  }

  /** Looks into the outbox once a second from now on. */
  start(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#ctx.clock.after(ROUND_INTERVAL_MS, () => {
      this.#round = this.runRound().finally(() => this.start());
    });
  }

  /** Nothing is sent afterwards. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#round;
  }

  /** Sends what is due. */
  async runRound(): Promise<void> {
    const { db, clock, logger, hubTerm } = this.#ctx;
    try {
      const due = await channelsDue(db, clock.nowMs());
      if (due.length === 0) return;
      await withReign(db, hubTerm, () => Promise.resolve());
      const queue = due.filter((id) =>
        clock.monotonicMs() - (this.#lastSentMs.get(id) ?? -Infinity) >= GROUPING_MS
      );
      const work = async () => {
        for (let id = queue.shift(); id !== undefined; id = queue.shift()) await this.#tell(id);
      };
      const ends = await Promise.allSettled(Array.from({ length: CHANNELS_AT_ONCE }, work));
      for (const end of ends) if (end.status === "rejected") throw end.reason;
    } catch (error) {
      if (error instanceof DeposedError) this.#isStopped = true;
      logger.warn("Channels were not told of alarms", { error: messageOf(error) });
    }
  }

  /** Sends a trial and keeps what came of it; resolves with the error in words, or null. */
  async try(channel: ChannelRow): Promise<string | null> {
    const { db, clock, random } = this.#ctx;
    const at = new Date(clock.nowMs()).toISOString();
    const error = await this.#send(
      channel,
      this.#messageOf(channel, [
        { kind: "test", at, alarm: null },
      ]),
    );
    await insertTrial(db, {
      channelId: channel.id,
      id: random.uuid(),
      error,
      nowMs: clock.nowMs(),
    });
    return error;
  }

  async #tell(channelId: string): Promise<void> {
    const { db, clock } = this.#ctx;
    const rows = await dueNotifications(db, channelId, clock.nowMs(), NOTICES_PER_MESSAGE);
    if (rows.length === 0) return;
    const channel = await getChannel(db, channelId);
    if (channel === null || !channel.isEnabled) {
      return await this.#note(rows, "The channel is switched off", true);
    }
    if (this.#lastSentMs.size >= CHANNELS_REMEMBERED) this.#lastSentMs.clear();
    this.#lastSentMs.set(channelId, clock.monotonicMs());
    const notices = await this.#noticesOf(rows);
    if (notices.length === 0) return await this.#note(rows, "The alarm is gone", true);
    const error = await this.#send(channel, this.#messageOf(channel, notices));
    await this.#note(rows, error, false);
    if (error === null) return;
    const tries = Math.max(...rows.map((row) => row.tries)) + 1;
    this.#ctx.events.publish("notification.failed", {}, {
      channelId,
      channel: channel.name,
      error,
      tries,
      isGivenUp: tries > RETRY_DELAYS_MS.length,
    });
  }

  async #noticesOf(rows: readonly NotificationRow[]): Promise<Notice[]> {
    const { db, clock } = this.#ctx;
    const alarms = await alarmBriefs(
      db,
      [...new Set(rows.map((row) => row.alarmId))],
      clock.nowMs(),
    );
    return rows.flatMap(({ alarmId, kind, createdAt }) => {
      const alarm = alarms.get(alarmId);
      return alarm === undefined ? [] : [{ kind, at: createdAt.toISOString(), alarm }];
    });
  }

  #messageOf({ id, name }: ChannelRow, notices: readonly Notice[]): Message {
    return messageOfNotices(notices, { id, name }, this.#ctx.config.publicUrl);
  }

  /** @returns What went wrong, in words for people; null when it was taken. */
  async #send(channel: ChannelRow, message: Message): Promise<string | null> {
    try {
      if (channel.kind === "email") await this.#sendMail(channel, message);
      else await this.#sendWebhook(channel, message);
      return null;
    } catch (thrown) {
      return messageOf(thrown);
    }
  }

  async #sendMail({ recipients: to }: ChannelRow, message: Message): Promise<void> {
    const { sendMail } = this.#outlets;
    if (sendMail === null) {
      throw new Error("This hub has no mail server: start it with --smtp-url and --mail-from");
    }
    const { subject, text, deliveryId } = message;
    const late = Promise.withResolvers<never>();
    const cancel = this.#ctx.clock.after(MAIL_LIMIT_MS, () => {
      late.reject(new Error(`The mail server took more than ${MAIL_LIMIT_MS / 1000} s`));
    });
    const sent = sendMail({ to, subject, text, deliveryId });
    await Promise.race([sent, late.promise]).finally(cancel);
  }

  async #sendWebhook({ id, url, sealedSecret }: ChannelRow, message: Message): Promise<void> {
    const of = { channelId: id, signingSecret: this.#signingSecret };
    await sendWebhook({
      url: url ?? "",
      secret: openSecret(sealedSecret ?? "", of),
      deliveryId: message.deliveryId,
      body: message.json,
    }, { ...this.#outlets.webhook, clock: this.#ctx.clock });
  }

  /** Rows that were tried together may have been tried a different number of times before. */
  async #note(
    rows: readonly NotificationRow[],
    error: string | null,
    isFinal: boolean,
  ): Promise<void> {
    const { db, clock, hubTerm } = this.#ctx;
    const nowMs = clock.nowMs();
    const byTries = new Map<number, number[]>();
    for (const { id, tries } of rows) byTries.set(tries, [...byTries.get(tries) ?? [], id]);
    await withReign(db, hubTerm, async (tx) => {
      for (const [tries, ids] of byTries) {
        const delayMs = error === null || isFinal ? undefined : RETRY_DELAYS_MS[tries];
        const status = error === null ? "delivered" : delayMs === undefined ? "failed" : "pending";
        const retryAtMs = delayMs === undefined ? null : nowMs + delayMs;
        await noteAttempt(tx, ids, { status, error, retryAtMs, nowMs });
      }
    });
  }
}
