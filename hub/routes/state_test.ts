import { deepEqual, equal, match } from "node:assert/strict";
import { PiecePacker } from "../../agent/state/piece_codec.ts";
import { encodeSection } from "../../agent/state/snapshot_codec.ts";
import type { OperationView, Problem } from "@shared/api.ts";
import type { KeyStateView, SavepointDiff } from "@shared/state_api.ts";
import { KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import { keyGroupOf, rangesOf } from "@shared/key_groups.ts";
import {
  type GroupRange,
  KEY_HASH_ID,
  type PieceRef,
  type SubtaskSnapshot,
} from "@shared/manifest.ts";
import type { AgentId, SubtaskId } from "@shared/ids.ts";
import { openTestHub, testGraph, type TestHub } from "../../tests/support/hub_app.ts";
import { checkpointRegions, checkpoints, regions, savepoints } from "../db/schema.ts";

const AT = new Date("2026-01-01T00:00:00Z");
type State = Readonly<Record<string, unknown>>;

/** Stores a piece with the entries of `state`, one section for each key group. */
function pack(
  test: TestHub,
  kind: "keyed" | "delta",
  state: State,
  removed: readonly string[] = [],
): PieceRef {
  const packer = new PiecePacker();
  const groups = new Set([...Object.keys(state), ...removed].map(keyGroupOf));
  for (const group of groups) {
    const keys = Object.keys(state).filter((key) => keyGroupOf(key) === group);
    const columns = {
      keys,
      slots: [keys.map((key) => state[key])],
      times: [null],
      timers: keys.map((key) => key === "timed" ? [5] : null),
      eventTimers: keys.map((key) => key === "timed" ? [7, 9] : null),
      removed: removed.filter((key) => keyGroupOf(key) === group),
    };
    packer.add({ kind, uid: "count", group }, encodeSection(columns, "count"));
  }
  const { bytes, digest } = packer.finish();
  test.objects.set(digest, bytes);
  const sections = [{
    kind,
    uid: "count",
    groups: rangesOf([...groups].sort((a, b) => a - b)),
  }];
  return { digest, bytes: bytes.length, sections };
}

function snapshot(
  subtaskId: string,
  pieces: readonly PieceRef[],
  keyGroups: GroupRange | null = null,
): SubtaskSnapshot {
  return {
    version: 1,
    subtaskId: subtaskId as SubtaskId,
    keyGroups,
    keyGroupCount: KEY_GROUP_COUNT,
    keyHash: KEY_HASH_ID,
    operators: [{
      uid: "count",
      states: [{ name: "total", kind: "value", codecVersion: 1 }],
      entryCount: 1,
    }],
    splits: [],
    pieces,
  };
}

async function save(
  test: TestHub,
  jobId: string,
  checkpointId: number,
  snapshots: readonly SubtaskSnapshot[],
): Promise<string> {
  const { db } = test.hub;
  const row = { jobId, checkpointId, status: "completed" };
  await db.insert(checkpoints).values({
    ...row,
    lineage: 1,
    isSavepoint: true,
    trigger: "person",
    triggeredAt: AT,
    endedAt: AT,
  });
  await db.insert(checkpointRegions).values({
    ...row,
    regionId: "telemetry.0",
    attempt: 1,
    agentId: "a",
    completedAt: AT,
    snapshots: [...snapshots],
  });
  const id = `s${checkpointId}`;
  await db.insert(savepoints).values({
    ...row,
    id,
    owner: "x",
    jobName: "pump-watch",
    bundleDigest: "b".repeat(64),
    graph: testGraph("pump-watch"),
    createdAt: AT,
    completedAt: AT,
  });
  return id;
}

async function deployed(test: TestHub): Promise<string> {
  const body = { name: "pump-watch", bundle: "x" };
  const { jobId } = await (await test.call("POST", "/api/v1/jobs", { body }))
    .json() as OperationView;
  return jobId!;
}

Deno.test("state: a key in a savepoint is its last whole section and the deltas behind it", async (t) => {
  const test = await openTestHub();
  const jobId = await deployed(test);
  await save(test, jobId, 1, [
    snapshot("telemetry.0", [
      pack(test, "keyed", { a: 1, b: 2, timed: new Map([["k", 1n]]) }),
      pack(test, "delta", { a: -0 }, ["b"]),
    ]),
    snapshot("telemetry.1", [pack(test, "keyed", { a: 10 })]),
  ]);
  const look = (key: string, savepoint = "s1", operator = "count") =>
    test.call("GET", `/api/v1/jobs/${jobId}/state/${operator}?key=${key}&savepoint=${savepoint}`);
  const view = async (key: string) => await (await look(key)).json() as KeyStateView;

  await t.step("changed by a delta, and in two splits", async () => {
    const { states, subtaskId, alsoIn, keyGroup, asOf, agentId } = await view("a");
    deepEqual(states, { total: { $type: "number", value: "-0" } });
    deepEqual([subtaskId, alsoIn, keyGroup], ["telemetry.0", ["telemetry.1"], keyGroupOf("a")]);
    deepEqual([asOf, agentId], [AT.toISOString(), null]);
  });
  await t.step("with its timers, and a form for what JSON has no word for", async () => {
    const { states, timers, eventTimers } = await view("timed");
    const entries = [["k", { $type: "bigint", value: "1" }]];
    deepEqual(states, { total: { $type: "map", entries } });
    deepEqual([timers, eventTimers], [[5], [7, 9]]);
  });
  await t.step("removed by a delta, never there, no such operator or savepoint: 404", async () => {
    const codeOf = async (response: Response) =>
      [response.status, (await response.json() as Problem).code].join(" ");
    equal(await codeOf(await look("b")), "404 key-not-found");
    equal(await codeOf(await look("zzz")), "404 key-not-found");
    equal(await codeOf(await look("a", "s1", "other")), "404 operator-not-found");
    equal(await codeOf(await look("a", "s9")), "404 savepoint-not-found");
  });
  await t.step("an object that is gone is named", async () => {
    test.objects.clear();
    const response = await look("a");
    equal(response.status >= 500, true);
    match((await response.json() as Problem).detail, /object "[0-9a-f]{64}": it is not there/);
  });
  await test.close();
});

Deno.test("state: a key of the running job is asked of the agent that owns it, in bounded time", async () => {
  const test = await openTestHub();
  const jobId = await deployed(test);
  const look = (operator = "count") =>
    test.call("GET", `/api/v1/jobs/${jobId}/state/${operator}?key=a`, {
      token: test.tokens.viewer,
    });
  equal((await look()).status, 503);
  await test.hub.db.update(regions).set({ status: "running", attempt: 2, agentId: "agent" });
  const silent = await look();
  deepEqual([silent.status, (await silent.json() as Problem).code], [503, "state-unavailable"]);
  const asked: unknown[] = [];
  test.queryState = (agentId, question) => {
    asked.push([agentId, question.subtaskId, question.attempt, question.operatorUid, question.key]);
    const asOfMs = AT.getTime();
    return Promise.resolve(
      question.subtaskId === "telemetry.1"
        ? { kind: "found", states: { total: 3 }, timers: [], eventTimers: [1], asOfMs }
        : { kind: "absent", asOfMs },
    );
  };
  const view = await (await look()).json() as KeyStateView;
  deepEqual([view.subtaskId, view.agentId, view.states, view.eventTimers, view.asOf], [
    "telemetry.1",
    "agent",
    { total: 3 },
    [1],
    AT.toISOString(),
  ]);
  deepEqual(asked, [
    ["agent" as AgentId, "telemetry.0", 2, "count", "a"],
    ["agent" as AgentId, "telemetry.1", 2, "count", "a"],
  ]);
  test.queryState = () => Promise.resolve({ kind: "absent", asOfMs: 0 });
  equal((await (await look()).json() as Problem).code, "key-not-found");
  equal((await (await look("counts")).json() as Problem).code, "operator-not-keyed");
  await test.close();
});

Deno.test("diff: counts and pages what differs by key, whatever the parallelism of the two", async () => {
  const test = await openTestHub();
  const jobId = await deployed(test);
  const keys = Array.from({ length: 300 }, (_, i) => `key-${i}`);
  const before = Object.fromEntries(keys.slice(0, 200).map((key, i) => [key, { n: i }]));
  const after = Object.fromEntries(
    keys.slice(50).map((key, i) => [key, { n: i + 50 < 100 ? -1 : i + 50 }]),
  );
  const half = (state: State, [from, to]: GroupRange): State =>
    Object.fromEntries(
      Object.entries(state).filter(([key]) => keyGroupOf(key) >= from && keyGroupOf(key) <= to),
    );
  await save(test, jobId, 1, [snapshot("count.0", [pack(test, "keyed", before)], [0, 127])]);
  const ranges: GroupRange[] = [[0, 63], [64, 127]];
  await save(
    test,
    jobId,
    2,
    ranges.map((range, i) =>
      snapshot(`count.${i}`, [pack(test, "keyed", half(after, range))], range)
    ),
  );
  const page = async (query: string) =>
    await (await test.call("GET", `/api/v1/savepoints/s1/diff?against=s2${query}`))
      .json() as SavepointDiff;
  const first = await page("&limit=70");
  deepEqual(first.operators, [
    { operator: "count", added: 100, removed: 50, changed: 50, unchanged: 100 },
  ]);
  const seen = [...first.items];
  for (let next = first.next; next !== null;) {
    const more = await page(`&limit=70&cursor=${next}`);
    deepEqual(more.operators, []);
    seen.push(...more.items);
    next = more.next;
  }
  equal(seen.length, 200);
  equal(new Set(seen.map(({ key }) => key)).size, 200);
  const of = (key: string) => seen.find((item) => item.key === key);
  equal(of("key-0")?.kind, "removed");
  deepEqual(of("key-60"), {
    operator: "count",
    key: "key-60",
    keyGroup: keyGroupOf("key-60"),
    kind: "changed",
    before: { states: { total: { n: 60 } }, timers: [], eventTimers: [] },
    after: { states: { total: { n: -1 } }, timers: [], eventTimers: [] },
  });
  const added = await page("&kind=added&limit=200");
  deepEqual([added.items.length, new Set(added.items.map(({ kind }) => kind))], [
    100,
    new Set(["added"]),
  ]);
  deepEqual((await page("&operator=none")).operators, []);
  equal((await test.call("GET", "/api/v1/savepoints/s1/diff?against=none")).status, 404);
  await test.close();
});
