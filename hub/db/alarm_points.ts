/**
 * Points of alarms as the database holds them: spans, alarms, and what holds over all of them.
 *
 * Touches the database. A point is a sink and a piece of equipment, and one kind of alarm. A row of
 * `alarms` stands for each span; it is an alarm when `is_rung`. Rows that are none are neither active nor
 * waiting for a person, so counts of open alarms need not know of them.
 *
 * @module
 */
import { inArray, sql } from "drizzle-orm";
import {
  type AlarmRules,
  noDataRules,
  PLAIN_RULES,
  rulesOfSink,
} from "../coordinator/alarm_rules.ts";
import type { Alarm, PointHistory, Settlement } from "../coordinator/alarm_settlement.ts";
import { type AlarmEdgeInput, type AlarmSpan, spanOf } from "../coordinator/alarm_spans.ts";
import { type AlarmPointState, OPEN_POINT } from "../coordinator/alarm_state.ts";
import type { SinkDescriptor } from "@shared/job_graph.ts";
import { type Db, rowsOf } from "./client.ts";
import { alarmEdges } from "./schema.ts";

/** Rows of one statement; keeps it far below PostgreSQL's 65,535 parameters. */
export const ROWS_PER_STATEMENT = 500;
/** Newest spans of a point that are looked at; older ones are settled. */
const SPANS_LOOKED_AT = 40;

export type AlarmKind = "condition" | "no-data";

export interface AlarmPointKey {
  readonly jobId: string;
  readonly sinkUid: string;
  readonly equipment: string;
  readonly kind: AlarmKind;
}

/** Row of `alarms`, times in ms. */
export interface AlarmRow extends AlarmPointKey {
  readonly id: string;
  readonly operatorUid: string;
  readonly priority: string;
  readonly text: string;
  readonly response: string;
  readonly isActive: boolean;
  readonly isAcknowledged: boolean;
  readonly acknowledgedAtMs: number | null;
  readonly raisedAtMs: number;
  readonly clearedAtMs: number | null;
  readonly value: number | null;
  readonly score: number | null;
  readonly threshold: number | null;
  readonly occurrences: number;
  readonly isRung: boolean;
  readonly dueAtMs: number | null;
  readonly continuesId: string | null;
}

export function pointText({ jobId, sinkUid, equipment, kind }: AlarmPointKey): string {
  return JSON.stringify([jobId, sinkUid, equipment, kind]);
}

/** The side of a point that its no-data alarm shares. */
export function sideText(point: Omit<AlarmPointKey, "kind">): string {
  return JSON.stringify([point.jobId, point.sinkUid, point.equipment]);
}

/**
 * Rows of the points, oldest first: their newest spans, every alarm that is still open, whatever waits for
 * the clock, and the spans asked for.
 */
export async function rowsOfPoints(
  tx: Db,
  points: readonly AlarmPointKey[],
  spanIds: readonly string[],
): Promise<Map<string, AlarmRow[]>> {
  const found = new Map<string, Map<string, AlarmRow>>();
  const ids = JSON.stringify(spanIds);
  for (const chunk of chunksOf(points)) {
    const rows = rowsOf<AlarmRow & Record<string, unknown>>(
      await tx.execute(sql`
      with p as (
        select * from jsonb_to_recordset(${JSON.stringify(chunk)}::text::jsonb)
          as r("jobId" text, "sinkUid" text, "equipment" text, "kind" text)
      ), found as (
        select a.* from p cross join lateral (
          select * from alarms a where a.job_id = p."jobId" and a.sink_uid = p."sinkUid"
            and a.equipment = p."equipment" and a.kind = p."kind"
          order by a.raised_at desc, a.id desc limit ${SPANS_LOOKED_AT}) a
        union
        select a.* from p join alarms a on a.job_id = p."jobId" and a.sink_uid = p."sinkUid"
          and a.equipment = p."equipment" and a.kind = p."kind"
          where a.is_active or not a.is_acknowledged or a.due_at is not null
        union
        select a.* from p join alarms a on a.job_id = p."jobId" and a.sink_uid = p."sinkUid"
          and a.equipment = p."equipment" and a.kind = p."kind"
          where a.id = any(array(select jsonb_array_elements_text(${ids}::text::jsonb)))
      )
      select id, job_id as "jobId", sink_uid as "sinkUid", equipment, kind,
        operator_uid as "operatorUid", priority, text, response, is_active as "isActive",
        is_acknowledged as "isAcknowledged", ${ms("acknowledged_at")} as "acknowledgedAtMs",
        ${ms("raised_at")} as "raisedAtMs", ${ms("cleared_at")} as "clearedAtMs", value, score,
        threshold, occurrences, is_rung as "isRung", ${ms("due_at")} as "dueAtMs",
        continues_id as "continuesId"
      from found order by raised_at, id`),
    );
    for (const row of rows) {
      const key = pointText(row);
      if (!found.has(key)) found.set(key, new Map());
      found.get(key)!.set(row.id, row);
    }
  }
  return new Map([...found].map(([key, rows]) => [key, [...rows.values()]]));
}

/** A time of a row as ms since the epoch, a plain number with both drivers. */
export function ms(column: string) {
  return sql.raw(`round(extract(epoch from ${column}) * 1000)::float8`);
}

/** Edges of each span. */
export async function edgesOf(
  tx: Db,
  spanIds: readonly string[],
): Promise<Map<string, AlarmEdgeInput[]>> {
  const found = new Map<string, AlarmEdgeInput[]>();
  for (const chunk of chunksOf(spanIds)) {
    const rows = await tx.select().from(alarmEdges).where(inArray(alarmEdges.alarmId, chunk));
    for (const { id, alarmId, isActive, at, receivedAt } of rows) {
      const edge = { edgeId: id, isActive, atMs: at.getTime(), heardAtMs: receivedAt.getTime() };
      const known = found.get(alarmId);
      if (known === undefined) found.set(alarmId, [edge]);
      else known.push(edge);
    }
  }
  return found;
}

/** What the pure life cycle needs to know of a point. */
export function historyOf(
  rows: readonly AlarmRow[],
  edges: ReadonlyMap<string, readonly AlarmEdgeInput[]>,
): PointHistory {
  const spans: AlarmSpan[] = [];
  for (const { id, operatorUid, continuesId } of rows) {
    const span = spanOf(edges.get(id) ?? [], { id, operatorUid, alarmId: continuesId });
    if (span !== null) spans.push(span);
  }
  return { spans, alarms: rows.filter((row) => row.isRung) };
}

/** What holds over all alarms of sink and equipment. */
export interface PointSide extends AlarmPointState {
  readonly chatteringSinceMs: number | null;
}

export const OPEN_SIDE: PointSide = { ...OPEN_POINT, chatteringSinceMs: null };

/** Sides by {@linkcode sideText}; points that nobody ever shelved, suppressed or flagged have none. */
export async function sidesOf(
  tx: Db,
  points: readonly Omit<AlarmPointKey, "kind">[],
): Promise<Map<string, PointSide>> {
  const found = new Map<string, PointSide>();
  for (const chunk of chunksOf(points)) {
    const rows = rowsOf<PointSide & Omit<AlarmPointKey, "kind"> & Record<string, unknown>>(
      await tx.execute(sql`
      select job_id as "jobId", sink_uid as "sinkUid", s.equipment,
        ${ms("shelved_until")} as "shelvedUntilMs", suppressed_by as "suppressedBy",
        out_of_service_at is not null as "isOutOfService",
        ${ms("chattering_since")} as "chatteringSinceMs"
      from alarm_points s join jsonb_to_recordset(${JSON.stringify(chunk)}::text::jsonb)
        as p("jobId" text, "sinkUid" text, "equipment" text)
      on s.job_id = p."jobId" and s.sink_uid = p."sinkUid" and s.equipment = p."equipment"`),
    );
    for (const { jobId, sinkUid, equipment, ...side } of rows) {
      found.set(sideText({ jobId, sinkUid, equipment }), side);
    }
  }
  return found;
}

/** Alarm sinks of jobs, with what their authors said. */
export interface JobAlarms {
  readonly name: string;
  readonly sinks: ReadonlyMap<string, AlarmRules>;
}

/** Jobs that are not known any more are left out. */
export async function jobAlarms(
  tx: Db,
  jobIds: Iterable<string>,
): Promise<Map<string, JobAlarms>> {
  const ids = [...new Set(jobIds)];
  if (ids.length === 0) return new Map();
  const rows = rowsOf<{ id: string; name: string; sinks: SinkRow[] | null }>(
    await tx.execute(sql`
    select id, name, (
      select jsonb_agg(o) from jsonb_array_elements(graph->'operators') o
      where o->'sink'->>'connector' = 'alarm') as sinks
    from jobs where id in ${ids}`),
  );
  return new Map(rows.map(({ id, name, sinks }) => [id, {
    name,
    sinks: new Map((sinks ?? []).map(({ uid, sink }) => [uid, rulesOfSink(sink)])),
  }]));
}

type SinkRow = {
  readonly uid: string;
  readonly sink: Extract<SinkDescriptor, { connector: "alarm" }>;
};

export function rulesFor(
  jobs: ReadonlyMap<string, JobAlarms>,
  { jobId, sinkUid, kind }: Pick<AlarmPointKey, "jobId" | "sinkUid" | "kind">,
): AlarmRules {
  const rules = jobs.get(jobId)?.sinks.get(sinkUid) ?? PLAIN_RULES;
  return kind === "no-data" ? noDataRules(rules) : rules;
}

/** Writes what a settlement changed: rows that are alarms, and spans that joined one or wait. */
export async function writeSettlements(
  tx: Db,
  settled: readonly { readonly rows: readonly AlarmRow[]; readonly settlement: Settlement }[],
): Promise<void> {
  const changed: Record<string, unknown>[] = [];
  for (const { rows, settlement } of settled) {
    const alarms = new Map(settlement.alarms.map((alarm) => [alarm.id, alarm]));
    for (const row of rows) {
      const next = nextRow(row, alarms.get(row.id), settlement);
      if (next !== null) changed.push(next);
    }
  }
  for (const chunk of chunksOf(changed)) {
    await tx.execute(sql`
      update alarms set is_rung = r.rung, is_active = r.active, is_acknowledged = r.seen,
        acknowledged_by = case when r.seen then alarms.acknowledged_by end,
        acknowledged_at = case when r.seen then alarms.acknowledged_at end,
        comment = case when r.seen then alarms.comment end,
        raised_at = r.raised, cleared_at = r.cleared, occurrences = r.times, due_at = r.due,
        continues_id = r.of
      from jsonb_to_recordset(${JSON.stringify(chunk)}::text::jsonb) as r(id text, rung boolean,
        active boolean, seen boolean, raised timestamptz, cleared timestamptz, times int,
        due timestamptz, of text)
      where alarms.id = r.id`);
  }
}

function nextRow(
  row: AlarmRow,
  alarm: Alarm | undefined,
  { joined, pending }: Settlement,
): Record<string, unknown> | null {
  const continuesId = joined.get(row.id) ?? row.continuesId;
  const next = alarm ?? { ...row, dueAtMs: pending.get(row.id) ?? null };
  const isRung = alarm !== undefined;
  const isSame = isRung === row.isRung && continuesId === row.continuesId &&
    next.isActive === row.isActive && next.isAcknowledged === row.isAcknowledged &&
    next.raisedAtMs === row.raisedAtMs && next.clearedAtMs === row.clearedAtMs &&
    next.occurrences === row.occurrences && next.dueAtMs === row.dueAtMs;
  if (isSame) return null;
  return {
    id: row.id,
    rung: isRung,
    active: isRung && next.isActive,
    seen: !isRung || next.isAcknowledged,
    raised: new Date(next.raisedAtMs).toISOString(),
    cleared: next.clearedAtMs === null ? null : new Date(next.clearedAtMs).toISOString(),
    times: next.occurrences,
    due: next.dueAtMs === null ? null : new Date(next.dueAtMs).toISOString(),
    of: continuesId,
  };
}

/** Flags points that chatter and takes the flag away. */
export async function writeChattering(
  tx: Db,
  points: readonly (Omit<AlarmPointKey, "kind"> & { readonly sinceMs: number | null })[],
): Promise<void> {
  for (const chunk of chunksOf(points)) {
    await tx.execute(sql`
      insert into alarm_points (job_id, sink_uid, equipment, chattering_since)
      select r."jobId", r."sinkUid", r.equipment, to_timestamp(r."sinceMs" / 1000.0)
      from jsonb_to_recordset(${JSON.stringify(chunk)}::text::jsonb)
        as r("jobId" text, "sinkUid" text, equipment text, "sinceMs" float8)
      on conflict (job_id, sink_uid, equipment) do update set chattering_since = excluded.chattering_since`);
  }
}

/** Tells the planner how few of the alarms are open; an embedded database never looks by itself. */
export async function countForPlans(db: Db): Promise<void> {
  await db.execute(sql`analyze alarms`);
}

export function chunksOf<T>(rows: readonly T[]): T[][] {
  const chunks: T[][] = [];
  for (let i = 0; i < rows.length; i += ROWS_PER_STATEMENT) {
    chunks.push(rows.slice(i, i + ROWS_PER_STATEMENT));
  }
  return chunks;
}
