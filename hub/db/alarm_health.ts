/**
 * The health of alarms over a span: read out of their log.
 *
 * Touches the database, reads only.
 *
 * @module
 */
import { sql } from "drizzle-orm";
import type { AlarmFlood, AlarmHealth, AlarmSourceCount } from "@shared/plant_api.ts";
import {
  type Flood,
  floodsOf,
  perTenMinutes,
  type Ring,
  tally,
} from "../coordinator/alarm_floods.ts";
import { selects, timeOf } from "./alarm_filter.ts";
import { SOUNDING } from "./alarm_log.ts";
import { ms, sideText } from "./alarm_points.ts";
import { alarmViews } from "./alarm_views.ts";
import { type Db, rowsOf } from "./client.ts";
import { placesOf } from "./equipment_paths.ts";
import { PRIORITIES } from "./notification_store.ts";

const STALE_AFTER_MS = 86_400_000;
const TOP = 10;
const STALE_MAX = 100;
const FLOODS_MAX = 20;
/** Rings that are looked at, the newest of the span. */
const RINGS_MAX = 200_000;
const FLOOD_COUNT = 10;

type LoggedRing = Ring & { readonly priority: string };

/** How the alarms of a span did, and what is open now. */
export async function alarmHealth(
  db: Db,
  span: { readonly fromMs: number; readonly toMs: number },
  nowMs: number,
): Promise<AlarmHealth> {
  const rings = await ringsOf(db, span);
  const spans = perTenMinutes(rings, span);
  const counts = spans.map(({ count }) => count);
  const byPriority = { low: 0, medium: 0, high: 0, critical: 0 };
  for (const { priority } of rings) {
    const known = PRIORITIES.find((one) => one === priority);
    if (known !== undefined) byPriority[known]++;
  }
  const sources = tally(rings, sideText);
  const chattering = await chatteringPoints(db);
  const stale = await alarmViews(
    db,
    sql`a.is_rung and a.is_active and a.raised_at < ${timeOf(nowMs - STALE_AFTER_MS)}`,
    STALE_MAX,
    nowMs,
  );
  const sourceCount = (point: Omit<AlarmSourceCount, "count" | "share">): AlarmSourceCount => {
    const { jobId, sinkUid, equipment } = point;
    const count = sources.find(({ key }) => key === sideText(point))?.count ?? 0;
    return {
      jobId,
      sinkUid,
      equipment,
      count,
      share: rings.length === 0 ? 0 : count / rings.length,
    };
  };
  return {
    from: new Date(span.fromMs).toISOString(),
    to: new Date(span.toMs).toISOString(),
    perTenMinutes: spans.map(({ atMs, count }) => ({ at: new Date(atMs).toISOString(), count })),
    averagePerTenMinutes: rings.length / spans.length,
    peakPerTenMinutes: counts.reduce((a, b) => Math.max(a, b), 0),
    floodRatio: counts.filter((count) => count >= FLOOD_COUNT).length / spans.length,
    byPriority,
    topTen: sources.slice(0, TOP).map(({ first }) => sourceCount(first)),
    chattering: chattering.map(sourceCount),
    stale,
    floods: await floodViews(db, floodsOf(rings, nowMs), nowMs),
    ...await hiddenCounts(db, nowMs),
  };
}

/** Alarms that began to sound, oldest first. */
async function ringsOf(
  db: Db,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Promise<LoggedRing[]> {
  const rows = rowsOf<LoggedRing & Record<string, unknown>>(
    await db.execute(sql`
    select ${ms("at")} as "atMs", alarm_id as "alarmId", job_id as "jobId", sink_uid as "sinkUid",
      equipment, priority
    from alarm_transitions where at >= ${timeOf(fromMs)} and at < ${timeOf(toMs)}
      and kind in ${[...SOUNDING]} and to_state = 'unacknowledged'
    order by at desc, id desc limit ${RINGS_MAX}`),
  );
  return rows.reverse();
}

async function chatteringPoints(db: Db) {
  return rowsOf<{ jobId: string; sinkUid: string; equipment: string }>(
    await db.execute(sql`
    select job_id as "jobId", sink_uid as "sinkUid", equipment from alarm_points
    where chattering_since is not null order by chattering_since, equipment limit 100`),
  );
}

async function hiddenCounts(
  db: Db,
  nowMs: number,
): Promise<Pick<AlarmHealth, "shelved" | "suppressed" | "outOfService">> {
  const [row] = rowsOf<{ shelved: number; suppressed: number; out: number }>(
    await db.execute(sql`
    select (count(*) filter (where shelved_until > ${timeOf(nowMs)}))::int as shelved,
      (count(*) filter (where suppressed_by is not null))::int as suppressed,
      (count(*) filter (where out_of_service_at is not null))::int as out
    from alarm_points`),
  );
  return {
    shelved: row?.shelved ?? 0,
    suppressed: row?.suppressed ?? 0,
    outOfService: row?.out ?? 0,
  };
}

/** Newest first; what followed the first-out is grouped by the part of the plant it came from. */
async function floodViews(db: Db, floods: readonly Flood[], nowMs: number): Promise<AlarmFlood[]> {
  const newest = floods.slice(-FLOODS_MAX).reverse();
  const ids = newest.map(({ rings }) => rings[0]!.alarmId);
  const firsts = new Map(
    (await alarmViews(db, selects({ ids }, nowMs), FLOODS_MAX, nowMs)).map((alarm) => [
      alarm.id,
      alarm,
    ]),
  );
  const places = await placesOf(db, newest.flatMap(({ rings }) => rings.map((r) => r.equipment)));
  return newest.flatMap(({ fromMs, toMs, rings }) => {
    const firstOut = firsts.get(rings[0]!.alarmId);
    if (firstOut === undefined) return [];
    const groups = tally(rings.slice(1), ({ equipment }) => JSON.stringify(places(equipment)));
    return [{
      from: new Date(fromMs).toISOString(),
      to: toMs === null ? null : new Date(toMs).toISOString(),
      count: rings.length,
      firstOut,
      groups: groups.map(({ key, count }) => ({ path: JSON.parse(key) as string[], count })),
    }];
  });
}
