/**
 * What was over time: what a detector saw around an alarm, and the figures of a job's subtasks.
 *
 * Touches the database and the hub's memory.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { hasJob, readOnset } from "../db/plant_store.ts";
import type { CurveSpan } from "../series/signal_history.ts";
import { METRIC_NAMES, type MetricName } from "../series/signals.ts";
import { type HubApp, json, notFound, Refusal, type RouteDeps, serve } from "./http.ts";
import { alarmEvidenceSchema, metricSeriesSchema } from "./schemas.ts";

/** Points of one series in an answer. */
const POINTS_MAX = 2_000;
const POINTS_DEFAULT = 600;
const SPAN_DEFAULT_MS = 3_600_000;
/** Before the onset of an alarm: enough to see what was usual. */
const BEFORE_ONSET_MS = 600_000;
const BEFORE_ONSET_MAX_MS = 3_600_000;
const BEHIND_END_MS = 300_000;

/** Query of everything that is read over a span. */
export const spanQuery = {
  from: z.iso.datetime().optional().openapi({ description: "An hour before `to` when left out" }),
  to: z.iso.datetime().optional().openapi({ description: "Now when left out" }),
  points: z.coerce.number().int().min(10).max(POINTS_MAX).default(POINTS_DEFAULT)
    .openapi({ description: "Most points of one series" }),
};

/** @throws {Refusal} 400 when `from` is not before `to`. */
export function spanOf(
  { from, to, points }: { from?: string | undefined; to?: string | undefined; points?: number },
  nowMs: number,
): CurveSpan {
  const toMs = to === undefined ? nowMs + 1 : Date.parse(to);
  const fromMs = from === undefined ? toMs - SPAN_DEFAULT_MS : Date.parse(from);
  if (fromMs < toMs) return { fromMs, toMs, pointsMax: points ?? POINTS_DEFAULT };
  throw new Refusal(400, "span-empty", "`from` must be before `to`", {
    errors: [{ path: "from", message: "Not before `to`" }],
  });
}

const evidenceRoute = createRoute({
  method: "get",
  path: "/api/v1/alarms/{id}/evidence",
  tags: ["alarms"],
  summary: "What the detector saw: the signal from before the onset to behind the end",
  request: { params: z.object({ id: z.string().min(1).max(200) }) },
  responses: { 200: json("The signal with what was expected then and now", alarmEvidenceSchema) },
});

const jobSeriesRoute = createRoute({
  method: "get",
  path: "/api/v1/jobs/{id}/series",
  tags: ["jobs"],
  summary: "Figures of a job's subtasks over time",
  request: {
    params: z.object({ id: z.string().min(1).max(64) }),
    query: z.strictObject({
      metric: z.string().max(400).default("recordsInPerSecond").openapi({
        description: `Separated by commas: ${METRIC_NAMES.join(", ")}`,
      }),
      subtask: z.string().max(200).optional(),
      ...spanQuery,
    }),
  },
  responses: {
    200: json(
      "One series per subtask and figure",
      z.object({ items: z.array(metricSeriesSchema).readonly() }).openapi("JobSeries"),
    ),
  },
});

export const seriesRoutes = [evidenceRoute, jobSeriesRoute] as const;

export function addSeriesRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "viewer", evidenceRoute, async (c) => {
    const { id } = c.req.valid("param");
    const onset = await readOnset(hub.db, id);
    if (onset === null) throw notFound("alarm", id);
    const { jobId, operatorUid, equipment, raisedAtMs, clearedAtMs, low, high } = onset;
    const nowMs = hub.clock.nowMs();
    const endMs = clearedAtMs ?? nowMs;
    const beforeMs = Math.min(Math.max(endMs - raisedAtMs, BEFORE_ONSET_MS), BEFORE_ONSET_MAX_MS);
    const fromMs = raisedAtMs - beforeMs;
    const toMs = Math.max(Math.min(nowMs, endMs + BEHIND_END_MS), raisedAtMs) + 1;
    const which = { equipment, jobId, operatorUid };
    const span = { fromMs, toMs, pointsMax: POINTS_DEFAULT };
    const [series] = await hub.signals.history.samples(which, span);
    const live = hub.live.samples.get(`${jobId}/${operatorUid}/${equipment}`);
    return c.json({
      alarmId: id,
      from: new Date(fromMs).toISOString(),
      to: new Date(toMs).toISOString(),
      series: series ?? null,
      then: { low, high },
      now: { low: live?.low ?? null, high: live?.high ?? null },
    }, 200);
  });
  serve(app, deps, "viewer", jobSeriesRoute, async (c) => {
    const { id } = c.req.valid("param");
    const { metric, subtask, ...query } = c.req.valid("query");
    const metrics = metricsOf(metric);
    if (!await hasJob(hub.db, id)) throw notFound("job", id);
    const items = await hub.signals.history.metrics({
      jobId: id,
      metrics,
      ...(subtask === undefined ? {} : { subtaskId: subtask }),
    }, spanOf(query, hub.clock.nowMs()));
    return c.json({ items }, 200);
  });
}

function metricsOf(text: string): MetricName[] {
  return text.split(",").map((name) => {
    const known = METRIC_NAMES.find((one) => one === name.trim());
    if (known !== undefined) return known;
    throw new Refusal(
      400,
      "metric-unknown",
      `There is no figure "${name}": ${METRIC_NAMES.join(", ")}`,
      {
        errors: [{ path: "metric", message: `"${name}" is none of ${METRIC_NAMES.join(", ")}` }],
      },
    );
  });
}
