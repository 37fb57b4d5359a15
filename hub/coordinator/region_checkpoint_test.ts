import { deepEqual, equal, throws } from "node:assert/strict";
import { AssertionError } from "@shared/assert.ts";
import type { Attempt, CheckpointId, Digest, SubtaskId } from "@shared/ids.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import {
  type Acknowledgement,
  countsAsFailure,
  type RegionCheckpoint,
  type RegionCheckpointInput,
  stepRegionCheckpoint,
  triggerRegionCheckpoint,
} from "./region_checkpoint.ts";

const ID = 7 as CheckpointId;
const ATTEMPT = 3 as Attempt;
const A = "a" as SubtaskId;
const B = "b" as SubtaskId;

function ackOf(subtaskId: string): Acknowledgement {
  const snapshot = {
    subtaskId,
    pieces: [{ digest: `digest-${subtaskId}` as Digest, bytes: 1, sections: [] }],
  } as unknown as SubtaskSnapshot;
  const none = { startDelayMs: 0, alignmentMs: 0, syncMs: 0, asyncMs: 0 };
  return { snapshot, stats: { ...none, fullBytes: 1, uploadedBytes: 1 } };
}

function ack(subtaskId: SubtaskId, over: Partial<{ id: number; attempt: number }> = {}) {
  return {
    kind: "acknowledge",
    checkpointId: (over.id ?? ID) as CheckpointId,
    attempt: (over.attempt ?? ATTEMPT) as Attempt,
    subtaskId,
    acknowledgement: ackOf(subtaskId),
  } as const;
}

function decline(subtaskId: SubtaskId, attempt: number = ATTEMPT) {
  return {
    kind: "decline",
    checkpointId: ID,
    attempt: attempt as Attempt,
    subtaskId,
    reason: "sink-failed",
  } as const;
}

function run(inputs: readonly RegionCheckpointInput[]) {
  let state: RegionCheckpoint = triggerRegionCheckpoint(ID, ATTEMPT, [B, A]);
  const effects: string[] = [];
  for (const input of inputs) {
    const step = stepRegionCheckpoint(state, input);
    state = step.state;
    effects.push(...step.effects.map(describe));
  }
  return { status: state.status, effects };
}

function describe(
  effect: ReturnType<typeof stepRegionCheckpoint>["effects"][number],
): string {
  switch (effect.kind) {
    case "commit":
      return `commit ${effect.acknowledgements.map(({ subtaskId }) => subtaskId).join(",")}`;
    case "abort":
      return `abort ${effect.reason}`;
    case "discard":
      return `discard ${effect.digests.join(",")}`;
    case "replyStale":
      return `stale ${effect.attempt}`;
    case "notifyCompleted":
      return "notify";
  }
}

const COMMITTED = { kind: "committed" } as const;

Deno.test("region checkpoint: commits when the last subtask of the plan acknowledged, then notifies (C2, C3)", () => {
  deepEqual(run([ack(B), ack(A)]), { status: "committing", effects: ["commit a,b"] });
  deepEqual(run([ack(B), ack(A), COMMITTED]), {
    status: "completed",
    effects: ["commit a,b", "notify"],
  });
});

Deno.test("region checkpoint: a duplicate acknowledgement changes nothing (C2)", () => {
  deepEqual(run([ack(A), ack(A)]), { status: "pending", effects: [] });
  deepEqual(run([ack(A), ack(B), COMMITTED, ack(A)]).effects, ["commit a,b", "notify"]);
});

Deno.test("region checkpoint: discards what is outside the plan, of another attempt or id (C2, F3)", () => {
  deepEqual(run([ack("c" as SubtaskId)]).effects, ["discard digest-c"]);
  deepEqual(run([ack(A, { attempt: 2 })]).effects, ["discard digest-a", "stale 2"]);
  deepEqual(run([ack(A, { attempt: 4 })]).effects, ["discard digest-a"]);
  deepEqual(run([ack(A, { id: 6 })]).effects, ["discard digest-a"]);
  deepEqual(run([decline(A, 2)]), { status: "pending", effects: ["stale 2"] });
});

Deno.test("region checkpoint: nothing revives an aborted one (C4)", () => {
  for (const input of [decline(A), { kind: "timeout" }, { kind: "attemptRaised" }] as const) {
    const { status, effects } = run([ack(B), input, ack(A), ack(B)]);
    equal(status, "aborted");
    deepEqual(effects.slice(1), ["discard digest-b", "discard digest-a"]);
  }
});

Deno.test("region checkpoint: while committing only the database decides (C3)", () => {
  const inputs = [
    decline(A),
    { kind: "timeout" },
    { kind: "attemptRaised" },
    { kind: "agentAway" },
    { kind: "cancel" },
  ] as const;
  for (const input of inputs) {
    deepEqual(run([ack(A), ack(B), input]), { status: "committing", effects: ["commit a,b"] });
  }
  deepEqual(run([ack(A), ack(B), { kind: "commitRefused" }]).effects.slice(1), [
    "abort commit-refused",
    "discard digest-a,digest-b",
  ]);
});

Deno.test("region checkpoint: an ended one ignores every further end", () => {
  const ends = [
    { kind: "timeout" },
    { kind: "cancel" },
    { kind: "agentAway" },
    decline(A),
  ] as const;
  for (const end of ends) {
    deepEqual(run([{ kind: "cancel" }, end]).effects, ["abort cancelled"]);
    deepEqual(run([ack(A), ack(B), COMMITTED, end]).status, "completed");
  }
});

Deno.test("region checkpoint: an answer of the database that nobody asked for stops the process", () => {
  throws(() => run([COMMITTED]), AssertionError);
  throws(() => run([{ kind: "commitRefused" }]), AssertionError);
  throws(() => triggerRegionCheckpoint(ID, ATTEMPT, []), AssertionError);
});

Deno.test("region checkpoint: only failures of the region count against it (C6)", () => {
  const counted = ["timeout", "snapshot-failed", "upload-failed", "sink-failed", "disk-failed"];
  for (const reason of counted) equal(countsAsFailure(reason as "timeout"), true, reason);
  const forgiven = ["attempt-raised", "agent-away", "cancelled", "hub-restarted", "superseded"];
  for (const reason of forgiven) equal(countsAsFailure(reason as "timeout"), false, reason);
});
