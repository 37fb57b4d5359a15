/**
 * Which alarms a list, a count or an act of a person means, as SQL over `alarms a left join alarm_points s`.
 *
 * Pure.
 *
 * @module
 */
import { type SQL, sql } from "drizzle-orm";
import { standsBelow } from "./equipment_paths.ts";

/** States that a list may be asked for; `attention`: what wants a person and is hidden by nothing. */
export const ALARM_LIST_STATES = [
  "attention",
  "active",
  "cleared",
  "unacknowledged",
  "shelved",
  "suppressed",
  "out-of-service",
  "all",
] as const;
export type AlarmListState = typeof ALARM_LIST_STATES[number];

export interface AlarmFilter {
  readonly state?: AlarmListState | undefined;
  /** Any of them. */
  readonly priorities?: readonly string[] | undefined;
  readonly equipment?: string | undefined;
  /** Part of the plant, outermost level first. */
  readonly path?: readonly string[] | undefined;
  readonly jobId?: string | undefined;
  /** In the text or the name of the equipment, letters of either case. */
  readonly search?: string | undefined;
  /** Raised from then on, and before then. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Only what a detector scored. */
  readonly isScored?: boolean | undefined;
}

export type AlarmSelection = { readonly ids: readonly string[] } | { readonly filter: AlarmFilter };

export const ALARM_TABLES = sql.raw(`alarms a left join alarm_points s
  on s.job_id = a.job_id and s.sink_uid = a.sink_uid and s.equipment = a.equipment`);

/** Condition that takes the alarms of `selection`; waiting and continuing raises are none. */
export function selects(selection: AlarmSelection, nowMs: number): SQL {
  if ("ids" in selection) {
    const ids = JSON.stringify(selection.ids);
    return sql`a.is_rung and a.id = any(array(select jsonb_array_elements_text(${ids}::text::jsonb)))`;
  }
  return sql.join([sql`a.is_rung`, ...conditionsOf(selection.filter, nowMs)], sql` and `);
}

function conditionsOf(filter: AlarmFilter, nowMs: number): SQL[] {
  const { state, priorities, equipment, path = [], jobId, search, fromMs, toMs } = filter;
  const conditions: SQL[] = [];
  if (state !== undefined && state !== "all") conditions.push(inState(state, nowMs));
  if (priorities !== undefined) conditions.push(sql`a.priority in ${[...priorities]}`);
  if (equipment !== undefined) conditions.push(sql`a.equipment = ${equipment}`);
  if (path.length > 0) conditions.push(standsBelow("a.equipment", path));
  if (jobId !== undefined) conditions.push(sql`a.job_id = ${jobId}`);
  if (search !== undefined) {
    const pattern = `%${search.replace(/[\\%_]/g, (found) => `\\${found}`)}%`;
    conditions.push(sql`(a.text ilike ${pattern} or a.equipment ilike ${pattern})`);
  }
  if (fromMs !== undefined) conditions.push(sql`a.raised_at >= ${timeOf(fromMs)}`);
  if (toMs !== undefined) conditions.push(sql`a.raised_at < ${timeOf(toMs)}`);
  if (filter.isScored === true) conditions.push(sql`a.score is not null`);
  return conditions;
}

const OPEN = sql.raw("(a.is_active or not a.is_acknowledged)");
/** Its point has no newer one. */
const NEWEST = sql.raw(`not exists (select from alarms n where n.is_rung and n.job_id = a.job_id
  and n.sink_uid = a.sink_uid and n.equipment = a.equipment
  and (n.raised_at, n.id) > (a.raised_at, a.id))`);

function inState(state: Exclude<AlarmListState, "all">, nowMs: number): SQL {
  const isOut = sql`s.out_of_service_at is not null`;
  const isSuppressed = sql`s.suppressed_by is not null`;
  const isShelved = sql`coalesce(s.shelved_until > ${timeOf(nowMs)}, false)`;
  switch (state) {
    case "attention":
      return sql`${OPEN} and not (${isOut}) and not (${isSuppressed}) and not (${isShelved})`;
    case "active":
      return sql`a.is_active`;
    case "cleared":
      return sql`not a.is_active`;
    case "unacknowledged":
      return sql`not a.is_acknowledged`;
    case "shelved":
      return sql`${isShelved} and (${OPEN} or ${NEWEST})`;
    case "suppressed":
      return sql`${isSuppressed} and (${OPEN} or ${NEWEST})`;
    case "out-of-service":
      return sql`${isOut} and (${OPEN} or ${NEWEST})`;
  }
}

/** Years 1 to 9999: times that JavaScript writes as PostgreSQL reads them. */
export const EARLIEST_MS = Date.parse("0001-01-01T00:00:00.000Z");
export const LATEST_MS = Date.parse("9999-12-31T23:59:59.999Z");

/** A time as a parameter that both drivers take; one beyond the years they share is the nearest of them. */
export function timeOf(atMs: number): SQL {
  const shared = Math.min(Math.max(atMs, EARLIEST_MS), LATEST_MS);
  return sql`${new Date(shared).toISOString()}::timestamptz`;
}
