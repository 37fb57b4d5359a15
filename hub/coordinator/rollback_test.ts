import { deepEqual, equal } from "node:assert/strict";
import type { AgentId, Attempt, CheckpointId, Digest, JobId, RegionId } from "@shared/ids.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import { KEY_HASH_ID, type SubtaskSnapshot } from "@shared/manifest.ts";
import {
  type KnownGap,
  planRollback,
  refuseGap,
  type RollbackQuestion,
  type RollbackRegion,
} from "./rollback.ts";

const GRAPH = {
  version: 1,
  name: "job",
  operators: [
    {
      uid: "src",
      kind: "source",
      label: "",
      isKeyed: false,
      states: [],
      source: { connector: "mqtt" },
    },
    {
      uid: "count",
      kind: "mapWithState",
      label: "",
      isKeyed: true,
      states: [{ name: "state", kind: "value", codecVersion: 1 }],
    },
  ],
  edges: [],
} as unknown as JobGraph;

function snapshot(position: number, codecVersion = 1): SubtaskSnapshot {
  return {
    version: 1,
    subtaskId: "src.0",
    keyGroupCount: 128,
    keyHash: KEY_HASH_ID,
    operators: [{
      uid: "count",
      states: [{ name: "state", kind: "value", codecVersion }],
      entryCount: position / 10,
    }],
    splits: [{ sourceUid: "src", splitIndex: 0, position, lastRecordAtMs: position * 1000 }],
    pieces: [{ digest: `d${position}` as Digest, bytes: 50, sections: [] }],
  } as unknown as SubtaskSnapshot;
}

function region(over: Partial<RollbackRegion> = {}): RollbackRegion {
  return {
    regionId: "src.0" as RegionId,
    agentId: "a" as AgentId,
    agentName: "agent-a",
    attempt: 4 as Attempt,
    base: { checkpointId: 9 as CheckpointId, snapshots: [snapshot(500)] },
    lastCompletedId: 9 as CheckpointId,
    saved: [snapshot(200)],
    ...over,
  };
}

function question(over: Partial<RollbackQuestion> = {}): RollbackQuestion {
  return {
    jobId: "job" as JobId,
    graph: GRAPH,
    allowNonRestoredState: false,
    savepoint: {
      id: "sp",
      jobId: "job" as JobId,
      checkpointId: 5 as CheckpointId,
      status: "completed",
    },
    regions: [region()],
    knownGaps: [],
    newerCompletedIds: [9, 7] as CheckpointId[],
    alarms: [],
    ...over,
  };
}

function planOf(over: Partial<RollbackQuestion> = {}) {
  const answer = planRollback(question(over));
  if (answer.kind !== "plan") throw new Error(answer.refusal.detail);
  return answer.plan;
}

function codeOf(over: Partial<RollbackQuestion>): string {
  const answer = planRollback(question(over));
  return answer.kind === "refused" ? answer.refusal.code : "none";
}

Deno.test("rollback: the plan shows what is replaced, lost and abandoned (P4, L1)", () => {
  const plan = planOf();
  deepEqual(plan.regions[0], {
    regionId: "src.0",
    agentId: "a",
    agentName: "agent-a",
    currentAttempt: 4,
    lastCompletedId: 9,
    entriesNow: 50,
    entriesThen: 20,
    bytesToRestore: 50,
  });
  deepEqual(plan.gaps, [{
    regionId: "src.0",
    sourceUid: "src",
    splitIndex: 0,
    fromPosition: 200,
    toPosition: 500,
    records: 300,
    fromAt: "1970-01-01T00:03:20.000Z",
    toAt: "1970-01-01T00:08:20.000Z",
  }]);
  deepEqual(plan.abandonedCheckpointIds, [7, 9]);
});

Deno.test("rollback: a gap needs consent, no gap needs none (P4)", () => {
  equal(refuseGap(planOf(), false)?.code, "gap-needs-consent");
  equal(refuseGap(planOf(), true), null);
  const same = { checkpointId: 9 as CheckpointId, snapshots: [snapshot(200)] };
  const plan = planOf({ regions: [region({ base: same })] });
  deepEqual([plan.gaps, plan.needsAllowGap, refuseGap(plan, false)], [[], false, null]);
});

Deno.test("rollback: rolling back again to where it stands opens no second gap", () => {
  const base = { checkpointId: 5 as CheckpointId, snapshots: [snapshot(200)] };
  deepEqual(planOf({ regions: [region({ base, lastCompletedId: null })] }).gaps, []);
  deepEqual(planOf({ regions: [region({ base: null, lastCompletedId: null })] }).gaps, []);
});

function spansOf(knownGaps: readonly [from: number, to: number][], over: Partial<KnownGap> = {}) {
  const gaps = knownGaps.map(([fromPosition, toPosition]) => ({
    regionId: "src.0" as RegionId,
    sourceUid: "src",
    splitIndex: 0,
    fromPosition,
    toPosition,
    fromAtMs: fromPosition * 1000,
    toAtMs: toPosition * 1000,
    ...over,
  }));
  const plan = planOf({ knownGaps: gaps });
  return plan.gaps.map(({ fromPosition, toPosition, records }) => [
    fromPosition,
    toPosition,
    records,
  ]);
}

Deno.test("rollback: a second one to the same savepoint loses only what came since the first (P4)", () => {
  deepEqual(spansOf([[200, 350]]), [[350, 500, 150]]);
  deepEqual(spansOf([[100, 350], [300, 400]]), [[400, 500, 100]]);
  deepEqual(spansOf([[200, 500]]), []);
});

Deno.test("rollback: a recorded gap in the middle is not counted again, one beside is not subtracted (P4)", () => {
  deepEqual(spansOf([[300, 350]]), [[200, 300, 100], [350, 500, 150]]);
  deepEqual(spansOf([[100, 200], [500, 600]]), [[200, 500, 300]]);
  const whole = [[200, 500, 300]];
  deepEqual(spansOf([[200, 350]], { splitIndex: 1 }), whole);
  deepEqual(spansOf([[200, 350]], { sourceUid: "other" }), whole);
  deepEqual(spansOf([[200, 350]], { regionId: "src.1" as RegionId }), whole);
});

Deno.test("rollback: the parts of a span around a recorded gap take over its times (P4)", () => {
  const known = {
    regionId: "src.0" as RegionId,
    sourceUid: "src",
    splitIndex: 0,
    fromPosition: 300,
    toPosition: 350,
    fromAtMs: 300_000,
    toAtMs: 350_000,
  };
  const times = planOf({ knownGaps: [known] }).gaps.map(({ fromAt, toAt }) =>
    [fromAt, toAt].map((at) => Date.parse(at!) / 1000)
  );
  deepEqual(times, [[200, 300], [350, 500]]);
});

Deno.test("rollback: a source that makes its own records loses none", () => {
  const operators = GRAPH.operators.map((node) =>
    node.kind === "source" ? { ...node, source: { connector: "generator", splits: [] } } : node
  );
  deepEqual(planOf({ graph: { ...GRAPH, operators } as JobGraph }).gaps, []);
});

Deno.test("rollback: refuses what cannot be restored, before anything is touched (S2, S3)", () => {
  const { savepoint } = question();
  equal(codeOf({ savepoint: { ...savepoint, jobId: "x" as JobId } }), "savepoint-of-another-job");
  equal(codeOf({ savepoint: { ...savepoint, status: "pending" } }), "savepoint-not-completed");
  equal(codeOf({ regions: [] }), "no-region-selected");
  equal(codeOf({ regions: [region({ saved: null })] }), "region-not-in-savepoint");
  equal(codeOf({ regions: [region({ saved: [snapshot(200, 2)] })] }), "state-incompatible");
  const graph = { ...GRAPH, operators: GRAPH.operators.slice(0, 1) };
  equal(codeOf({ graph }), "state-incompatible");
  equal(codeOf({ graph, allowNonRestoredState: true }), "none");
});
