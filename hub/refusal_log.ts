/**
 * Attempts that were refused, in the audit log: once a minute for each caller and action, so that somebody
 * who keeps trying does not fill it.
 *
 * Touches the database. An attempt that cannot be written is logged: the refusal stands either way.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { messageOf } from "@shared/errors.ts";
import type { HubTerm } from "@shared/ids.ts";
import type { Logger } from "@shared/logger.ts";
import { appendAudit } from "./db/audit_store.ts";
import type { Db } from "./db/client.ts";
import { withReign } from "./db/hub_state_store.ts";

const NOTED_EVERY_MS = 60_000;
/** Callers and actions remembered at once. */
const NOTED_MAX = 2_000;
const SUBJECT_LENGTH_MAX = 200;

export interface RefusedAttempt {
  readonly principal: string;
  readonly role: string;
  readonly action: string;
  readonly subject: string;
  readonly reason: string;
  readonly remoteAddress: string;
}

export interface RefusalLog {
  /** Writes the attempt down unless the same was within the last minute. Never throws. */
  note(attempt: RefusedAttempt): Promise<void>;
}

export function createRefusalLog(
  world: {
    readonly db: Db;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly hubTerm: HubTerm;
  },
): RefusalLog {
  const notedMs = new Map<string, number>();
  return {
    async note({ subject, ...attempt }) {
      const nowMs = world.clock.nowMs();
      const key = `${attempt.principal}\n${attempt.remoteAddress}\n${attempt.action}`;
      if (nowMs - (notedMs.get(key) ?? -Infinity) < NOTED_EVERY_MS) return;
      if (notedMs.size >= NOTED_MAX) notedMs.clear();
      notedMs.set(key, nowMs);
      try {
        await withReign(world.db, world.hubTerm, (tx) =>
          appendAudit(tx, {
            ...attempt,
            subject: subject.slice(0, SUBJECT_LENGTH_MAX),
            atMs: nowMs,
            outcome: "refused",
            fields: {},
          }));
      } catch (thrown) {
        const { principal, action } = attempt;
        world.logger.warn("Refused attempt was not written down", {
          principal,
          action,
          error: messageOf(thrown),
        });
      }
    },
  };
}
