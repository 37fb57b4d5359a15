/**
 * Equipment: its signals as they are now, their history, and what happened around it.
 *
 * Touches the database and the hub's memory.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { EquipmentView } from "@shared/plant_api.ts";
import { readMarkers } from "../db/plant_store.ts";
import { plantLooks } from "../series/plant_view.ts";
import { type HubApp, json, pageOf, pageQuery, readCursor, type RouteDeps, serve } from "./http.ts";
import { addPlantRoutes, plantRoutes } from "./plant.ts";
import { equipmentSchema, markerSchema, pageSchema, sampleSeriesSchema } from "./schemas.ts";
import { addSeriesRoutes, seriesRoutes, spanOf, spanQuery } from "./series.ts";

const equipmentParam = z.object({ equipment: z.string().min(1).max(4096) });

const equipmentRoute = createRoute({
  method: "get",
  path: "/api/v1/equipment",
  tags: ["equipment"],
  summary: "Signals that telemetry names, each with its newest value and its open alarms",
  request: {
    query: z.strictObject({
      ...pageQuery,
      jobId: z.string().max(64).optional(),
      equipment: z.string().max(4096).optional(),
    }),
  },
  responses: { 200: json("One page of signals", pageSchema(equipmentSchema)) },
});

const samplesRoute = createRoute({
  method: "get",
  path: "/api/v1/equipment/{equipment}/samples",
  tags: ["equipment"],
  summary: "Signals of one piece of equipment over time, cut down to what a chart can draw",
  request: {
    params: equipmentParam,
    query: z.strictObject({
      jobId: z.string().max(64).optional(),
      operator: z.string().max(64).optional(),
      ...spanQuery,
    }),
  },
  responses: {
    200: json(
      "One series per job and operator; lowest and highest values and worst scores are kept",
      z.object({ items: z.array(sampleSeriesSchema).readonly() }).openapi("Samples"),
    ),
  },
});

const { points: _points, ...markerSpan } = spanQuery;
const markersRoute = createRoute({
  method: "get",
  path: "/api/v1/equipment/{equipment}/markers",
  tags: ["equipment"],
  summary:
    "What happened around a piece of equipment: its alarms, and what became of the jobs it feeds",
  request: { params: equipmentParam, query: z.strictObject(markerSpan) },
  responses: {
    200: json(
      "Oldest first",
      z.object({ items: z.array(markerSchema).readonly() }).openapi("ChartMarkers"),
    ),
  },
});

export const equipmentRoutes = [
  equipmentRoute,
  samplesRoute,
  markersRoute,
  ...plantRoutes,
  ...seriesRoutes,
] as const;

export function addEquipmentRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  const look = plantLooks(hub);
  serve(app, deps, "viewer", equipmentRoute, async (c) => {
    const { limit, cursor, jobId, equipment } = c.req.valid("query");
    const after = readCursor(cursor, z.string());
    const { states } = await look();
    const found = states
      .filter((state) => equipment === undefined || state.equipment === equipment)
      .flatMap(({ views }) => views)
      .filter((view) => jobId === undefined || view.jobId === jobId)
      .sort((a, b) => positionOf(a) < positionOf(b) ? -1 : 1)
      .filter((view) => after === null || positionOf(view) > after);
    return c.json(pageOf(found, limit, positionOf), 200);
  });
  serve(app, deps, "viewer", samplesRoute, async (c) => {
    const { jobId, operator, ...query } = c.req.valid("query");
    const items = await hub.signals.history.samples({
      equipment: c.req.valid("param").equipment,
      ...(jobId === undefined ? {} : { jobId }),
      ...(operator === undefined ? {} : { operatorUid: operator }),
    }, spanOf(query, hub.clock.nowMs()));
    return c.json({ items }, 200);
  });
  serve(app, deps, "viewer", markersRoute, async (c) => {
    const span = spanOf(c.req.valid("query"), hub.clock.nowMs());
    const items = await readMarkers(hub.db, c.req.valid("param").equipment, span);
    return c.json({ items }, 200);
  });
  addPlantRoutes(app, deps, look);
  addSeriesRoutes(app, deps);
}

function positionOf(view: EquipmentView): string {
  return `${view.equipment}\n${view.jobId}\n${view.operatorUid}`;
}
