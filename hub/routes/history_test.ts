import { equal, match } from "node:assert/strict";
import type { Problem } from "@shared/api.ts";
import { openTestHub } from "../../tests/support/hub_app.ts";
import { addPastJob } from "../../tests/support/past_checkpoints.ts";
import { writeCursor } from "./http.ts";

Deno.test("history: times and cursors that no checkpoint can have are the caller's mistake", async () => {
  const test = await openTestHub();
  await addPastJob(test.hub.db, "j");
  const refused = async (query: string) => {
    const response = await test.call("GET", `/api/v1/jobs/j/${query}`);
    equal(response.status, 400, query);
    return (await response.json() as Problem).detail;
  };
  const year0 = "0000-01-01T00:00:00Z";
  match(await refused(`checkpoints?from=${year0}`), /A time is outside/);
  match(await refused(`checkpoints/summary?from=${year0}&to=${year0}`), /A time is outside/);
  match(await refused(`checkpoints?cursor=${writeCursor(1.5)}`), /cursor is not one/);
  await test.close();
});
