import { deepEqual, equal, match } from "node:assert/strict";
import { sql } from "drizzle-orm";
import type { Page, Problem } from "@shared/api.ts";
import type { AttemptView } from "@shared/job_api.ts";
import { openTestHub } from "../../tests/support/hub_app.ts";
import { addPastJob } from "../../tests/support/past_checkpoints.ts";
import { attempts } from "../db/schema.ts";
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

Deno.test("history: attempts come newest first, and the list ends before a cursor that it would refuse", async () => {
  const test = await openTestHub();
  await addPastJob(test.hub.db, "j");
  await test.hub.db.execute(sql`
    insert into ${attempts} (job_id, region_id, attempt, agent_id, cause, started_at)
    select 'j', r, n, 'a', 'lease', timestamptz '2026-01-05' + n * interval '1 second'
    from unnest(array['r.0', 'r.1']) r, generate_series(1, 5010) n`);
  const page = async (query: string) => {
    const response = await test.call("GET", `/api/v1/jobs/j/attempts?${query}`);
    equal(response.status, 200, query);
    return await response.json() as Page<AttemptView>;
  };
  const first = await page("limit=3");
  deepEqual(first.items.map(({ regionId, attempt }) => `${regionId}/${attempt}`), [
    ...["r.0/5010", "r.1/5010", "r.0/5009"],
  ]);
  const second = await page(`limit=1&cursor=${first.next}`);
  deepEqual(second.items.map(({ regionId, attempt }) => `${regionId}/${attempt}`), ["r.1/5009"]);
  const last = await page(`limit=50&cursor=${writeCursor(9_950)}`);
  deepEqual([last.items.length, last.next], [50, null]);
  await test.close();
});
