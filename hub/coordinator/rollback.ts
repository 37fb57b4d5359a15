/**
 * What a rollback to a savepoint would do, and why it may not be done.
 *
 * Pure. Records that were acknowledged at the broker after the savepoint are gone there, so going back
 * opens a gap between the position in the savepoint and the position of the last completed checkpoint
 * (P4). Nothing is touched before the whole plan is judged (S3).
 *
 * @module
 */
import type { GapPlan, RollbackPlan } from "@shared/job_api.ts";
import type { AgentId, Attempt, CheckpointId, JobId, RegionId } from "@shared/ids.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import type { SplitPosition, SubtaskSnapshot } from "@shared/manifest.ts";
import { isRestorable, judgeCompatibility } from "@shared/state_compatibility.ts";

export interface RollbackRegion {
  readonly regionId: RegionId;
  readonly agentId: AgentId | null;
  readonly agentName: string | null;
  readonly attempt: Attempt;
  /** Recovery base of the current lineage: last completed checkpoint, else what it was restored from. */
  readonly base: BasePart | null;
  readonly lastCompletedId: CheckpointId | null;
  /** Its part of the savepoint; null when the savepoint does not know the region. */
  readonly saved: readonly SubtaskSnapshot[] | null;
}

export interface BasePart {
  readonly checkpointId: CheckpointId;
  readonly snapshots: readonly SubtaskSnapshot[];
}

/** Records of a split, `fromPosition` exclusive to `toPosition` inclusive, that are recorded as lost. */
export interface KnownGap {
  readonly regionId: RegionId;
  readonly sourceUid: string;
  readonly splitIndex: number;
  readonly fromPosition: number;
  readonly toPosition: number;
  readonly fromAtMs: number | null;
  readonly toAtMs: number | null;
}

export interface RollbackQuestion {
  readonly jobId: JobId;
  readonly graph: JobGraph;
  readonly allowNonRestoredState: boolean;
  readonly savepoint: {
    readonly id: string;
    readonly jobId: JobId;
    readonly checkpointId: CheckpointId;
    readonly status: string;
  };
  /** The regions to roll back: all of the job, or those a person selected. */
  readonly regions: readonly RollbackRegion[];
  /** Spans that earlier rollbacks of the job left behind, in order of position. */
  readonly knownGaps: readonly KnownGap[];
  /** Completed checkpoints of the job that are newer than the savepoint. */
  readonly newerCompletedIds: readonly CheckpointId[];
  readonly alarms: RollbackPlan["alarmsConcerned"];
}

export type RollbackAnswer =
  | { readonly kind: "plan"; readonly plan: RollbackPlan }
  | { readonly kind: "refused"; readonly refusal: RollbackRefusal };

export interface RollbackRefusal {
  readonly code:
    | "savepoint-of-another-job"
    | "savepoint-not-completed"
    | "no-region-selected"
    | "region-not-in-savepoint"
    | "state-incompatible"
    | "gap-needs-consent";
  readonly detail: string;
}

/** The plan, or why none can be made. A gap is part of the plan: {@linkcode refuseGap} judges it. */
export function planRollback(question: RollbackQuestion): RollbackAnswer {
  const { savepoint, regions, jobId } = question;
  if (savepoint.jobId !== jobId) {
    return refused(
      "savepoint-of-another-job",
      `Savepoint ${savepoint.id} belongs to job ${savepoint.jobId}: deploy from it instead`,
    );
  }
  if (savepoint.status !== "completed") {
    return refused(
      "savepoint-not-completed",
      `Savepoint ${savepoint.id} is ${savepoint.status}: want completed`,
    );
  }
  if (regions.length === 0) {
    return refused("no-region-selected", `No region of job ${jobId} runs on the selected agents`);
  }
  const unknown = regions.find(({ saved }) => saved === null);
  if (unknown !== undefined) {
    return refused(
      "region-not-in-savepoint",
      `Savepoint ${savepoint.id} holds nothing of region ${unknown.regionId}`,
    );
  }
  const operators = judgeCompatibility(
    regions.flatMap(({ saved }) => saved ?? []),
    question.graph,
  );
  if (!isRestorable(operators, question.allowNonRestoredState)) {
    const hit = operators.filter(({ compatibility }) =>
      compatibility === "incompatible" || compatibility === "dropped"
    );
    const list = hit.map(({ uid, reason }) => `${uid}: ${reason}`).join("; ");
    return refused("state-incompatible", `Savepoint ${savepoint.id} cannot be restored: ${list}`);
  }
  return { kind: "plan", plan: planOf(question, operators) };
}

/** The refusal of a plan that opens a gap nobody allowed, or null. */
export function refuseGap(plan: RollbackPlan, allowGap: boolean): RollbackRefusal | null {
  if (!plan.needsAllowGap || allowGap) return null;
  const records = plan.gaps.reduce((sum, gap) => sum + gap.records, 0);
  return {
    code: "gap-needs-consent",
    detail:
      `Rolling back to savepoint ${plan.savepointId} loses ${records} records that the broker ` +
      `does not hold any more: repeat with allowGap to accept this`,
  };
}

function planOf(
  question: RollbackQuestion,
  operators: RollbackPlan["operators"],
): RollbackPlan {
  const { savepoint } = question;
  const regions = [...question.regions].sort((a, b) => a.regionId < b.regionId ? -1 : 1);
  const gaps = regions.flatMap((region) => gapsOf(region, question));
  return {
    jobId: question.jobId,
    savepointId: savepoint.id,
    checkpointId: savepoint.checkpointId,
    regions: regions.map((region) => ({
      regionId: region.regionId,
      agentId: region.agentId,
      agentName: region.agentName,
      currentAttempt: region.attempt,
      lastCompletedId: region.lastCompletedId,
      entriesNow: entriesOf(region.base?.snapshots ?? []),
      entriesThen: entriesOf(region.saved ?? []),
      bytesToRestore: bytesOf(region.saved ?? []),
    })),
    gaps,
    needsAllowGap: gaps.length > 0,
    abandonedCheckpointIds: [...question.newerCompletedIds].sort((a, b) => a - b),
    operators,
    alarmsConcerned: question.alarms,
  };
}

/**
 * What is acknowledged at the broker and not inside the savepoint, per split of an MQTT source. Ordinals go
 * on behind a gap, so those of all lineages count on one line, and what an earlier rollback recorded as
 * lost is not lost again.
 */
function gapsOf(region: RollbackRegion, question: RollbackQuestion): GapPlan[] {
  const { base, regionId } = region;
  if (base === null || base.checkpointId === question.savepoint.checkpointId) return [];
  const then = splitsOf(region.saved ?? []);
  return splitsOf(base.snapshots)
    .filter(({ sourceUid }) => isMqtt(question.graph, sourceUid))
    .flatMap((now) => {
      const { sourceUid, splitIndex } = now;
      const isOfSplit = (other: { sourceUid: string; splitIndex: number }) =>
        other.sourceUid === sourceUid && other.splitIndex === splitIndex;
      const was = then.find(isOfSplit);
      const known = question.knownGaps.filter((gap) => gap.regionId === regionId && isOfSplit(gap));
      const lost = {
        fromPosition: was?.position ?? 0,
        toPosition: now.position,
        fromAtMs: was?.lastRecordAtMs ?? null,
        toAtMs: now.lastRecordAtMs,
      };
      return spansWithout(lost, known).map(({ fromAtMs, toAtMs, ...span }) => ({
        regionId,
        sourceUid,
        splitIndex,
        ...span,
        records: span.toPosition - span.fromPosition,
        fromAt: timeOf(fromAtMs),
        toAt: timeOf(toAtMs),
      }));
    });
}

type Span = Omit<KnownGap, "regionId" | "sourceUid" | "splitIndex">;

/** The parts of `span` that no span of `known`, which is in order of position, covers. */
function spansWithout(span: Span, known: readonly Span[]): Span[] {
  const rest: Span[] = [];
  let { fromPosition, fromAtMs } = span;
  for (const gap of known) {
    if (gap.toPosition <= fromPosition || gap.fromPosition >= span.toPosition) continue;
    if (gap.fromPosition > fromPosition) {
      rest.push({
        fromPosition,
        toPosition: gap.fromPosition,
        fromAtMs,
        toAtMs: gap.fromAtMs,
      });
    }
    fromPosition = gap.toPosition;
    fromAtMs = gap.toAtMs;
  }
  if (fromPosition < span.toPosition) rest.push({ ...span, fromPosition, fromAtMs });
  return rest;
}

function splitsOf(snapshots: readonly SubtaskSnapshot[]): SplitPosition[] {
  return snapshots.flatMap(({ splits }) => splits)
    .sort((a, b) =>
      a.sourceUid === b.sourceUid
        ? a.splitIndex - b.splitIndex
        : (a.sourceUid < b.sourceUid ? -1 : 1)
    );
}

function isMqtt(graph: JobGraph, sourceUid: string): boolean {
  const node = graph.operators.find(({ uid }) => uid === sourceUid);
  return node?.source?.connector !== "generator";
}

function entriesOf(snapshots: readonly SubtaskSnapshot[]): number {
  return snapshots.flatMap(({ operators }) => operators)
    .reduce((sum, { entryCount }) => sum + entryCount, 0);
}

function bytesOf(snapshots: readonly SubtaskSnapshot[]): number {
  const pieces = new Map(snapshots.flatMap((s) => s.pieces.map((p) => [p.digest, p.bytes])));
  return [...pieces.values()].reduce((sum, bytes) => sum + bytes, 0);
}

function timeOf(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString();
}

function refused(code: RollbackRefusal["code"], detail: string): RollbackAnswer {
  return { kind: "refused", refusal: { code, detail } };
}
