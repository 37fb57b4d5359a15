/**
 * How alarms are asked for: queries of the lists, selections of the acts on many.
 *
 * Pure.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { ALARM_LIST_STATES, type AlarmFilter, type AlarmSelection } from "../db/alarm_filter.ts";
import { PRIORITIES } from "../db/notification_store.ts";

/** Alarms that one call may name. */
export const BULK_IDS_MAX = 1000;
const PATH_LEVELS_MAX = 20;

const priorityList = z.string().max(100)
  .regex(/^(low|medium|high|critical)(,(low|medium|high|critical))*$/)
  .openapi({ description: "One or more, with commas between", example: "high,critical" });

/** What narrows a list, a count or an act. */
export const alarmFilterFields = {
  state: z.enum(ALARM_LIST_STATES).default("all").openapi({
    description: "`attention`: active or unacknowledged, and hidden by nothing",
  }),
  priority: priorityList.optional(),
  equipment: z.string().max(4096).optional(),
  path: z.string().max(4096).optional().openapi({
    description: "Part of the plant: levels with `/` between, each URI-encoded",
    example: "north/packing",
  }),
  jobId: z.string().max(64).optional(),
  search: z.string().min(1).max(200).optional().openapi({
    description: "In the text or the name of the equipment",
  }),
  from: z.iso.datetime().optional().openapi({ description: "Raised from then on" }),
  to: z.iso.datetime().optional().openapi({ description: "Raised before then" }),
};

export type AlarmQuery = z.infer<z.ZodObject<typeof alarmFilterFields>>;

/** What a query or the body of an act says, as the stores take it. */
export function filterOf(query: AlarmQuery): AlarmFilter {
  const { state, priority, equipment, path, jobId, search, from, to } = query;
  const priorities = priority === undefined
    ? undefined
    : PRIORITIES.filter((one) => priority.split(",").includes(one));
  return {
    state,
    priorities,
    equipment,
    path: path === undefined ? undefined : levelsOf(path),
    jobId,
    search,
    fromMs: from === undefined ? undefined : Date.parse(from),
    toMs: to === undefined ? undefined : Date.parse(to),
  };
}

function levelsOf(path: string): string[] {
  return path.split("/").filter((level) => level !== "").slice(0, PATH_LEVELS_MAX)
    .map((level) => {
      try {
        return decodeURIComponent(level);
      } catch {
        return level;
      }
    });
}

const ids = z.array(z.string().min(1).max(200)).min(1).max(BULK_IDS_MAX);
const filter = z.strictObject(alarmFilterFields);

/** The body of an act on many: by ids, or all that a filter takes, with `more` beside. */
export function bulkBody<M extends z.ZodRawShape>(more: M) {
  return z.union([z.strictObject({ ids, ...more }), z.strictObject({ filter, ...more })]);
}

export function selectionOf(
  body: { readonly ids: readonly string[] } | { readonly filter: AlarmQuery },
): AlarmSelection {
  return "ids" in body ? { ids: body.ids } : { filter: filterOf(body.filter) };
}
