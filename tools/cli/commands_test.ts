import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { JobGraph } from "@shared/job_graph.ts";
import { penstock } from "./main.ts";

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body: Record<string, unknown> | null;
}

type Answer = readonly [status: number, body: unknown];

const JOB = {
  id: "job-1",
  name: "pump-watch",
  desiredState: "running",
  status: "running",
  regionsRunning: 1,
  regionsTotal: 1,
  lastCheckpoint: null,
  activeAlarms: 0,
  createdAt: "2026-01-01T00:00:00Z",
  createdBy: "token:x",
  createdByName: "admin",
};

function operation(kind: string, result: unknown): unknown {
  return {
    id: `op-${kind}`,
    kind,
    status: "succeeded",
    progress: { done: 1, total: 1, phase: "done" },
    jobId: "job-2",
    agentId: null,
    result,
    error: null,
    createdAt: "",
    updatedAt: "",
  };
}

/** Runs one command line against a hub that answers as told. */
async function cli(
  args: readonly string[],
  answerOf: (call: Call) => Answer | undefined,
): Promise<{ code: number; out: string; err: string; calls: Call[] }> {
  const calls: Call[] = [];
  const hub = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const url = new URL(request.url);
    const text = await request.text();
    const call = {
      method: request.method,
      path: url.pathname.replace("/api/v1", "") + url.search,
      body: text === "" ? null : JSON.parse(text) as Record<string, unknown>,
    };
    calls.push(call);
    const [status, body] = call.path.startsWith("/jobs?")
      ? [200, { items: [JOB], next: null }]
      : answerOf(call) ?? [404, {}];
    return Response.json(body, { status });
  });
  try {
    const flags = ["--hub", `http://127.0.0.1:${hub.addr.port}`, "--token", "t"];
    const ran = await penstockRan([...args, ...flags]);
    return { ...ran, calls: calls.filter(({ path }) => !path.startsWith("/jobs?")) };
  } finally {
    await hub.shutdown();
  }
}

/** Runs one command line and keeps what it writes. */
async function penstockRan(
  args: readonly string[],
): Promise<{ code: number; out: string; err: string }> {
  const written = { out: "", err: "" };
  const streams = [["out", Deno.stdout], ["err", Deno.stderr]] as const;
  const originals = streams.map(([, stream]) => stream.writeSync);
  for (const [name, stream] of streams) {
    stream.writeSync = (bytes: Uint8Array) => {
      written[name] += new TextDecoder().decode(bytes);
      return bytes.length;
    };
  }
  try {
    return { code: await penstock(args), ...written };
  } finally {
    for (const [i, [, stream]] of streams.entries()) stream.writeSync = originals[i]!;
  }
}

const SAVEPOINTS = [["s1", "before"], ["s2", null]].map(([id, label]) => ({ id, label }));
const sanitize = { sanitizeOps: false, sanitizeResources: false };
const FILE = "tests/e2e/jobs/count_job.ts";
const BY_TOPICS = "examples/workloads/w4.ts";

Deno.test(
  "cli: rescale names the parallelism, and refuses one that cannot be before it calls",
  sanitize,
  async () => {
    const answer = ({ path }: Call): Answer | undefined =>
      path === "/jobs/job-1/rescale"
        ? [202, operation("rescale", { previousParallelism: 1 })]
        : undefined;
    const ran = await cli(["jobs", "rescale", "pump-watch", "--parallelism", "3"], answer);
    equal(ran.code, 0);
    deepEqual(ran.calls, [{
      method: "POST",
      path: "/jobs/job-1/rescale",
      body: { parallelism: 3 },
    }]);
    match(ran.out, /parallelism 3, before 1/);
    const refused = await cli(["jobs", "rescale", "pump-watch", "--parallelism", "0"], answer);
    deepEqual([refused.code, refused.calls], [2, []]);
    match(refused.err, /1 to 128/);
  },
);

Deno.test(
  "cli: a replacement whose state does not fit touches nothing and says why (S3)",
  sanitize,
  async () => {
    const problem = {
      status: 409,
      code: "savepoint-incompatible",
      detail: "Savepoint checkpoint 5 does not fit this job",
      operators: [{
        uid: "count",
        compatibility: "incompatible",
        reason: "r",
        states: [{ name: "total", compatibility: "incompatible", reason: "is value v2" }],
      }],
    };
    const ran = await cli(
      ["jobs", "deploy", FILE, "--replace", "pump-watch"],
      ({ path }) => path === "/jobs" ? [409, problem] : undefined,
    );
    equal(ran.code, 4);
    deepEqual(ran.calls.map(({ path, body }) => [path, body?.["dryRun"], body?.["replaces"]]), [
      ["/jobs", true, "job-1"],
    ]);
    match(ran.err, /count\.total: incompatible: is value v2/);
  },
);

Deno.test(
  "cli: a replacement is judged, stops the old job with a savepoint, and starts from it (L3)",
  sanitize,
  async () => {
    const ran = await cli(
      ["jobs", "deploy", FILE, "--replace", "pump-watch", "--drain", "--parallelism", "2"],
      ({ path, body }) => {
        if (path === "/jobs") {
          return body?.["dryRun"] === true ? [200, {}] : [202, operation("deploy", null)];
        }
        if (path === "/jobs/job-1/stop") return [202, operation("stop", { savepointId: "s9" })];
        return undefined;
      },
    );
    equal(ran.code, 0, ran.err);
    deepEqual(ran.calls.map(({ path }) => path), ["/jobs", "/jobs/job-1/stop", "/jobs"]);
    deepEqual(ran.calls[1]?.body, { savepoint: true, drain: true });
    const { name, fromSavepoint, parallelism } = ran.calls[2]!.body!;
    deepEqual([name, fromSavepoint, parallelism], ["pump-watch", "s9", 2]);
  },
);

Deno.test(
  "cli: a replacement that cannot start after the stop says where its state is",
  sanitize,
  async () => {
    const ran = await cli(["jobs", "deploy", FILE, "--replace", "pump-watch"], ({ path, body }) => {
      if (path === "/jobs") {
        const problem = { status: 503, code: "bundle-being-deleted", detail: "Repeat" };
        return body?.["dryRun"] === true ? [200, {}] : [503, problem];
      }
      return [202, operation("stop", { savepointId: "s9" })];
    });
    equal(ran.code, 1);
    match(ran.err, /stopped at savepoint s9; nothing of it is lost[^]*--from-savepoint s9/);
  },
);

Deno.test("cli: flags that contradict each other are a usage error", sanitize, async () => {
  for (
    const flags of [
      ["--replace", "pump-watch", "--from-savepoint", "s1"],
      ["--claim"],
      ["--drain"],
      ["--replace", "pump-watch", "--no-wait"],
    ]
  ) {
    const ran = await cli(["jobs", "deploy", FILE, ...flags], () => undefined);
    deepEqual([ran.code, ran.calls], [2, []], flags.join(" "));
  }
});

Deno.test("cli: a job file is checked with the params it is built with", sanitize, async () => {
  const splits = async (...params: string[]) => {
    const ran = await penstockRan(["jobs", "validate", BY_TOPICS, "-o", "json", ...params]);
    equal(ran.code, 0, ran.err);
    const { graph } = JSON.parse(ran.out) as { graph: JobGraph };
    const source = graph.operators[0]?.source;
    return source?.connector === "mqtt" ? source.splits.length : null;
  };
  deepEqual([await splits(), await splits("--param", "topics=a,b,c")], [1, 3]);
  const wrong = await penstockRan(["jobs", "validate", BY_TOPICS, "--param", "topics"]);
  equal(wrong.code, 2);
  match(wrong.err, /Want KEY=VALUE, found "topics"/);
});

Deno.test(
  "cli: saved and stopped without a confirmed end is an exit code of its own case (L3)",
  sanitize,
  async () => {
    const stop = (result: unknown) =>
      cli(["jobs", "stop", "pump-watch", "--savepoint"], () => [202, operation("stop", result)]);
    const clean = await stop({ savepointId: "s1", outcome: "stopped", uncommittedRegions: [] });
    deepEqual([clean.code, clean.out], [0, 'Job "pump-watch" stopped at savepoint s1\n']);
    const late = await stop({
      savepointId: "s1",
      outcome: "stopped-uncommitted",
      uncommittedRegions: ["in.0"],
    });
    equal(late.code, 1);
    match(late.err, /savepoint s1\) and stopped, but in\.0 did not confirm/);
  },
);

Deno.test(
  "cli: the state of a key and the difference of savepoints are shown as tables",
  sanitize,
  async () => {
    const view = {
      operator: "count",
      key: "a b",
      keyGroup: 7,
      subtaskId: "count.0",
      agentId: "x",
      agentName: "gateway",
      savepointId: null,
      states: { total: { $type: "bigint", value: "3" } },
      timers: [],
      eventTimers: [],
      asOf: "2026-01-01T00:00:00Z",
      alsoIn: [],
    };
    const state = await cli(
      ["jobs", "state", "pump-watch", "count", "--key", "a b"],
      () => [200, view],
    );
    deepEqual(state.calls.map(({ path }) => path), ["/jobs/job-1/state/count?key=a+b"]);
    match(state.out, /agent: +gateway[^]*total +\{"\$type":"bigint","value":"3"\}/);
    const side = { states: { total: 1 }, timers: [], eventTimers: [] };
    const found = {
      savepointId: "s1",
      against: "s2",
      operators: [{ operator: "count", added: 1, removed: 0, changed: 0, unchanged: 4 }],
      items: [{
        operator: "count",
        key: "k",
        keyGroup: 1,
        kind: "added",
        before: null,
        after: side,
      }],
      next: null,
    };
    const known = ({ path }: Call): Answer =>
      path === "/savepoints?limit=200" ? [200, { items: SAVEPOINTS, next: null }] : [200, found];
    const diff = await cli(["savepoints", "diff", "before", "s2", "--kind", "added"], known);
    deepEqual(diff.calls.map(({ path }) => path).slice(2), [
      "/savepoints/s1/diff?against=s2&limit=20&kind=added",
    ]);
    match(diff.out, /count +1 +0 +0 +4[^]*count +k +added +- +\{"total":1\}/);
    const missing = await cli(["savepoints", "diff", "s1", "s3"], known);
    equal(missing.code, 3);
    match(missing.err, /No savepoint has the id or label "s3"/);
  },
);

Deno.test("cli: what comes from the plant cannot drive the terminal (S45)", sanitize, async () => {
  const text = "\u001b]0;owned\u0007\u009b2J hot";
  const alarm = { id: "a", priority: "high", state: "active", equipment: "p", raisedAt: "", text };
  const ran = await cli(["alarms", "list"], () => [200, { items: [alarm], next: null }]);
  equal(ran.code, 0);
  // deno-lint-ignore no-control-regex
  ok(!/[\u0007\u001b\u009b]/.test(ran.out), JSON.stringify(ran.out));
  match(ran.out, / hot/);
});

Deno.test("cli: a token with a role has no labels, and the caller is told", sanitize, async () => {
  const flags = ["--role", "viewer", "--label", "line=1"];
  const ran = await cli(["tokens", "create", ...flags], () => [201, {}]);
  deepEqual([ran.code, ran.calls.length], [2, 0]);
  match(ran.err, /--label goes with a join token/);
});
