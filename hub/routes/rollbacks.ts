/**
 * POST /jobs/{id}/rollbacks: what a rollback would do, or the order to do it.
 *
 * Touches the database. The plan shown here and the one the job's loop carries out are
 * made by the same judgement; the loop judges again, because things may have changed since.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { RollbackPlan } from "@shared/job_api.ts";
import type { JobId } from "@shared/ids.ts";
import type { Db } from "../db/client.ts";
import { openOperations } from "../db/operation_store.ts";
import { judgeRollback } from "../rollback_plan.ts";
import { type HubApp, json, jsonBody, notFound, Refusal, type RouteDeps, serve } from "./http.ts";
import { ifMatchHeader, jobOf, jobPath, refuseEnded, refuseStale } from "./jobs.ts";
import { accept, change } from "./mutation.ts";
import { operationSchema, rollbackPlanSchema } from "./schemas.ts";

const selector = z.string().min(1).max(1000);
const rollbackBody = z.strictObject({
  savepointId: z.string().min(1).max(64),
  agents: z.union([selector, z.array(selector).min(1).max(100)]).optional().openapi({
    description: "Agents by id, by name, or by labels as k=v,k=v; left out means all",
  }),
  allowGap: z.boolean().default(false),
  dryRun: z.boolean().default(false),
  reason: z.string().max(1000).default(""),
});
type RollbackBody = z.infer<typeof rollbackBody>;

const rollbackRoute = createRoute({
  method: "post",
  path: "/api/v1/jobs/{id}/rollbacks",
  tags: ["savepoints"],
  summary: "Roll a job, or its regions on some agents, back to a savepoint",
  request: { params: z.object(jobPath), headers: ifMatchHeader, body: jsonBody(rollbackBody) },
  responses: {
    200: json("dryRun: what it would do", rollbackPlanSchema),
    202: json("Accepted", operationSchema),
  },
});

export const rollbackRoutes = [rollbackRoute] as const;

export function addRollbackRoute(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "admin", rollbackRoute, async (c) => {
    const body = c.req.valid("json");
    const jobId = c.req.valid("param").id;
    if (body.dryRun) return c.json(await judge(hub.db, jobId, body), 200);
    if (body.reason === "") {
      throw new Refusal(400, "reason-missing", "A rollback needs a reason for the audit log", {
        errors: [{ path: "reason", message: "Required unless dryRun" }],
      });
    }
    return await change(c, deps, () =>
      Promise.resolve(async (tx: Db) => {
        refuseStale(c, await jobOf(tx, jobId));
        const plan = await judge(tx, jobId, body);
        refuseGap(plan, body.allowGap);
        const { savepointId, agents, allowGap, reason } = body;
        const request = { savepointId, agents: agents ?? null, allowGap, reason };
        return await accept(tx, {
          id: hub.random.uuid(),
          kind: "rollback",
          jobId,
          agentId: null,
          request,
          createdBy: c.get("principal").name,
          nowMs: hub.clock.nowMs(),
        }, {
          action: "job.rollback",
          subject: `job:${jobId}`,
          reason,
          fields: { savepointId, allowGap, gaps: plan.gaps },
        }, () => deps.wakeJob(plan.jobId as JobId));
      }));
  });
}

async function judge(db: Db, jobId: string, body: RollbackBody): Promise<RollbackPlan> {
  const job = await jobOf(db, jobId);
  refuseEnded(job);
  const under = (await openOperations(db, job.id)).find(({ kind }) => kind === "rollback");
  if (under !== undefined && !body.dryRun) {
    throw new Refusal(
      409,
      "operation-under-way",
      `Operation ${under.id} is rolling job "${job.name}" back already`,
      { operationId: under.id },
    );
  }
  const { savepointId, agents = null } = body;
  const judgement = await judgeRollback(db, { jobId: job.id, savepointId, agents });
  switch (judgement.kind) {
    case "not-found":
      throw notFound(judgement.noun, judgement.id);
    case "refused":
      throw new Refusal(409, judgement.refusal.code, judgement.refusal.detail);
    case "plan":
      return judgement.plan;
  }
}

function refuseGap(plan: RollbackPlan, allowGap: boolean): void {
  if (!plan.needsAllowGap || allowGap) return;
  const records = plan.gaps.reduce((sum, gap) => sum + gap.records, 0);
  throw new Refusal(
    409,
    "gap-needs-consent",
    `Rolling back to savepoint ${plan.savepointId} loses ${records} records that the brokers do not ` +
      `hold any more. Repeat with allowGap to accept this; nothing was changed`,
    { gaps: plan.gaps },
  );
}
