/**
 * GET /events: what happens, as server-sent events that resume where they broke off.
 *
 * Touches the event feed. Stored events carry their id; metrics and samples carry none, so a browser's
 * `Last-Event-ID` always names a stored one.
 *
 * 1. The listener is there before the stored events are read, so none falls in between.
 * 2. A stored event is sent once: what was read is skipped when it is pushed.
 * 3. A reader that does not keep up is cut off; it comes back with `Last-Event-ID`.
 * 4. A heartbeat is a comment, which keeps the connection, and an event, which a page can see.
 * 5. When the request ends, nothing of it is left: listener, timer, buffer.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { HubEvent } from "../ports.ts";
import { createSampleFan } from "../sample_fan.ts";
import { type HubApp, Refusal, type RouteDeps, serve } from "./http.ts";

const HEARTBEAT_MS = 15_000;
/** How soon a browser should come back, ms. */
const RETRY_MS = 2_000;
const STORED_PER_READ = 500;
/** Chunks that wait for a slow reader before it is cut off. */
const WAITING_CHUNKS_MAX = 2_000;
const STREAMS_MAX = 600;
/** Pieces of equipment that one stream may follow. */
const EQUIPMENT_MAX = 200;

const eventsRoute = createRoute({
  method: "get",
  path: "/api/v1/events",
  tags: ["events"],
  summary: "Server-sent events; resumes behind Last-Event-ID",
  request: {
    query: z.strictObject({
      types: z.string().max(1000).optional().openapi({
        description: "Only these types, separated by commas; `alarm.*` takes all of a family",
      }),
      jobId: z.string().max(64).optional(),
      equipment: z.union([z.string().max(4096), z.array(z.string().max(4096)).max(EQUIPMENT_MAX)])
        .optional().openapi({
          description:
            "Send the samples of this equipment; repeatable. Without it none are sent, " +
            "unless `types` names `samples`",
        }),
      since: z.string().regex(/^\d{1,15}$/).optional().openapi({
        description: "Like Last-Event-ID, for clients that cannot send the header",
      }),
    }),
  },
  responses: {
    200: {
      description:
        "`id`, `event` and `data` (the event as JSON); a heartbeat every 15 s, as a comment and as an event; " +
        "the comment `live` behind the last stored event, when stored ones were asked for",
      content: { "text/event-stream": { schema: z.string() } },
    },
  },
});

export const eventRoutes = [eventsRoute] as const;

export function addEventRoutes(app: HubApp, deps: RouteDeps): void {
  let open = 0;
  const fan = createSampleFan(deps.hub.events, deps.hub.clock);
  serve(app, deps, "viewer", eventsRoute, (c) => {
    const { types, jobId, equipment = [], since } = c.req.valid("query");
    const lastId = c.req.header("last-event-id") ?? since;
    if (lastId !== undefined && !/^\d{1,15}$/.test(lastId)) {
      throw new Refusal(400, "event-id-invalid", `Last-Event-ID "${lastId}" is no event id`);
    }
    if (open >= STREAMS_MAX) {
      throw new Refusal(503, "too-many-streams", `${STREAMS_MAX} event streams are open already`);
    }
    open++;
    const followed = [equipment].flat();
    const body = eventStream(deps, {
      isWanted: filterOf(types, jobId, followed.length > 0),
      follow: followed.length === 0
        ? null
        : (listener) => fan.join(followed, jobId ?? null, listener),
      afterId: lastId === undefined ? null : Number(lastId),
      ended: () => open--,
    });
    return c.body(body, 200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
  });
}

interface StreamOptions {
  readonly isWanted: (event: HubEvent) => boolean;
  /** Brings the samples that were asked for, as frames, until the returned function is called. */
  readonly follow: ((listener: (frame: string) => void) => () => void) | null;
  /** Null starts with what happens from now on. */
  readonly afterId: number | null;
  readonly ended: () => void;
}

function eventStream(deps: RouteDeps, options: StreamOptions): ReadableStream<Uint8Array> {
  const { clock, events, logger } = deps.hub;
  const encoder = new TextEncoder();
  let dispose = () => {};
  return new ReadableStream<Uint8Array>({
    start(controller) {
      let isOpen = true;
      let sentId = options.afterId ?? 0;
      /** Pushed while the stored ones are read; null once that is done. */
      let early: HubEvent[] | null = options.afterId === null ? null : [];
      let cancelHeartbeat = () => {};
      const close = () => {
        if (!isOpen) return;
        isOpen = false;
        unsubscribe();
        leave();
        cancelHeartbeat();
        options.ended();
        try {
          controller.close();
        } catch {
          // Cancelled by the reader: closed already.
        }
      };
      const write = (text: string) => {
        if (!isOpen) return;
        controller.enqueue(encoder.encode(text));
        if ((controller.desiredSize ?? 0) < -WAITING_CHUNKS_MAX) {
          logger.warn("Event stream was cut off because its reader is too slow");
          close();
        }
      };
      const send = (event: HubEvent) => {
        if (event.id !== null) {
          if (event.id <= sentId) return;
          sentId = event.id;
        }
        if (options.isWanted(event)) write(frameOf(event));
      };
      const beat = () => {
        cancelHeartbeat = clock.after(HEARTBEAT_MS, () => {
          write(": heartbeat\n\n");
          const at = new Date(clock.nowMs()).toISOString();
          send({ id: null, at, type: "heartbeat", jobId: null, agentId: null, body: {} });
          if (isOpen) beat();
        });
      };
      const leave = options.follow?.(write) ?? (() => {});
      const unsubscribe = events.subscribe((event) => {
        if (early === null) send(event);
        else early.push(event);
      });
      dispose = close;
      write(`retry: ${RETRY_MS}\n\n`);
      beat();
      if (options.afterId === null) return;
      readStored(events, options.afterId, send, () => isOpen).then(() => {
        const waiting = early ?? [];
        early = null;
        waiting.forEach(send);
        write(": live\n\n");
      }).catch((error) => {
        logger.warn("Stored events could not be read", { error });
        close();
      });
    },
    cancel: () => dispose(),
  });
}

async function readStored(
  events: RouteDeps["hub"]["events"],
  afterId: number,
  send: (event: HubEvent) => void,
  isOpen: () => boolean,
): Promise<void> {
  let lastId = afterId;
  while (isOpen()) {
    const stored = await events.since(lastId, STORED_PER_READ);
    stored.forEach(send);
    lastId = stored.at(-1)?.id ?? lastId;
    if (stored.length < STORED_PER_READ) return;
  }
}

/** The last event encoded: many streams send the same one after the other. */
let encoded: { readonly event: HubEvent; readonly frame: string } | null = null;

function frameOf(event: HubEvent): string {
  if (encoded?.event === event) return encoded.frame;
  const id = event.id === null ? "" : `id: ${event.id}\n`;
  const frame = `${id}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
  encoded = { event, frame };
  return frame;
}

/** Samples come by another way to streams that name equipment, and to others only when asked for. */
function filterOf(types: string | undefined, jobId: string | undefined, isFollowing: boolean) {
  const named = types?.split(",").map((type) => type.trim()).filter((type) => type !== "") ?? [];
  return (event: HubEvent) => {
    if (jobId !== undefined && event.jobId !== jobId) return false;
    if (event.type === "samples" && (isFollowing || named.length === 0)) return false;
    if (named.length === 0) return true;
    return named.some((type) =>
      type.endsWith(".*") ? event.type.startsWith(type.slice(0, -1)) : event.type === type
    );
  };
}
