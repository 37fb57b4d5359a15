import { equal, match, rejects } from "node:assert/strict";
import type { OperationView } from "@shared/api.ts";
import type { WaitFlags } from "./flags.ts";
import { CliError, type HubApi, HubAway } from "./hub_api.ts";
import { follow } from "./operations.ts";
import { Printer } from "./output.ts";

const RUNNING = {
  id: "op-1",
  kind: "rollback",
  status: "running",
  progress: { done: 0, total: 2, phase: "stopping" },
} as OperationView;
const FLAGS: WaitFlags = { headers: true, quiet: true, wait: true, timeout: 30 };

/** Follows an operation of a hub that answers each question in its turn, the last one for ever. */
function followed(answers: readonly (() => OperationView)[], flags: WaitFlags = FLAGS) {
  let asked = 0;
  const operation = () =>
    Promise.try(answers[Math.min(asked++, answers.length - 1)]!) as Promise<OperationView>;
  const api = { operation } as unknown as HubApi;
  const out = new Printer({ format: "table", hasHeaders: true, isQuiet: true });
  return follow({ api, out }, RUNNING, flags);
}

const away = () => {
  throw new HubAway("Cannot reach the hub", 1);
};
const problem = (status: number) => () => {
  const code = "not-ready";
  throw new CliError(code, 1, { type: "", title: "", status, detail: "", code, instance: "" });
};
const ended = (): OperationView => ({ ...RUNNING, status: "succeeded" });

Deno.test("cli: a wait goes on while the hub is away, and ends with its operation", async () => {
  const last = await followed([away, problem(503), ended]);
  equal(last?.status, "succeeded");
});

Deno.test("cli: a hub that stays away is exit code 5 with the id of the operation", async () => {
  await rejects(followed([away], { ...FLAGS, timeout: 1 }), (thrown: CliError) => {
    equal(thrown.exitCode, 5);
    match(thrown.message, /operations wait op-1/);
    return true;
  });
});

Deno.test("cli: what the hub refuses ends a wait at once", async () => {
  await rejects(followed([problem(403)]), /not-ready/);
});
