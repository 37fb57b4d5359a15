/**
 * Reads what a rollback needs to know and lets the coordinator judge it.
 *
 * Touches the database, reads only. Used for the dry run over REST and by the job's loop, so that both
 * judge by the same facts.
 *
 * @module
 */
import type { AgentId, JobId } from "@shared/ids.ts";
import {
  planRollback,
  type RollbackAnswer,
  type RollbackQuestion,
  type RollbackRegion,
} from "./coordinator/rollback.ts";
import { alarmsRaisedSince } from "./db/alarm_store.ts";
import { type AgentRecord, listAgents } from "./db/agent_store.ts";
import { readPart } from "./db/checkpoint_store.ts";
import type { Db } from "./db/client.ts";
import { listGapSpans } from "./db/gap_store.ts";
import { getJob } from "./db/job_store.ts";
import { listRegions, type RegionRecord } from "./db/region_store.ts";
import { newerCompleted } from "./db/rollback_store.ts";
import { getSavepoint, savepointParts } from "./db/savepoint_store.ts";

const ALARMS_MAX = 1_000;

export interface RollbackRequest {
  readonly jobId: JobId;
  readonly savepointId: string;
  /**
   * Which agents' regions to roll back: an agent's name or id, or labels as `line=1,site=north`, or a
   * list of either; null for the whole job.
   */
  readonly agents: string | readonly string[] | null;
}

export type RollbackJudgement =
  | (Extract<RollbackAnswer, { kind: "plan" }> & {
    /** Every region of the job is rolled back. */
    readonly isWhole: boolean;
  })
  | Extract<RollbackAnswer, { kind: "refused" }>
  | { readonly kind: "not-found"; readonly noun: "job" | "savepoint"; readonly id: string };

/** The plan of a rollback as things stand, or why there is none. Changes nothing. */
export async function judgeRollback(db: Db, request: RollbackRequest): Promise<RollbackJudgement> {
  const job = await getJob(db, request.jobId);
  if (job === null) return { kind: "not-found", noun: "job", id: request.jobId };
  const savepoint = await getSavepoint(db, request.savepointId);
  if (savepoint === null) {
    return { kind: "not-found", noun: "savepoint", id: request.savepointId };
  }
  const agents = await listAgents(db, { withRemoved: true });
  const rows = await listRegions(db, job.id);
  const selected = rows.filter((row) => isSelected(row, agents, request.agents));
  const saved = new Map(
    (await savepointParts(db, savepoint)).map((part) => [part.regionId, part.snapshots]),
  );
  const regions: RollbackRegion[] = [];
  for (const row of selected) {
    const baseId = row.lastCompletedId ?? row.restoredFromId;
    regions.push({
      regionId: row.regionId,
      agentId: row.agentId,
      agentName: agents.find(({ id }) => id === row.agentId)?.name ?? null,
      attempt: row.attempt,
      base: baseId === null
        ? null
        : await readPart(db, { jobId: job.id, checkpointId: baseId, regionId: row.regionId }),
      lastCompletedId: row.lastCompletedId,
      saved: saved.get(row.regionId) ?? null,
    });
  }
  const sinceMs = Date.parse(savepoint.completedAt ?? savepoint.createdAt);
  const question: RollbackQuestion = {
    jobId: job.id,
    graph: job.graph,
    allowNonRestoredState: job.allowNonRestoredState,
    savepoint,
    regions,
    knownGaps: await listGapSpans(db, job.id),
    newerCompletedIds: await newerCompleted(db, job.id, savepoint.checkpointId),
    alarms: await alarmsRaisedSince(db, job.id, sinceMs, ALARMS_MAX),
  };
  const answer = planRollback(question);
  if (answer.kind === "refused") return answer;
  return { ...answer, isWhole: selected.length === rows.length };
}

function isSelected(
  row: RegionRecord,
  agents: readonly AgentRecord[],
  selector: RollbackRequest["agents"],
): boolean {
  if (selector === null) return true;
  if (row.agentId === null) return false;
  const on = new Set<string>([row.agentId, ...Object.values(row.placement)]);
  const wanted = typeof selector === "string" ? [selector] : selector;
  return agents.some((agent) => on.has(agent.id) && wanted.some((one) => isMatch(agent, one)));
}

function isMatch(agent: AgentRecord, selector: string): boolean {
  if (!selector.includes("=")) {
    return agent.name === selector || agent.id === selector as AgentId;
  }
  return selector.split(",").every((pair) => {
    const at = pair.indexOf("=");
    return at > 0 && agent.labels[pair.slice(0, at).trim()] === pair.slice(at + 1).trim();
  });
}
