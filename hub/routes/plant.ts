/**
 * The plant: the tree of levels with everything below rolled up, and the equipment of any part of it.
 *
 * Touches nothing of its own: it shows what one look at the plant gave.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { EquipmentSummary } from "@shared/plant_api.ts";
import {
  comparePositions,
  type EquipmentState,
  levelNames,
  namePosition,
  plantNodes,
  type Position,
  worstPosition,
} from "../series/plant.ts";
import type { PlantLook } from "../series/plant_view.ts";
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
import { equipmentSummarySchema, pageSchema, plantSchema } from "./schemas.ts";

const plantRoute = createRoute({
  method: "get",
  path: "/api/v1/plant",
  tags: ["equipment"],
  summary: "The tree of the plant, with freshness and open alarms of everything below each node",
  responses: { 200: json("The whole plant first, parents before children", plantSchema) },
});

const plantEquipmentRoute = createRoute({
  method: "get",
  path: "/api/v1/plant/equipment",
  tags: ["equipment"],
  summary: "Equipment of a part of the plant, the worst first",
  request: {
    query: z.strictObject({
      ...pageQuery,
      path: z.string().max(4096).default("").openapi({
        description:
          "Levels from the outermost, each percent-encoded, joined by `/`; all when empty",
      }),
      sort: z.enum(["worst", "name"]).default("worst"),
      search: z.string().max(200).optional().openapi({
        description: "Part of its name or of a level's name, in any case",
      }),
    }),
  },
  responses: { 200: json("One page of equipment", pageSchema(equipmentSummarySchema)) },
});

export const plantRoutes = [plantRoute, plantEquipmentRoute] as const;

const cursorSchema = z.tuple([z.number(), z.number(), z.number(), z.number(), z.string()]);

export function addPlantRoutes(
  app: HubApp,
  deps: RouteDeps,
  look: () => Promise<PlantLook>,
): void {
  serve(app, deps, "viewer", plantRoute, async (c) => {
    const { atMs, states, jobs } = await look();
    const at = new Date(atMs).toISOString();
    return c.json({ at, levels: levelNames(states, jobs), nodes: plantNodes(states) }, 200);
  });
  serve(app, deps, "viewer", plantEquipmentRoute, async (c) => {
    const { limit, cursor, path, sort, search } = c.req.valid("query");
    const after: Position | null = readCursor(cursor, cursorSchema);
    const levels = levelsOf(path);
    const position = sort === "worst" ? worstPosition : namePosition;
    const { states } = await look();
    const found = states
      .filter((state) => levels.every((level, i) => state.path[i] === level))
      .filter((state) => search === undefined || isFound(state, search.toLowerCase()))
      .map((state) => ({ state, at: position(state) }))
      .filter(({ at }) => after === null || comparePositions(at, after) > 0)
      .sort((a, b) => comparePositions(a.at, b.at));
    const page = pageOf(found, limit, ({ at }) => at);
    return c.json({ ...page, items: page.items.map(({ state }) => summaryOf(state)) }, 200);
  });
}

function levelsOf(path: string): string[] {
  try {
    return path.split("/").filter((level) => level !== "").map(decodeURIComponent);
  } catch {
    throw new Refusal(400, "path-invalid", `"${path}" is no path of percent-encoded levels`, {
      errors: [{ path: "path", message: "Not percent-encoded" }],
    });
  }
}

function isFound({ equipment, path }: EquipmentSummary, part: string): boolean {
  return [equipment, ...path].some((name) => name.toLowerCase().includes(part));
}

function summaryOf({ views: _views, ...summary }: EquipmentState): EquipmentSummary {
  return summary;
}
