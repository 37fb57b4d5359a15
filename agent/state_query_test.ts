import { deepStrictEqual as equal } from "node:assert/strict";
import type { Attempt } from "@shared/ids.ts";
import { REGION, settle, SUBTASK, World } from "./testdata/fake_world.ts";

function ask(world: World, attempt: number): void {
  world.link.tell({
    kind: "queryState",
    ...world.region(attempt),
    requestId: "r1",
    subtaskId: SUBTASK,
    operatorUid: "count",
    key: "a",
  });
}

Deno.test("agent: a question about state goes to the runner, its answer to the hub", async () => {
  const world = new World();
  await world.running(1);
  ask(world, 1);
  await settle();
  const asked = world.child.commands.map(({ command }) => command)
    .find(({ kind }) => kind === "queryState");
  equal(asked, {
    kind: "queryState",
    requestId: "r1",
    subtaskId: SUBTASK,
    operatorUid: "count",
    key: "a",
    regionId: REGION,
    attempt: 1 as Attempt,
  });
  const answer = { kind: "absent", asOfMs: 5 } as const;
  world.child.report({
    kind: "stateAnswer",
    regionId: REGION,
    attempt: 1 as Attempt,
    requestId: "r1",
    answer,
  });
  await settle();
  equal(world.link.of("stateAnswer"), [{ kind: "stateAnswer", requestId: "r1", answer }]);
});

Deno.test("agent: a question about what it does not run is refused at once (F3)", async () => {
  const world = new World();
  await world.agent();
  world.link.welcome();
  ask(world, 3);
  await settle();
  equal(world.link.of("stateAnswer"), [{
    kind: "stateAnswer",
    requestId: "r1",
    answer: { kind: "refused", reason: "not-running" },
  }]);
});

Deno.test("agent: a job's sources keep the sessions of the job it goes on from", async () => {
  const world = new World();
  await world.agent();
  world.link.welcome();
  await world.deployAndRun(1, { sessionJobId: "job-before" as never });
  const init = world.child.commands.map(({ command }) => command).find(({ kind }) =>
    kind === "init"
  );
  equal(init?.kind === "init" ? [init.jobId, init.sessionJobId] : null, ["job-1", "job-before"]);
});
