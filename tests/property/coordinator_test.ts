/** Properties of the coordinator's smaller machines over generated inputs. */
import fc from "fast-check";
import { deepEqual } from "node:assert/strict";
import { assert } from "@shared/assert.ts";
import type { AgentId, CheckpointId, RegionId, SubtaskId } from "@shared/ids.ts";
import { assign, matches } from "../../hub/coordinator/assignment.ts";
import {
  createDetector,
  type DetectorInput,
  stepDetector,
  verdictOf,
} from "../../hub/coordinator/failure_detector.ts";
import { type HaltInput, startHalt, stepHalt } from "../../hub/coordinator/halt_steps.ts";
import { partsToLetGo } from "../../hub/coordinator/retention.ts";

const labels = fc.dictionary(fc.constantFrom("line", "site"), fc.constantFrom("1", "2"));
const agentIds = ["a", "b", "c"] as AgentId[];
const regionIds = ["r0", "r1", "r2", "r3"] as RegionId[];

const fleet = fc.tuple(...agentIds.map((agentId) =>
  fc.record({
    agentId: fc.constant(agentId),
    labels,
    isDraining: fc.boolean(),
    load: fc.nat(3),
  })
)).chain((agents) => fc.subarray(agents));
/** Two source subtasks and up to three keyed ones, placed before as it came. */
const needs = fc.tuple(...regionIds.map((regionId) =>
  fc.record({
    regionId: fc.constant(regionId),
    near: labels,
    isPlaced: fc.boolean(),
    canSpan: fc.boolean(),
    subtasks: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.array(labels, { minLength: 5 }))
      .chain(([count, nears]) =>
        fc.tuple(
          ...nears.slice(0, count).map((near, i) =>
            fc.record({
              subtaskId: fc.constant(`${regionId}.${i}` as SubtaskId),
              stage: fc.constant(i < 2 ? "source" : "keyed"),
              near: fc.constant(i < 2 ? near : {}),
              runsOn: fc.constantFrom(null, null, ...agentIds),
            })
          ),
        )
      ),
  }).map((need) => ({
    ...need,
    isPlaced: need.isPlaced && need.subtasks.every(({ runsOn }) => runsOn !== null),
  }))
));

Deno.test("assignment keeps its invariants for every fleet, and ignores the order of its inputs", () => {
  fc.assert(
    fc.property(fleet, needs, fc.boolean(), (agents, regions, isBalancing) => {
      const placed = assign(regions, agents, { isBalancing });
      const again = assign([...regions].reverse(), [...agents].reverse(), { isBalancing });
      deepEqual(again, placed);
      const eligible = agents.filter(({ isDraining }) => !isDraining);
      const nearness = (near: Record<string, string>, id: AgentId) =>
        matches(near, eligible.find(({ agentId }) => agentId === id)?.labels ?? {});
      for (const { regionId, agents: on } of placed) {
        const need = regions.find((region) => region.regionId === regionId)!;
        if (need.isPlaced) {
          for (const { subtaskId, runsOn } of need.subtasks) {
            assert(on?.get(subtaskId) === runsOn, `${subtaskId} was moved`);
          }
          continue;
        }
        assert((on === null) === (eligible.length === 0), `${regionId} has no place`);
        if (on === null) continue;
        assert(on.size === need.subtasks.length, `${regionId} is not whole`);
        assert(need.canSpan || new Set(on.values()).size === 1, `${regionId} spans`);
        const isWhole = !need.canSpan || need.subtasks.length === 1;
        for (const { subtaskId, near, runsOn } of need.subtasks) {
          const chosen = on.get(subtaskId)!;
          const isEligible = (id: AgentId | null) => eligible.some(({ agentId }) => agentId === id);
          assert(isEligible(chosen), `${subtaskId} went to an agent that is not eligible`);
          const isKept = !isBalancing && isEligible(runsOn);
          if (isKept && !isWhole) assert(chosen === runsOn, `${subtaskId} moved`);
          if (isKept) continue;
          const wanted = isWhole ? need.near : near;
          const best = Math.max(0, ...eligible.map(({ agentId }) => nearness(wanted, agentId)));
          assert(nearness(wanted, chosen) === best, `${subtaskId} has a nearer agent`);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("assignment: balancing evens a stage out over agents that are alike, and twice moves nothing", () => {
  const before = fc.array(fc.constantFrom(null, ...agentIds), { minLength: 1, maxLength: 12 });
  const loads = fc.tuple(fc.nat(5), fc.nat(5), fc.nat(5));
  fc.assert(
    fc.property(before, loads, fc.integer({ min: 1, max: 3 }), (runsOn, load, count) => {
      const agents = agentIds.slice(0, count)
        .map((agentId, i) => ({ agentId, labels: {}, isDraining: false, load: load[i]! }));
      const needOf = (places: readonly (AgentId | null)[]) => [{
        regionId: "r0" as RegionId,
        near: {},
        isPlaced: false,
        canSpan: true,
        subtasks: places.map((agentId, i) => ({
          subtaskId: `key.${i}` as SubtaskId,
          stage: "key",
          near: {},
          runsOn: agentId,
        })),
      }];
      const balanced = (places: readonly (AgentId | null)[]) => [
        ...assign(needOf(places), agents, { isBalancing: true })[0]!.agents!.values(),
      ];
      const after = balanced(runsOn);
      const held = (places: readonly (AgentId | null)[]) =>
        agents.map(({ agentId }) => places.filter((place) => place === agentId).length);
      const counts = held(after);
      assert(Math.max(...counts) - Math.min(...counts) <= 1, `Uneven: ${counts}`);
      if (runsOn.length > 1) deepEqual(balanced(after), after);
      const share = Math.floor(runsOn.length / count);
      const larger = runsOn.length % count;
      const stays = held(runsOn).sort((a, b) => b - a)
        .reduce((sum, n, rank) => sum + Math.min(n, share + (rank < larger ? 1 : 0)), 0);
      const stayed = after.filter((agentId, i) => agentId === runsOn[i]).length;
      if (runsOn.length > 1) assert(stayed >= stays, `${stayed} stayed of ${stays} that could`);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("failure detector keeps F5 and P6 for every course of heartbeats", () => {
  const limits = { leaseTtlMs: 6_000, startGraceMs: 2_000, reassignWithinMs: 30_000 };
  const startedMs = 50_000;
  const step = fc.record({
    ms: fc.nat(12_000),
    kind: fc.constantFrom("tick", "tick", "tick", "hello", "heartbeat", "expect", "gone"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, isAble) => {
      const agentId = "a" as AgentId;
      let state = createDetector(limits, startedMs);
      let nowMs = startedMs;
      let heardMs: number | null = null;
      let expiredMs: number | null = null;
      let isGone = false;
      let isKnownAble = false;
      for (const { ms, kind } of steps) {
        nowMs += ms;
        const about = kind === "tick" ? {} : { agentId, canGoAutonomous: isAble };
        const input = { kind, nowMs, ...about } as DetectorInput;
        if (kind === "hello") isKnownAble = isAble;
        if (kind === "gone") isKnownAble = false;
        const result = stepDetector(state, input);
        state = result.state;
        if (kind === "heartbeat" || kind === "hello") {
          [heardMs, expiredMs, isGone] = [nowMs, null, false];
        }
        if (kind === "expect") heardMs ??= nowMs;
        if (kind === "gone") [isGone, heardMs] = [true, heardMs ?? nowMs];
        for (const effect of result.effects) {
          if (effect.kind !== "expired" || kind === "gone") continue;
          expiredMs = nowMs;
          const floor = startedMs + limits.leaseTtlMs + limits.startGraceMs;
          assert(nowMs >= floor, `F5: expired at ${nowMs}`);
          assert(nowMs - heardMs! >= limits.leaseTtlMs, "Expired within the lease");
        }
        const verdict = verdictOf(state, agentId);
        if (isGone) assert(verdict === "reassignable", `P6: gone and ${verdict}`);
        else if (verdict === "possibly-autonomous") {
          assert(isKnownAble, "P6: possibly autonomous and not able to");
          assert(nowMs - expiredMs! > limits.reassignWithinMs, "P6: window closed early");
        } else if (verdict === "reassignable" && isKnownAble && kind === "tick") {
          assert(nowMs - expiredMs! <= limits.reassignWithinMs, "P6: window still open");
        }
      }
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("retention keeps every base, savepoint and stand-in of a retained checkpoint", () => {
  const history = fc.array(
    fc.record({
      completed: fc.subarray(regionIds, { minLength: 1 }),
      isSavepoint: fc.constantFrom(false, false, false, true),
      isAbandoned: fc.constantFrom(false, false, false, true),
    }),
    { maxLength: 15 },
  );
  fc.assert(
    fc.property(history, fc.integer({ min: 1, max: 4 }), (checkpoints, retained) => {
      const parts = checkpoints.flatMap(({ completed, isSavepoint, isAbandoned }, i) =>
        completed.map((regionId) => ({
          checkpointId: (i + 1) as CheckpointId,
          regionId,
          isSavepoint,
          isAbandoned: isAbandoned && !isSavepoint,
        }))
      );
      const live = parts.filter((part) => !part.isSavepoint && !part.isAbandoned);
      const bases = regionIds.map((regionId) => ({
        regionId,
        baseId: (live.findLast((part) => part.regionId === regionId)?.checkpointId) ?? null,
      }));
      const gone = new Set(
        partsToLetGo(parts, bases, retained).map((p) => `${p.checkpointId}/${p.regionId}`),
      );
      const isGone = (id: number, regionId: string) => gone.has(`${id}/${regionId}`);
      for (const part of parts) {
        if (part.isSavepoint) assert(!isGone(part.checkpointId, part.regionId), "L2");
      }
      const newest = [...new Set(live.map(({ checkpointId }) => checkpointId))]
        .sort((a, b) => b - a).slice(0, retained);
      for (const id of newest) {
        for (const regionId of regionIds) {
          const standIn = live.filter((p) => p.regionId === regionId && p.checkpointId <= id)
            .at(-1);
          if (standIn === undefined) continue;
          assert(
            !isGone(standIn.checkpointId, regionId),
            `${standIn.checkpointId} of ${id} is gone`,
          );
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("halt steps switch once, after all stopped or the deadline, and are done once", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("tick" as const), nowMs: fc.nat(8_000) }),
    fc.record({
      kind: fc.constantFrom("stopped", "running"),
      regionId: fc.constantFrom(...regionIds),
    }),
    fc.record({ kind: fc.constant("switched" as const), toRun: fc.subarray(regionIds) }),
  );
  fc.assert(
    fc.property(fc.subarray(regionIds), fc.array(step, { maxLength: 30 }), (toStop, steps) => {
      let { state, effects } = startHalt(toStop, 0);
      const all: string[] = effects.map(({ kind }) => kind);
      const stopped = new Set<RegionId>();
      let isLate = toStop.length === 0;
      for (const input of steps as HaltInput[]) {
        if (input.kind === "stopped") stopped.add(input.regionId);
        if (input.kind === "tick" && input.nowMs >= 5_000) isLate = true;
        ({ state, effects } = stepHalt(state, input));
        for (const { kind } of effects) {
          all.push(kind);
          const mayGo = isLate || toStop.every((regionId) => stopped.has(regionId));
          assert(kind !== "switch" || mayGo, "Switched while a region was running");
        }
      }
      assert(["", "switch", "switch,done"].includes(all.join()), `Effects ${all}`);
      assert(state.phase !== "done" || all.length === 2, "Done without saying so");
    }),
    { numRuns: 3_000 },
  );
});
