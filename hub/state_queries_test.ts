import { deepEqual, equal } from "node:assert/strict";
import type { AgentId, Attempt, JobId, RegionId, SubtaskId } from "@shared/ids.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import type { HubMessage, HubMessageOf, KeyAnswer } from "@shared/messages.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import { StateQueries } from "./state_queries.ts";

const [A, B] = ["a", "b"] as unknown as [AgentId, AgentId];
const QUESTION = {
  jobId: "job" as JobId,
  regionId: "in.0" as RegionId,
  attempt: 1 as Attempt,
  subtaskId: "in.0" as SubtaskId,
  operatorUid: "count",
  key: "k",
};
const FOUND: KeyAnswer = { kind: "absent", asOfMs: 1 };
const NO_ANSWER: KeyAnswer = { kind: "refused", reason: "no-answer" };

function world() {
  const clock = new ManualClock();
  const queries = new StateQueries(clock, new SeededRandom(1));
  const sent: HubMessage[] = [];
  const ask = (isOnline = true) =>
    queries.ask((_, message) => isOnline && sent.push(message) > 0, A, QUESTION);
  const idOf = (index: number) => (sent[index] as HubMessageOf<"queryState">).requestId;
  return { clock, queries, ask, idOf };
}

Deno.test("state queries: each answer goes to its own question", async () => {
  const { queries, ask, idOf } = world();
  const [first, second] = [ask(), ask()];
  queries.answered(A, idOf(1), { kind: "absent", asOfMs: 2 });
  queries.answered(A, idOf(0), FOUND);
  deepEqual(await Promise.all([first, second]), [FOUND, { kind: "absent", asOfMs: 2 }]);
});

Deno.test("state queries: a question ends when nobody answers in time, or the agent is away", async () => {
  const { clock, queries, ask, idOf } = world();
  const asked = ask();
  clock.advance(4_999);
  let isOver = false;
  void asked.then(() => isOver = true);
  await Promise.resolve();
  equal(isOver, false);
  clock.advance(1);
  deepEqual(await asked, NO_ANSWER);
  queries.answered(A, idOf(0), FOUND);
  deepEqual(await ask(false), NO_ANSWER);
});

Deno.test("state queries: the answer of another agent is for nobody", async () => {
  const { clock, queries, ask, idOf } = world();
  const asked = ask();
  queries.answered(B, idOf(0), FOUND);
  clock.advance(5_000);
  deepEqual(await asked, NO_ANSWER);
});
