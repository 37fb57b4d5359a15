import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { Digest, SubtaskId } from "@shared/ids.ts";
import { groupsOf } from "@shared/key_groups.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import { keyGroupRange, type SubtaskPlan } from "@shared/regions.ts";
import { restoreShares } from "../../agent/restore_share.ts";

function planOf(index: number, parallelism: number): SubtaskPlan {
  return {
    subtaskId: `count.${index}` as SubtaskId,
    sourceUid: null,
    splitIndex: index,
    operatorUids: ["count", "out"],
    keyGroups: keyGroupRange(index, parallelism),
    inputs: ["in.0" as SubtaskId],
    outputs: [],
  };
}

/** Of the subtask in front: it owns no key groups, and nothing of it is for the stage. */
const SOURCE: SubtaskSnapshot = {
  ...snapshotOf(0, 1),
  subtaskId: "in.0" as SubtaskId,
  keyGroups: null,
  pieces: [{
    digest: "in" as Digest,
    bytes: 1,
    sections: [
      { kind: "source", uid: "in", groups: [] },
      { kind: "time", uid: "in", groups: [] },
    ],
  }],
};

/** A snapshot that holds every group of its range, staged output, broadcast state and time. */
function snapshotOf(index: number, parallelism: number): SubtaskSnapshot {
  const keyGroups = keyGroupRange(index, parallelism);
  const digest = `${index}` as Digest;
  return {
    version: 1,
    subtaskId: `count.${index}` as SubtaskId,
    keyGroups,
    keyGroupCount: 128,
    keyHash: "",
    operators: [],
    splits: [],
    pieces: [{
      digest,
      bytes: 1,
      sections: [
        { kind: "keyed", uid: "count", groups: [keyGroups] },
        { kind: "delta", uid: "count", groups: [keyGroups] },
        { kind: "sink", uid: "out", groups: [] },
        { kind: "broadcast", uid: "count", groups: [] },
        { kind: "time", uid: "count", groups: [] },
      ],
    }],
  };
}

Deno.test("restore share: at any parallelism each key group and each staged output is taken once, broadcast state by all (C8, S1)", () => {
  const parallelism = fc.integer({ min: 1, max: 128 });
  fc.assert(
    fc.property(parallelism, parallelism, (before, after) => {
      const stage = Array.from({ length: before }, (_, index) => snapshotOf(index, before));
      const snapshots = [SOURCE, ...stage];
      const groups: number[] = [];
      const staged: string[] = [];
      for (let index = 0; index < after; index++) {
        const plan = planOf(index, after);
        const shares = restoreShares(plan, snapshots);
        const sections = shares.flatMap(({ snapshot, pieces }) =>
          pieces.flatMap((piece) => piece.sections.map((section) => ({ snapshot, section })))
        );
        const keyed = sections.filter(({ section }) => section.kind === "keyed");
        const own = keyed.flatMap(({ section }) => groupsOf(section.groups));
        deepStrictEqual(own, groupsOf([plan.keyGroups!]));
        groups.push(...own);
        for (const { snapshot, section } of sections) {
          if (section.kind === "sink") staged.push(snapshot.subtaskId);
        }
        const broadcast = sections.filter(({ section }) => section.kind === "broadcast");
        strictEqual(broadcast.length, 1);
        if (before === after) {
          deepStrictEqual(shares.map(({ isOwn }) => isOwn), [true]);
          deepStrictEqual(shares[0]!.pieces, stage[index]!.pieces);
        }
      }
      deepStrictEqual(groups, groupsOf([[0, 127]]));
      deepStrictEqual(staged.sort(), stage.map(({ subtaskId }) => subtaskId).sort());
    }),
    { numRuns: 100 },
  );
});
