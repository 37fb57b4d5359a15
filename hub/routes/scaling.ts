/**
 * POST /jobs/{id}/rescale and /rebalance: other parallelism, other places, the same state.
 *
 * Touches the database. The judgement here and that of the job's loop are made by the same rules; the loop
 * judges again, because things may have changed since.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import { judgeRescale } from "../coordinator/rescale.ts";
import type { JobFacts } from "../db/job_view_store.ts";
import {
  type HubApp,
  type HubRequest,
  json,
  jsonBody,
  optionalJsonBody,
  Refusal,
  type RouteDeps,
  serve,
} from "./http.ts";
import { acceptForJob, ifMatchHeader, jobPath } from "./jobs.ts";
import { operationSchema } from "./schemas.ts";

const params = z.object(jobPath);
const rescaleBody = z.strictObject({
  parallelism: z.number().int().min(1).max(KEY_GROUP_COUNT).openapi({
    description: "Subtasks of each keyed stage",
  }),
}).openapi({ example: { parallelism: 3 } });

const rescaleRoute = createRoute({
  method: "post",
  path: "/api/v1/jobs/{id}/rescale",
  tags: ["jobs"],
  summary: "Change the parallelism of the keyed stages; state and position are kept",
  request: { params, headers: ifMatchHeader, body: jsonBody(rescaleBody) },
  responses: { 202: json("Accepted", operationSchema) },
});

const rebalanceRoute = createRoute({
  method: "post",
  path: "/api/v1/jobs/{id}/rebalance",
  tags: ["jobs"],
  summary: "Spread the job over the agents there are now; what is well placed stays",
  request: { params, headers: ifMatchHeader, body: optionalJsonBody(z.strictObject({})) },
  responses: { 202: json("Accepted", operationSchema) },
});

/** Operations that move a job's regions: one at a time. */
const MOVES: ReadonlySet<string> = new Set(["rescale", "rebalance", "rollback", "stop", "cancel"]);

export const scalingRoutes = [rescaleRoute, rebalanceRoute] as const;

export function addScalingRoutes(app: HubApp, deps: RouteDeps): void {
  serve(app, deps, "operator", rescaleRoute, (c) => {
    const { parallelism } = c.req.valid("json");
    return move(c, deps, "rescale", { parallelism });
  });
  serve(app, deps, "operator", rebalanceRoute, (c) => move(c, deps, "rebalance", {}));
}

function move(
  c: HubRequest,
  deps: RouteDeps,
  kind: "rescale" | "rebalance",
  request: { readonly parallelism?: number },
): Promise<Response> {
  const id = c.req.param("id") ?? "";
  return acceptForJob(c, deps, { id, kind, request }, (job, open) => {
    if (kind === "rescale") refuseRescale(job, request.parallelism);
    const other = open.find((operation) => MOVES.has(operation.kind));
    if (other === undefined) return;
    throw new Refusal(
      409,
      "operation-under-way",
      `Operation ${other.id} (${other.kind}) is moving job "${job.name}" already: wait for its end`,
      { operationId: other.id },
    );
  });
}

function refuseRescale(job: JobFacts, wanted: number | undefined): void {
  const { graph, desiredState, parallelism: current } = job;
  const answer = judgeRescale({ graph, desiredState, current, wanted });
  if (answer.kind === "refused") throw new Refusal(answer.status, answer.code, answer.detail);
}
