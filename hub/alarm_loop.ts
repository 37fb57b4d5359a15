/**
 * Does with alarms what the clock asks for: delays that passed, alarms that ring again, shelving that ends,
 * points that stopped chattering, signals that fell silent, jobs that ended.
 *
 * Touches the database. What is due is written there, so a hub that was away does it when it is back. One
 * round at a time.
 *
 * @module
 */
import { messageOf } from "@shared/errors.ts";
import { publishNews } from "./alarm_news.ts";
import { endChattering, unshelveDue } from "./db/alarm_acts.ts";
import { endsWithJobs } from "./db/alarm_job_end.ts";
import { countForPlans } from "./db/alarm_points.ts";
import { hasDue, recordEdges, settleDue } from "./db/alarm_store.ts";
import { deleteNotificationsBefore } from "./db/notification_store.ts";
import { Notifier, type Outlets } from "./notifications/notifier.ts";
import type { HubContext } from "./ports.ts";
import { SilenceWatch } from "./silence_watch.ts";

const ROUND_INTERVAL_MS = 500;
/** Rounds from one look at what is slow to the next. */
const SLOW_EVERY_ROUNDS = 60;
/** Rounds from one look at what grows by the month to the next: an hour. */
const FORGET_EVERY_ROUNDS = 7_200;
/** Rounds from one look at silent signals to the next. */
const SILENCE_EVERY_ROUNDS = 4;
const NOTIFICATION_RETENTION_MS = 90 * 86_400_000;

type AlarmLoopContext = Pick<
  HubContext,
  "db" | "clock" | "logger" | "events" | "live"
>;

/** Starts everything that alarms need beside the edges that come in. */
export function startAlarms(
  ctx: HubContext,
  outlets: Outlets,
  signingSecret: string,
): { readonly notifier: Notifier; stop(): Promise<void> } {
  const loop = new AlarmLoop(ctx);
  const notifier = new Notifier(ctx, outlets, signingSecret);
  loop.start();
  notifier.start();
  const stop = async () => {
    await loop.stop();
    await notifier.stop();
  };
  return { notifier, stop };
}

export class AlarmLoop {
  readonly #ctx: AlarmLoopContext;
  readonly #silence: SilenceWatch;
  #cancel: () => void = () => {};
  #round: Promise<void> = Promise.resolve();
  #roundCount = 0;
  #isStopped = false;

  constructor(ctx: AlarmLoopContext) {
    this.#ctx = ctx;
    this.#silence = new SilenceWatch(ctx);
  }

  start(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#ctx.clock.after(ROUND_INTERVAL_MS, () => {
      this.#round = this.runRound().finally(() => this.start());
    });
  }

  /** No round runs afterwards. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#round;
  }

  /** Does what is due now. */
  async runRound(): Promise<void> {
    const { db, clock, logger, events } = this.#ctx;
    const round = this.#roundCount++;
    try {
      if (await hasDue(db, clock.nowMs())) publishNews(events, await settleDue(db, clock.nowMs()));
      const steps = await unshelveDue(db, clock.nowMs());
      publishNews(events, { steps, chattering: [] });
      if (round % SILENCE_EVERY_ROUNDS === 0) publishNews(events, await this.#silence.look());
      if (round % SLOW_EVERY_ROUNDS === 0) {
        await endChattering(db, clock.nowMs());
        const ends = await endsWithJobs(db);
        publishNews(events, await recordEdges(db, ends, clock.nowMs(), "clock"));
      }
      if (round % FORGET_EVERY_ROUNDS === 0) {
        await countForPlans(db);
        await deleteNotificationsBefore(db, clock.nowMs() - NOTIFICATION_RETENTION_MS);
      }
    } catch (thrown) {
      logger.warn("What is due for alarms was not done", { error: messageOf(thrown) });
    }
  }
}
