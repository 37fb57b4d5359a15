/**
 * Judges what a job would start from, before anything is stored or stopped (S2, S3).
 *
 * Touches the database, reads only. A job starts empty, from a savepoint, or, as a trial run of a
 * replacement, from what the job to be replaced saved last.
 *
 * A job that starts from the savepoint of one that has ended goes on with that job's MQTT sessions: what
 * the broker has kept since is not lost. What the broker was told is done since the savepoint is a gap
 * (P4), and needs consent. A session keeps its subscriptions: where a source reads other topics or another
 * broker now, the job cannot go on with the old sessions, and what waits in them is a gap as well.
 *
 * @module
 */
import type { JobId, RegionId } from "@shared/ids.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import type { DeployPlan } from "@shared/state_api.ts";
import type { RegionPlan } from "@shared/regions.ts";
import {
  isRestorable,
  judgeCompatibility,
  type OperatorCompatibility,
} from "@shared/state_compatibility.ts";
import { placeSavepoint, type SavepointPlacement } from "./coordinator/savepoint_placement.ts";
import type { Db } from "./db/client.ts";
import { jobReading } from "./db/deployment_store.ts";
import { getJob } from "./db/job_store.ts";
import {
  getSavepoint,
  isAcknowledgedSince,
  lastParts,
  type SavepointPart,
  savepointParts,
} from "./db/savepoint_store.ts";

export interface DeployQuestion {
  readonly graph: JobGraph;
  readonly parallelism: number;
  readonly regions: readonly RegionPlan[];
  readonly fromSavepoint: string | null;
  /** Job that is to be replaced; only for a trial run. */
  readonly replaces: string | null;
}

export interface JudgedDeployment {
  readonly plan: DeployPlan;
  readonly parts: readonly SavepointPart[] | null;
  /** Job whose sessions it goes on with; null: its own. */
  readonly sessionJobId: JobId | null;
  /** Nothing stands against it but what consent lifts. */
  isAllowed(allowNonRestoredState: boolean): boolean;
  /** Operators whose state stays behind. */
  readonly dropped: readonly string[];
}

export type DeployJudgement =
  | ({ readonly kind: "plan" } & JudgedDeployment)
  | { readonly kind: "not-found"; readonly noun: "savepoint" | "job"; readonly id: string }
  | { readonly kind: "not-completed"; readonly id: string; readonly status: string };

interface Base {
  /** What ran when it was saved. */
  readonly graph: JobGraph;
  readonly from: NonNullable<DeployPlan["from"]>;
  readonly parts: readonly SavepointPart[];
  readonly sessionJobId: JobId | null;
  readonly needsAllowGap: boolean;
}

export async function judgeDeployment(
  db: Db,
  question: DeployQuestion,
): Promise<DeployJudgement> {
  const found = await baseOf(db, question);
  if (found !== null && "kind" in found) return found;
  const base = found === null ? null : withOwnSessions(found, question.graph);
  const { graph, regions, parallelism } = question;
  const snapshots = base?.parts.flatMap((part) => part.snapshots) ?? [];
  const placement = placeSavepoint(snapshots, regions);
  const operators = withIndivisible(
    base === null ? [] : judgeCompatibility(snapshots, graph),
    placement,
  );
  const { straySubtasks } = placement;
  return {
    kind: "plan",
    plan: {
      name: graph.name,
      parallelism,
      regions: regions.map(({ regionId, subtasks }) => ({
        regionId,
        subtasks: subtasks.map(({ subtaskId }) => subtaskId),
      })),
      from: base?.from ?? null,
      sessions: base === null || base.sessionJobId === null ? "own" : "continued",
      operators,
      straySubtasks,
      needsAllowGap: base?.needsAllowGap ?? false,
    },
    parts: base === null ? null : placement.parts,
    sessionJobId: base?.sessionJobId ?? null,
    isAllowed: (allowNonRestoredState) =>
      isRestorable(operators, allowNonRestoredState) &&
      (allowNonRestoredState || straySubtasks.length === 0),
    dropped: operators.filter(({ compatibility }) => compatibility === "dropped")
      .map(({ uid }) => uid),
  };
}

async function baseOf(
  db: Db,
  { fromSavepoint, replaces }: DeployQuestion,
): Promise<Base | Exclude<DeployJudgement, { kind: "plan" }> | null> {
  if (fromSavepoint !== null) return await baseOfSavepoint(db, fromSavepoint);
  if (replaces === null) return null;
  const job = await getJob(db, replaces);
  if (job === null) return { kind: "not-found", noun: "job", id: replaces };
  const last = await lastParts(db, job.id);
  if (last === null) return null;
  return {
    graph: job.graph,
    from: { savepointId: null, jobId: job.id, checkpointId: last.checkpointId },
    parts: last.parts,
    sessionJobId: job.sessionJobId,
    needsAllowGap: false,
  };
}

async function baseOfSavepoint(
  db: Db,
  id: string,
): Promise<Base | Exclude<DeployJudgement, { kind: "plan" }>> {
  const savepoint = await getSavepoint(db, id);
  if (savepoint === null) return { kind: "not-found", noun: "savepoint", id };
  if (savepoint.status !== "completed") {
    return { kind: "not-completed", id, status: savepoint.status };
  }
  const { jobId, checkpointId } = savepoint;
  const sessionJobId = await freeSessions(db, jobId);
  return {
    graph: savepoint.graph,
    from: { savepointId: id, jobId, checkpointId },
    parts: await savepointParts(db, savepoint),
    sessionJobId,
    // A copy beside a job that runs reads on its own: it loses nothing, it begins now.
    needsAllowGap: sessionJobId !== null && await isAcknowledgedSince(db, savepoint),
  };
}

/** The base, its sessions left behind if a source of the job would read something else through them. */
function withOwnSessions(base: Base, graph: JobGraph): Base {
  if (base.sessionJobId === null || readsTheSame(base.graph, graph)) return base;
  return { ...base, sessionJobId: null, needsAllowGap: true };
}

/** Whether every split that both have is read from the same topics of the same broker. */
function readsTheSame(before: JobGraph, now: JobGraph): boolean {
  return now.operators.every(({ uid, source }) => {
    const old = before.operators.find((node) => node.uid === uid)?.source;
    if (source?.connector !== "mqtt" || old?.connector !== "mqtt") return true;
    return source.broker === old.broker && source.splits.every(({ topics }, index) => {
      const oldTopics = old.splits[index]?.topics;
      return oldTopics === undefined || [...oldTopics].sort().join() === [...topics].sort().join();
    });
  });
}

/** Whose sessions wait at the broker for somebody to go on; null while a job reads through them. */
async function freeSessions(db: Db, jobId: JobId): Promise<JobId | null> {
  const job = await getJob(db, jobId);
  if (job === null) return null;
  return await jobReading(db, job.sessionJobId) === null ? job.sessionJobId : null;
}

/** What cannot be divided is incompatible, whatever its codec says. */
function withIndivisible(
  operators: readonly OperatorCompatibility[],
  { indivisible }: SavepointPlacement,
): OperatorCompatibility[] {
  return operators.map((operator) => {
    const found = indivisible.find(({ uid }) => uid === operator.uid);
    if (found === undefined) return operator;
    return { ...operator, compatibility: "incompatible", reason: found.reason };
  });
}

/** The spans that starting from `parts` leaves: from where each split stood, to nobody knows where. */
export function gapsOfStart(
  parts: readonly SavepointPart[],
  of: {
    readonly jobId: JobId;
    readonly savepointId: string;
    readonly nowMs: number;
    readonly newId: () => string;
  },
) {
  const splits = parts.flatMap(({ regionId, snapshots }) =>
    snapshots.flatMap((snapshot: SubtaskSnapshot) =>
      snapshot.splits.map((split) => ({ regionId: regionId as RegionId, ...split }))
    )
  );
  return splits.map(({ regionId, sourceUid, splitIndex, position, lastRecordAtMs }) => ({
    id: of.newId(),
    jobId: of.jobId,
    regionId,
    sourceUid,
    splitIndex,
    cause: "rollback" as const,
    fromPosition: position,
    toPosition: null,
    fromAtMs: lastRecordAtMs,
    toAtMs: of.nowMs,
    savepointId: of.savepointId,
    nowMs: of.nowMs,
  }));
}

/** What stands against the plan, in words, worst first. */
export function problemsOf(plan: DeployPlan): string[] {
  const hindering = plan.operators.filter(({ compatibility }) =>
    compatibility === "incompatible" || compatibility === "dropped"
  );
  return [
    ...hindering.sort((a, b) => a.compatibility < b.compatibility ? 1 : -1)
      .map(({ uid, compatibility, reason }) => `operator "${uid}" (${compatibility}): ${reason}`),
    ...plan.straySubtasks.map((id) => `subtask "${id}" (dropped): the job has no place for it`),
  ];
}
