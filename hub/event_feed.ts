/**
 * The hub's stream of events: stored ones with growing ids, transient ones pushed and forgotten.
 *
 * Touches the database. One queue, one writer: stored events reach listeners after their row is
 * committed and in the order of their ids, so a listener that resumes from an id misses none.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { messageOf } from "@shared/errors.ts";
import type { Logger } from "@shared/logger.ts";
import type { Db } from "./db/client.ts";
import { eventsSince, insertEvents, type NewEvent } from "./db/event_store.ts";
import type { EventFeed, HubEvent } from "./ports.ts";

/** Events that wait for the database before the oldest are dropped. */
const QUEUED_EVENTS_MAX = 10_000;
const EVENTS_PER_INSERT = 200;
const RETRY_DELAY_MS = 1000;

export interface StoredEventFeed extends EventFeed {
  /** Resolves when everything published so far is stored, or the store failed to take it once. */
  flush(): Promise<void>;
}

export function createEventFeed(
  world: { readonly db: Db; readonly clock: Clock; readonly logger: Logger },
): StoredEventFeed {
  const listeners = new Set<(event: HubEvent) => void>();
  const queue: NewEvent[] = [];
  let writing: Promise<void> | null = null;

  const emit = (event: HubEvent) => {
    for (const listener of [...listeners]) {
      try {
        listener(event);
      } catch (thrown) {
        world.logger.error("Event listener failed", { error: messageOf(thrown) });
      }
    }
  };
  /** @returns False when the database did not take a batch; a retry is set then. */
  const drain = async (): Promise<boolean> => {
    while (queue.length > 0) {
      const batch = queue.slice(0, EVENTS_PER_INSERT);
      try {
        const stored = await insertEvents(world.db, batch);
        queue.splice(0, batch.length);
        for (const event of stored) emit(event);
      } catch (thrown) {
        world.logger.warn("Events were not stored, retrying", {
          waiting: queue.length,
          error: messageOf(thrown),
        });
        world.clock.after(RETRY_DELAY_MS, start);
        return false;
      }
    }
    return true;
  };
  const start = () => {
    writing ??= drain().then((isDone) => {
      writing = null;
      // Published between the last look at the queue and now.
      if (isDone && queue.length > 0) start();
    });
  };

  return {
    publish(type, subject, body) {
      if (queue.length >= QUEUED_EVENTS_MAX) {
        // The batch under way sits at the front, so the first one behind it goes.
        queue.splice(EVENTS_PER_INSERT, 1);
        world.logger.error("Event was dropped because the database takes none", { type });
      }
      queue.push({ atMs: world.clock.nowMs(), type, ...subjectOf(subject), body });
      start();
    },
    push(type, subject, body) {
      const at = new Date(world.clock.nowMs()).toISOString();
      emit({ id: null, at, type, ...subjectOf(subject), body });
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    since: (afterId, limit) => eventsSince(world.db, afterId, limit),
    async flush() {
      while (writing !== null) await writing;
    },
  };
}

function subjectOf(subject: { jobId?: string; agentId?: string }) {
  return { jobId: subject.jobId ?? null, agentId: subject.agentId ?? null };
}
