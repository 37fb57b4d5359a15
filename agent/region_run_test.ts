import { deepStrictEqual as equal } from "node:assert/strict";
import type { CheckpointId, SubtaskId } from "@shared/ids.ts";
import type { SectionRef, SubtaskSnapshot } from "@shared/manifest.ts";
import type { ExchangeConfig, HubMessageOf, RestorePlan } from "@shared/messages.ts";
import { keyGroupRange, type SubtaskPlan } from "@shared/regions.ts";
import {
  deployOf,
  digestOf,
  metricsOf,
  settle,
  snapshotOf,
  SUBTASK,
  utf8,
  World,
} from "./testdata/fake_world.ts";

const EXCHANGE: ExchangeConfig = { broker: "plant", key: "secret" };

function keyed(index: number, parallelism: number): SubtaskPlan {
  return {
    subtaskId: `count.${index}` as SubtaskId,
    sourceUid: null,
    splitIndex: index,
    operatorUids: ["count"],
    keyGroups: keyGroupRange(index, parallelism),
    inputs: [SUBTASK],
    outputs: [],
  };
}

/** A source, and one of two keyed subtasks: the other is on another agent. */
function deploy(more: Partial<HubMessageOf<"deploy">> = {}): HubMessageOf<"deploy"> {
  const [source] = deployOf(1).subtasks;
  return deployOf(1, { subtasks: [source!, keyed(1, 2)], exchange: EXCHANGE, ...more });
}

async function running(): Promise<World> {
  const world = new World();
  await world.agent();
  world.link.welcome();
  world.link.tell(deploy());
  await settle();
  world.link.tell({ kind: "run", ...world.region(1) });
  await settle();
  return world;
}

/** A snapshot of keyed subtask `index` of `parallelism`, whose one piece holds all its groups. */
function keyedSnapshot(index: number, parallelism: number, piece: Uint8Array): SubtaskSnapshot {
  const keyGroups = keyGroupRange(index, parallelism);
  const sections: SectionRef[] = [{ kind: "keyed", uid: "count", groups: [keyGroups] }];
  const pieces = [{ digest: digestOf(piece), bytes: piece.length, sections }];
  return { ...snapshotOf(`count.${index}` as SubtaskId, []), keyGroups, pieces };
}

Deno.test("region run: one start carries every subtask of the agent and the exchange, one status answers", async () => {
  const world = await running();
  const start = world.child.commands.map(({ command }) => command)
    .find((command) => command.kind === "start");
  equal(start?.subtasks.map(({ subtaskId }) => subtaskId), ["telemetry.0", "count.1"]);
  equal(start?.exchange, EXCHANGE);
  equal(world.link.statuses(), "restoring restored running");
});

Deno.test("region run: each subtask's snapshot is uploaded and acknowledged on its own (C1)", async () => {
  const world = await running();
  world.trigger(1, 1);
  await settle();
  equal(world.child.kinds().filter((kind) => kind === "trigger").length, 1);
  const [first, second] = [utf8("of the source"), utf8("of the count")];
  await world.snapshot(1, 1, [second], [], "count.1" as SubtaskId);
  await world.grant();
  equal(world.link.of("acknowledge").map(({ subtaskId }) => subtaskId), ["count.1"]);
  await world.snapshot(1, 1, [first]);
  await world.grant();
  equal(world.link.of("acknowledge").map(({ subtaskId }) => subtaskId), ["count.1", SUBTASK]);
  equal(world.uploaded.size, 2);
});

Deno.test("region run: a checkpoint that one subtask declines is given up by that one alone", async () => {
  const world = await running();
  world.trigger(1, 1);
  await settle();
  const of = { regionId: world.region(1).regionId, attempt: world.region(1).attempt };
  const checkpointId = 1 as CheckpointId;
  const subtaskId = "count.1" as SubtaskId;
  const why = { reason: "snapshot-failed", detail: "full" } as const;
  world.child.report({ kind: "declined", ...of, subtaskId, checkpointId, ...why });
  await world.snapshot(1, 1, []);
  equal(world.link.of("decline").map((decline) => decline.subtaskId), ["count.1"]);
  equal(world.link.of("acknowledge").map((acknowledge) => acknowledge.subtaskId), [SUBTASK]);
});

Deno.test("region run: a runner without the region declines for every subtask of the agent", async () => {
  const world = new World();
  await world.agent();
  world.link.welcome();
  // The region's first subtask is on another agent.
  world.link.tell(deploy({ subtasks: [keyed(1, 3), keyed(2, 3)] }));
  await settle();
  world.link.tell({ kind: "run", ...world.region(1) });
  await settle();
  world.trigger(1, 1);
  await settle();
  const { regionId, attempt } = world.region(1);
  const why = { reason: "not-running", detail: "no such attempt" } as const;
  const checkpointId = 1 as CheckpointId;
  world.child.report({
    kind: "declined",
    regionId,
    attempt,
    subtaskId: null,
    checkpointId,
    ...why,
  });
  await settle();
  equal(
    world.link.of("decline").map(({ subtaskId, reason, detail }) => ({
      subtaskId,
      reason,
      detail,
    })),
    [{ subtaskId: "count.1", ...why }, { subtaskId: "count.2", ...why }],
  );
});

Deno.test("region run: a trigger that finds the region not running is declined for every subtask", async () => {
  const world = new World();
  await world.agent();
  world.link.welcome();
  world.link.tell(deploy());
  await settle();
  world.trigger(1, 1);
  await settle();
  equal(
    world.link.of("decline").map(({ subtaskId, reason }) => [subtaskId, reason]),
    [[SUBTASK, "not-running"], ["count.1", "not-running"]],
  );
});

Deno.test("region run: after a rescale only the pieces with key groups of its subtasks are fetched (C8)", async () => {
  const world = new World();
  const own = utf8("telemetry");
  const pieces = [0, 1, 2, 3].map((index) => utf8(`count ${index}`));
  const plan: RestorePlan = {
    checkpointId: 7 as CheckpointId,
    isSavepoint: false,
    snapshots: [
      snapshotOf(SUBTASK, [own]),
      ...pieces.map((piece, index) => keyedSnapshot(index, 4, piece)),
    ],
    urls: {},
    positionFloors: [],
    allowNonRestoredState: false,
  };
  for (const piece of [own, ...pieces]) {
    const url = `http://store/${digestOf(piece)}`;
    plan.urls[digestOf(piece)] = { url, headers: {} };
    world.web.set(`GET ${url}`, () => new Response(piece as Uint8Array<ArrayBuffer>));
  }
  await world.agent();
  world.link.welcome();
  world.link.tell(deploy({ restore: plan }));
  await settle();
  const delivered = world.child.commands.flatMap(({ command }) =>
    command.kind === "restorePiece" ? [command.digest] : []
  );
  equal(delivered, [own, pieces[2]!, pieces[3]!].map(digestOf));
  equal(world.link.statuses(), "restoring restored");
});

Deno.test("region run: the window that fills first is that of any of its subtasks", async () => {
  const world = await running();
  world.child.report({
    kind: "metrics",
    subtasks: [
      metricsOf({ windowSecondsLeft: 40 }),
      metricsOf({ subtaskId: "count.1" as SubtaskId, windowSecondsLeft: null }),
    ],
  });
  await settle();
  world.link.events.onClose("gone");
  await settle();
  await world.pass(11);
  const line = world.logger.lines.find(({ fields }) => fields.windowSecondsLeft === 40);
  equal(line?.fields.windowSecondsLeft, 40);
});
