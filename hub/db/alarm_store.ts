/**
 * Takes edges of alarms in, and does what the clock asks for.
 *
 * Touches the database. Edges carry ids made where the record was processed: after a restore the same
 * records give the same ids, and an edge taken in before changes nothing and rings nobody. What becomes of
 * a point is decided by the pure life cycle (`hub/coordinator/alarm_settlement.ts`); one transaction holds
 * the edges, the alarms, the log and the messages.
 *
 * One writer at a time: an advisory lock puts whoever changes alarms in line.
 *
 * @module
 */
import { lte, sql } from "drizzle-orm";
import type { AlarmEdge } from "@shared/messages.ts";
import { type Settlement, settlePoint } from "../coordinator/alarm_settlement.ts";
import { chatteringSince, labelOf } from "../coordinator/alarm_state.ts";
import { EARLIEST_MS, LATEST_MS } from "./alarm_filter.ts";
import { type LoggedStep, logSteps } from "./alarm_log.ts";
import {
  type AlarmKind,
  type AlarmPointKey,
  type AlarmRow,
  chunksOf,
  edgesOf,
  historyOf,
  jobAlarms,
  OPEN_SIDE,
  type PointSide,
  pointText,
  rowsOfPoints,
  rulesFor,
  sidesOf,
  sideText,
  writeChattering,
  writeSettlements,
} from "./alarm_points.ts";
import { suppressPoints } from "./alarm_suppression.ts";
import { type Db, rowsOf } from "./client.ts";
import { equipmentOf } from "./equipment_paths.ts";
import { alarmEdges, alarms } from "./schema.ts";

export { alarmsRaisedSince, alarmTotals, openAlarmCounts } from "./alarm_counts.ts";

/** Number of the advisory lock of everybody who changes alarms. */
const ALARM_LOCK = 7004;
/** Points that one look at the clock settles. */
const DUE_POINTS_MAX = 2_000;

/** What people are told. */
export interface AlarmNews {
  readonly steps: readonly LoggedStep[];
  /** Points that began to chatter. */
  readonly chattering: readonly Omit<AlarmPointKey, "kind">[];
}

export const NO_NEWS: AlarmNews = { steps: [], chattering: [] };

/** Waits until no other transaction changes alarms; held until the caller's ends. */
export async function lockAlarms(tx: Db): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${ALARM_LOCK}::bigint)`);
}

/**
 * Takes edges in, each id once, in one transaction.
 *
 * @param cause Of what comes of them; `no-data` is a kind of alarm of its own.
 * @returns What came of them.
 */
export async function recordEdges(
  db: Db,
  edges: readonly AlarmEdge[],
  nowMs: number,
  cause: "edge" | "clock" | "no-data" = "edge",
): Promise<AlarmNews> {
  if (edges.length === 0) return NO_NEWS;
  return await db.transaction(async (tx) => {
    await lockAlarms(tx);
    const known = edges.map((edge) => storable(edge, nowMs));
    const fresh = await insertNewEdges(tx, known, nowMs);
    if (fresh.length === 0) return NO_NEWS;
    await insertSpans(tx, fresh, cause === "no-data" ? "no-data" : "condition");
    const spanIds = [...new Set(fresh.map(({ alarmId }) => alarmId))];
    const points = await pointsOf(tx, spanIds);
    return await settlePoints(tx, points, { nowMs, cause, spanIds });
  });
}

/**
 * The edge as tables and indexes hold it: what a record says of its time and its key must not stop the
 * edges behind it. A time that no calendar has counts as the time it was heard.
 */
function storable(edge: AlarmEdge, nowMs: number): AlarmEdge {
  const { atMs, key } = edge;
  const isTime = atMs >= EARLIEST_MS && atMs <= LATEST_MS;
  return { ...edge, atMs: isTime ? atMs : nowMs, key: equipmentOf(key) };
}

/** Points of the spans, in their order; a job that went on from another's savepoint ends alarms of that one. */
async function pointsOf(tx: Db, spanIds: readonly string[]): Promise<AlarmPointKey[]> {
  const rows = rowsOf<AlarmPointKey & { id: string } & Record<string, unknown>>(
    await tx.execute(sql`
    select id, job_id as "jobId", sink_uid as "sinkUid", equipment, kind from alarms
    where id = any(array(select jsonb_array_elements_text(${
      JSON.stringify(spanIds)
    }::text::jsonb)))`),
  );
  const bySpan = new Map(rows.map(({ id, ...point }) => [id, point]));
  const points = spanIds.map((id) => bySpan.get(id)!);
  return [...new Map(points.map((point) => [pointText(point), point])).values()];
}

/** Whether the clock has something to decide. */
export async function hasDue(db: Db, nowMs: number): Promise<boolean> {
  const rows = await db.select({ id: alarms.id }).from(alarms)
    .where(lte(alarms.dueAt, new Date(nowMs))).limit(1);
  return rows.length > 0;
}

/** Does what is due by the clock: delays that passed, alarms that ring again. */
export async function settleDue(db: Db, nowMs: number): Promise<AlarmNews> {
  return await db.transaction(async (tx) => {
    await lockAlarms(tx);
    const points = rowsOf<AlarmPointKey & Record<string, unknown>>(
      await tx.execute(sql`
      select distinct job_id as "jobId", sink_uid as "sinkUid", equipment, kind from (
        select * from alarms where due_at <= ${new Date(nowMs).toISOString()}::timestamptz
        order by due_at limit ${DUE_POINTS_MAX}) due`),
    );
    if (points.length === 0) return NO_NEWS;
    return await settlePoints(tx, points, { nowMs, cause: "clock", spanIds: [] });
  });
}

async function insertNewEdges(
  tx: Db,
  edges: readonly AlarmEdge[],
  nowMs: number,
): Promise<AlarmEdge[]> {
  const byId = new Map(edges.map((edge) => [edge.edgeId, edge]));
  const fresh: AlarmEdge[] = [];
  for (const chunk of chunksOf([...byId.values()])) {
    const inserted = await tx.insert(alarmEdges).values(chunk.map((edge) => ({
      id: edge.edgeId,
      alarmId: edge.alarmId,
      isActive: edge.isActive,
      at: new Date(edge.atMs),
      receivedAt: new Date(nowMs),
    }))).onConflictDoNothing().returning({ id: alarmEdges.id });
    for (const row of inserted) fresh.push(byId.get(row.id)!);
  }
  return fresh.sort((a, b) => a.atMs - b.atMs);
}

/** Makes the rows of spans nobody knew, silent as yet; a raise says more than the clear before it did. */
async function insertSpans(tx: Db, fresh: readonly AlarmEdge[], kind: AlarmKind): Promise<void> {
  const bySpan = new Map<string, AlarmEdge>();
  for (const edge of fresh) {
    const known = bySpan.get(edge.alarmId);
    if (known === undefined || (edge.isActive && !known.isActive)) bySpan.set(edge.alarmId, edge);
  }
  for (const chunk of chunksOf([...bySpan.values()])) {
    const made = await tx.insert(alarms).values(chunk.map((edge) => ({
      id: edge.alarmId,
      jobId: edge.jobId,
      operatorUid: edge.operatorUid,
      sinkUid: edge.sinkUid,
      equipment: edge.key,
      priority: edge.priority,
      text: edge.text,
      response: edge.response,
      kind,
      isActive: false,
      isAcknowledged: true,
      isRung: false,
      raisedAt: new Date(edge.atMs),
      value: edge.value,
      score: edge.score,
      threshold: edge.threshold,
      low: edge.low ?? null,
      high: edge.high ?? null,
    }))).onConflictDoNothing().returning({ id: alarms.id });
    const isMade = new Set(made.map(({ id }) => id));
    await describeByRaise(
      tx,
      chunk.filter(({ alarmId, isActive }) => isActive && !isMade.has(alarmId)),
    );
  }
}

/** The raise came behind its clear: what the alarm says is what the raise says. */
async function describeByRaise(tx: Db, raises: readonly AlarmEdge[]): Promise<void> {
  if (raises.length === 0) return;
  const rows = raises.map((edge) => ({
    id: edge.alarmId,
    at: new Date(edge.atMs).toISOString(),
    text: edge.text,
    value: edge.value,
    score: edge.score,
    limit: edge.threshold,
    low: edge.low ?? null,
    high: edge.high ?? null,
  }));
  await tx.execute(sql`
    update alarms set raised_at = r.at, text = r.text, value = r.value, score = r.score,
      threshold = r."limit", low = r.low, high = r.high
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r(id text, at timestamptz,
      text text, value float8, score float8, "limit" float8, low float8, high float8)
    where alarms.id = r.id and not alarms.is_rung and alarms.continues_id is null`);
}

/** Decides what became of the points, and writes it with its log and messages. */
async function settlePoints(
  tx: Db,
  points: readonly AlarmPointKey[],
  { nowMs, cause, spanIds }: {
    readonly nowMs: number;
    readonly cause: "edge" | "clock" | "no-data";
    /** Spans with a new edge, however old they are. */
    readonly spanIds: readonly string[];
  },
): Promise<AlarmNews> {
  const rows = await rowsOfPoints(tx, points, spanIds);
  const edges = await edgesOf(tx, [...rows.values()].flat().map(({ id }) => id));
  const jobs = await jobAlarms(tx, points.map(({ jobId }) => jobId));
  const sides = await sidesOf(tx, points);
  const settled = points.map((point) => {
    const own = rows.get(pointText(point)) ?? [];
    const history = historyOf(own, edges);
    const settlement = settlePoint(history, rulesFor(jobs, point), nowMs, cause);
    const onsetsMs = history.spans.flatMap(({ fromMs }) => fromMs ?? []).sort((a, b) => a - b);
    return { point, rows: own, settlement, onsetsMs };
  });
  await writeSettlements(tx, settled);
  const chattering = await flagChattering(tx, settled, sides, nowMs);
  const isRaised = new Set(
    settled.flatMap(({ settlement }) => settlement.steps)
      .filter(({ before }) => before === null).map(({ alarmId }) => alarmId),
  );
  const suppression = await suppressPoints(tx, points, { jobs, nowMs, isRaised });
  const steps = [
    ...settled.flatMap(({ point, rows, settlement }) => {
      const before = sides.get(sideText(point)) ?? OPEN_SIDE;
      const suppressedBy = suppression.now.get(sideText(point));
      const after = suppressedBy === undefined ? before : { ...before, suppressedBy };
      return loggedSteps(rows, settlement, { before, after }, nowMs);
    }),
    ...suppression.steps,
  ];
  await logSteps(tx, steps, nowMs);
  return { steps, chattering };
}

function loggedSteps(
  rows: readonly AlarmRow[],
  { steps }: Settlement,
  side: { readonly before: PointSide; readonly after: PointSide },
  nowMs: number,
): LoggedStep[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  return steps.map(({ alarmId, kind, atMs, cause, before, after, isNews }) => ({
    alarm: byId.get(alarmId)!,
    kind,
    atMs,
    cause,
    from: before === null ? null : labelOf(before, side.before, nowMs),
    to: labelOf(after, side.after, nowMs),
    isNews,
  }));
}

async function flagChattering(
  tx: Db,
  settled: readonly { readonly point: AlarmPointKey; readonly onsetsMs: readonly number[] }[],
  sides: ReadonlyMap<string, PointSide>,
  nowMs: number,
): Promise<Omit<AlarmPointKey, "kind">[]> {
  const changed: (Omit<AlarmPointKey, "kind"> & { sinceMs: number | null })[] = [];
  for (const { point, onsetsMs } of settled) {
    if (point.kind !== "condition") continue;
    const before = sides.get(sideText(point))?.chatteringSinceMs ?? null;
    const sinceMs = chatteringSince(onsetsMs, before, nowMs);
    const { jobId, sinkUid, equipment } = point;
    if ((before === null) !== (sinceMs === null)) {
      changed.push({ jobId, sinkUid, equipment, sinceMs });
    }
  }
  if (changed.length > 0) await writeChattering(tx, changed);
  return changed.filter(({ sinceMs }) => sinceMs !== null)
    .map(({ jobId, sinkUid, equipment }) => ({ jobId, sinkUid, equipment }));
}
