/**
 * Equipment and its signals.
 *
 * Touches the database.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { EquipmentView } from "@shared/api.ts";
import { openAlarmCounts } from "../db/alarm_store.ts";
import { latestSamples, readSamples } from "../db/sample_store.ts";
import type { HubContext } from "../ports.ts";
import {
  type HubApp,
  json,
  pageOf,
  pageQuery,
  readCursor,
  Refusal,
  type RouteDeps,
  serve,
} from "./http.ts";
import { equipmentSchema, pageSchema, sampleSeriesSchema } from "./schemas.ts";

/** Points of one series in an answer. */
const POINTS_MAX = 2000;
const SPAN_DEFAULT_MS = 3_600_000;

const equipmentRoute = createRoute({
  method: "get",
  path: "/api/v1/equipment",
  tags: ["equipment"],
  summary: "Equipment that telemetry names, with its freshest signal and open alarms",
  request: {
    query: z.strictObject({
      ...pageQuery,
      jobId: z.string().max(64).optional(),
      equipment: z.string().max(4096).optional(),
    }),
  },
  responses: { 200: json("One page of equipment", pageSchema(equipmentSchema)) },
});

const samplesRoute = createRoute({
  method: "get",
  path: "/api/v1/equipment/{equipment}/samples",
  tags: ["equipment"],
  summary: "Signals of one piece of equipment, at most 2,000 points each",
  request: {
    params: z.object({ equipment: z.string().min(1).max(4096) }),
    query: z.strictObject({
      jobId: z.string().max(64).optional(),
      operator: z.string().max(64).optional(),
      from: z.iso.datetime().optional(),
      to: z.iso.datetime().optional(),
    }),
  },
  responses: {
    200: json(
      "One series per job and operator",
      z.object({ items: z.array(sampleSeriesSchema).readonly() }).openapi("Samples"),
    ),
  },
});

export const equipmentRoutes = [equipmentRoute, samplesRoute] as const;

export function addEquipmentRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "viewer", equipmentRoute, async (c) => {
    const { limit, cursor, jobId, equipment } = c.req.valid("query");
    const after = readCursor(cursor, z.string());
    const found = (await equipmentViews(hub))
      .filter((view) => jobId === undefined || view.jobId === jobId)
      .filter((view) => equipment === undefined || view.equipment === equipment)
      .filter((view) => after === null || positionOf(view) > after);
    return c.json(pageOf(found, limit, positionOf), 200);
  });
  serve(app, deps, "viewer", samplesRoute, async (c) => {
    const { jobId, operator, from, to } = c.req.valid("query");
    const toMs = to === undefined ? hub.clock.nowMs() + 1 : Date.parse(to);
    const fromMs = from === undefined ? toMs - SPAN_DEFAULT_MS : Date.parse(from);
    if (fromMs >= toMs) {
      throw new Refusal(400, "span-empty", "`from` must be before `to`", {
        errors: [{ path: "from", message: "Not before `to`" }],
      });
    }
    const items = await readSamples(hub.db, {
      equipment: c.req.valid("param").equipment,
      jobId: jobId ?? null,
      operatorUid: operator ?? null,
      fromMs,
      toMs,
      pointsMax: POINTS_MAX,
    });
    return c.json({ items }, 200);
  });
}

/** Signals heard within the retention and signals with open alarms, by equipment, job, operator. */
async function equipmentViews(hub: HubContext): Promise<EquipmentView[]> {
  const views = new Map<string, EquipmentView>();
  const counts = await openAlarmCounts(hub.db);
  const add = (
    signal: { jobId: string; operatorUid: string; equipment: string },
    latest: { atMs: number; value: number | null; score: number | null } | null,
  ) => {
    const key = `${signal.jobId}/${signal.operatorUid}/${signal.equipment}`;
    const open = counts.get(key);
    views.set(key, {
      ...signal,
      lastAt: latest === null ? null : new Date(latest.atMs).toISOString(),
      value: latest?.value ?? null,
      score: latest?.score ?? null,
      activeAlarms: open?.active ?? 0,
      unacknowledgedAlarms: open?.unacknowledged ?? 0,
      highestPriority: open?.highestPriority ?? null,
    });
  };
  for (const key of counts.keys()) add(signalOf(key), null);
  const fromMs = hub.clock.nowMs() - hub.config.sampleRetentionMs;
  for (const { jobId, operatorUid, equipment, ...latest } of await latestSamples(hub.db, fromMs)) {
    add({ jobId, operatorUid, equipment }, latest);
  }
  for (const { jobId, operatorUid, key, ...latest } of hub.live.samples.values()) {
    add({ jobId, operatorUid, equipment: key }, latest);
  }
  return [...views.values()].sort((a, b) => positionOf(a) < positionOf(b) ? -1 : 1);
}

function positionOf(view: EquipmentView): string {
  return `${view.equipment}\n${view.jobId}\n${view.operatorUid}`;
}

function signalOf(key: string): { jobId: string; operatorUid: string; equipment: string } {
  const [jobId = "", operatorUid = "", ...equipment] = key.split("/");
  return { jobId, operatorUid, equipment: equipment.join("/") };
}
