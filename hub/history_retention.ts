/**
 * Lets go of history that has had its time: events, answers to repeated requests, old attempts
 * and operations. Checkpoints of the past it packs.
 *
 * Touches the database. A checkpoint that still holds its parts stays as it is, as does every savepoint;
 * what they hold is decided by the job's loop. A savepoint that a job took over goes when that job needs it
 * no more. The audit log is kept for ever, and so is the history of checkpoints.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import type { HubTerm } from "@shared/ids.ts";
import type { Logger } from "@shared/logger.ts";
import type { Db } from "./db/client.ts";
import { deleteEventsBefore } from "./db/event_store.ts";
import { archiveCheckpointsBefore } from "./db/checkpoint_archive_store.ts";
import { deleteHistoryBefore, type HistoryKind } from "./db/history_store.ts";
import { deleteRequestsBefore } from "./db/idempotency_store.ts";
import { OPERATION_RETENTION_MS } from "./db/operation_store.ts";
import { deleteSpentClaims } from "./db/savepoint_store.ts";
import type { RunningSettings } from "./settings.ts";

const ROUND_INTERVAL_MS = 60_000;
/** Rounds from one look at slow growth to the next. */
const OLD_EVERY_ROUNDS = 60;
/** Whole days older than this are packed into the archive. */
const CHECKPOINT_DETAIL_MS = 7 * 86_400_000;
const HISTORY_RETENTION_MS = OPERATION_RETENTION_MS;
const HISTORY: readonly HistoryKind[] = [
  "attempts",
  "operations",
  "alarmEdges",
  "silentOnsets",
  "gaps",
  "bundles",
];
/** How long a repeated Idempotency-Key gets the first answer. */
const REQUEST_RETENTION_MS = 48 * 3_600_000;

export interface HistoryContext {
  readonly db: Db;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hubTerm: HubTerm;
  /** How long events are kept may be changed meanwhile. */
  readonly settings: Pick<RunningSettings, "current">;
}

/** Everything that has had its time. */
export async function forgetHistory(context: HistoryContext): Promise<void> {
  await forgetRecent(context);
  await forgetOld(context);
}

/** What grows by the second, and what a job waits to be rid of. */
async function forgetRecent(context: HistoryContext): Promise<void> {
  const { db, clock, hubTerm, settings } = context;
  const nowMs = clock.nowMs();
  await deleteEventsBefore(db, nowMs - settings.current().eventRetentionMs);
  await deleteRequestsBefore(db, nowMs - REQUEST_RETENTION_MS);
  await deleteSpentClaims(db, hubTerm, nowMs);
}

/** What grows slowly and is found by a look at whole tables. */
async function forgetOld({ db, clock, hubTerm }: HistoryContext): Promise<void> {
  const nowMs = clock.nowMs();
  await archiveCheckpointsBefore(db, hubTerm, nowMs - CHECKPOINT_DETAIL_MS);
  for (const kind of HISTORY) {
    await deleteHistoryBefore(db, hubTerm, kind, nowMs - HISTORY_RETENTION_MS);
  }
}

/** Rounds at an interval, one at a time. @returns Stops them; no round runs when it resolves. */
export function startForgetting(context: HistoryContext): () => Promise<void> {
  let cancel = () => {};
  let round: Promise<void> = Promise.resolve();
  let isStopped = false;
  let roundCount = 0;
  const arm = () => {
    if (isStopped) return;
    cancel = context.clock.after(ROUND_INTERVAL_MS, () => {
      const isOldDue = roundCount++ % OLD_EVERY_ROUNDS === 0;
      round = (isOldDue ? forgetHistory(context) : forgetRecent(context))
        .catch((error) => context.logger.warn("Old history was not deleted", { error }))
        .finally(arm);
    });
  };
  arm();
  return async () => {
    isStopped = true;
    cancel();
    await round;
  };
}
