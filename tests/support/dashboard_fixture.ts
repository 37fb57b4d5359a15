/** A hub's HTTP face with a made-up plant behind it, for the dashboard's browser test. */
import type { AlarmView, OperationView, Problem, RollbackPlan } from "@shared/api.ts";
import { ensureBundle } from "../../tools/build/build_bundles.ts";
import { createPlant, type Plant } from "./dashboard_plant.ts";
import {
  checkpointDetail,
  JOB_ID,
  OPERATOR_UID,
  rollbackPlan,
  sampleAt,
  samplesBetween,
} from "./dashboard_plant_history.ts";

export const FIXTURE_TOKEN = "pst_fixture";
const COOKIE = "penstock_session=fixture";
const DASHBOARD = new URL("../../hub/dashboard/", import.meta.url);
const TICK_MS = 500;
const OPERATION_STEPS = 4;
const OPERATION_STEP_MS = 150;

const POLICY =
  "default-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'";

export interface DashboardFixture {
  readonly url: string;
  readonly plant: Plant;
  /** Bodies of the POSTs received, by path, oldest first. */
  readonly posts: readonly { readonly path: string; readonly body: unknown }[];
  /** May be called again. */
  close(): Promise<void>;
}

interface State {
  readonly plant: Plant;
  readonly posts: { path: string; body: unknown }[];
  readonly operations: Map<string, OperationView>;
  readonly listeners: Set<ReadableStreamDefaultController<Uint8Array>>;
  readonly startedMs: number;
}

/** Serves until closed, on a free port of the loopback interface. */
export async function startDashboardFixture(): Promise<DashboardFixture> {
  const bundle = await Deno.readFile(await ensureBundle("dashboard"));
  const state: State = {
    plant: createPlant(Date.now()),
    posts: [],
    operations: new Map(),
    listeners: new Set(),
    startedMs: Date.now(),
  };
  const ticker = setInterval(() => tick(state), TICK_MS);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const url = new URL(request.url);
      if (!url.pathname.startsWith("/api/")) return await page(url.pathname, bundle);
      return await answer(state, request, url);
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    plant: state.plant,
    posts: state.posts,
    async close() {
      clearInterval(ticker);
      for (const listener of state.listeners) listener.close();
      state.listeners.clear();
      await server.shutdown();
    },
  };
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

/** Assets by name; every other path is a view of the dashboard. */
async function page(path: string, bundle: Uint8Array<ArrayBuffer>): Promise<Response> {
  const headers = { "content-security-policy": POLICY };
  if (path === "/assets/main.js") {
    return new Response(bundle, { headers: { ...headers, "content-type": "text/javascript" } });
  }
  const name = /^\/assets\/([a-z_]+\.(?:css|svg))$/.exec(path)?.[1] ?? "index.html";
  if (path.startsWith("/assets/") && name === "index.html") {
    return new Response(null, { status: 404 });
  }
  const type = TYPES[name.slice(name.indexOf(".") + 1)]!;
  const body = await Deno.readFile(new URL(name, DASHBOARD));
  return new Response(body, { headers: { ...headers, "content-type": type } });
}

async function answer(state: State, request: Request, url: URL): Promise<Response> {
  const path = url.pathname.slice("/api/v1".length);
  const isKnown = (request.headers.get("cookie") ?? "").includes(COOKIE);
  const body = request.method === "POST" ? await request.json() : null;
  if (request.method === "POST") state.posts.push({ path, body });
  if (path === "/session") return session(request.method, body);
  if (!isKnown) return problem(401, "token-unknown", "Send a valid token");
  if (request.method === "POST") {
    if (!request.headers.has("idempotency-key")) {
      return problem(400, "idempotency-key-missing", "Send an Idempotency-Key");
    }
    return postTo(state, path, body);
  }
  if (path === "/events") return events(state);
  return getFrom(state, path, url.searchParams);
}

function session(method: string, body: { token?: unknown } | null): Response {
  if (method === "DELETE") {
    const headers = { "set-cookie": "penstock_session=; Path=/; Max-Age=0" };
    return new Response(null, { status: 204, headers });
  }
  if (body?.token !== FIXTURE_TOKEN) return problem(401, "token-unknown", "No such token");
  return Response.json(ME, {
    headers: { "set-cookie": `${COOKIE}; Path=/; HttpOnly; SameSite=Strict` },
  });
}

const ME = { name: "admin", role: "admin", expiresAt: null };

function getFrom(state: State, path: string, query: URLSearchParams): Response {
  const { plant } = state;
  const [noun, id, part, partId] = path.split("/").slice(1).map(decodeURIComponent);
  switch (noun) {
    case "me":
      return Response.json(ME);
    case "jobs":
      return getJob(plant, id ?? null, part ?? null, partId ?? null);
    case "agents":
      return list(plant.agents);
    case "equipment":
      if (id === undefined) return list(plant.equipment);
      return Response.json({
        items: id === "site-south/press-2" ? [] : [samplesBetween(
          id,
          Date.parse(query.get("from")!),
          Date.parse(query.get("to")!),
        )],
      });
    case "alarms":
      return list(plant.alarms.filter((alarm) => isAsked(alarm, query)));
    case "savepoints":
      return list(plant.savepoints.filter((one) => one.jobId === query.get("jobId")));
    case "audit":
      return list(plant.audit);
    case "operations": {
      const operation = state.operations.get(id ?? "");
      return operation === undefined
        ? problem(404, "operation-not-found", `There is no operation "${id}"`)
        : Response.json(operation);
    }
    default:
      return problem(404, "not-found", `There is no ${path}`);
  }
}

function getJob(
  plant: Plant,
  jobId: string | null,
  part: string | null,
  partId: string | null,
): Response {
  if (jobId === null) return list(plant.jobs);
  const job = plant.jobs.find((one) => one.id === jobId);
  if (job === undefined) return problem(404, "job-not-found", `There is no job "${jobId}"`);
  const isMain = jobId === JOB_ID;
  switch (part) {
    case null:
      return Response.json(job);
    case "checkpoints": {
      if (partId === null) return list(isMain ? plant.checkpoints : []);
      const detail = checkpointDetail(plant.checkpoints, Number(partId));
      return detail === null
        ? problem(404, "checkpoint-not-found", `There is no checkpoint "${partId}"`)
        : Response.json(detail);
    }
    case "attempts":
      return list(isMain ? plant.attempts : []);
    case "gaps":
      return list(isMain ? plant.gaps : []);
    default:
      return problem(404, "not-found", `A job has no ${part}`);
  }
}

function isAsked(alarm: AlarmView, query: URLSearchParams): boolean {
  const equipment = query.get("equipment");
  if (equipment !== null && alarm.equipment !== equipment) return false;
  switch (query.get("state")) {
    case "active":
      return alarm.isActive;
    case "unacknowledged":
      return !alarm.isAcknowledged;
    default:
      return true;
  }
}

interface RollbackBody {
  readonly savepointId: string;
  readonly allowGap?: boolean;
  readonly dryRun?: boolean;
  readonly reason?: string;
}

function postTo(state: State, path: string, body: unknown): Response {
  const [noun, id, verb] = path.split("/").slice(1).map(decodeURIComponent);
  if (noun === "alarms" && id === "ack") return acknowledge(state, (body as { ids: string[] }).ids);
  if (noun === "jobs" && verb === "savepoints") {
    return takeSavepoint(state, body as { label?: string });
  }
  if (noun === "jobs" && verb === "rollbacks") return rollBack(state, body as RollbackBody);
  if (noun === "tokens") return Response.json(JOIN_TOKEN, { status: 201 });
  return problem(404, "not-found", `There is no ${path}`);
}

const JOIN_TOKEN = {
  id: "jt-1",
  labels: {},
  createdAt: "2026-03-01T12:00:00Z",
  createdBy: "admin",
  createdByName: "admin",
  expiresAt: "2026-03-01T13:00:00Z",
  usedAt: null,
  usedByAgentId: null,
  revokedAt: null,
  token: "pj_0123456789abcdef_fixture",
  installCommand:
    "curl -fsSL http://127.0.0.1:8080/install.sh | sudo HUB=http://127.0.0.1:8080 TOKEN=pj_0123456789abcdef_fixture sh",
};

function acknowledge(state: State, ids: readonly string[]): Response {
  const { plant } = state;
  const acknowledgedAt = new Date().toISOString();
  const isMeant = (alarm: AlarmView) => ids.includes(alarm.id) && !alarm.isAcknowledged;
  const acknowledged = plant.alarms.filter(isMeant).length;
  plant.alarms = plant.alarms.map((alarm) =>
    isMeant(alarm)
      ? { ...alarm, isAcknowledged: true, acknowledgedBy: "admin", acknowledgedAt }
      : alarm
  );
  send(state, "alarm.acknowledged", JOB_ID, { alarmIds: ids, count: acknowledged });
  return Response.json({ acknowledged });
}

function takeSavepoint(state: State, body: { label?: string }): Response {
  return start(state, "savepoint", () => {
    const at = new Date().toISOString();
    state.plant.savepoints = [{
      id: `sp-${state.plant.savepoints.length}`,
      jobId: JOB_ID,
      jobName: "vibration-watch",
      checkpointId: 242,
      label: body.label ?? null,
      owner: "admin",
      ownerName: "admin",
      claimedByJobId: null,
      status: "completed",
      reason: null,
      createdAt: at,
      completedAt: at,
      fullBytes: 1_500_000,
    }, ...state.plant.savepoints];
    send(state, "savepoint.completed", JOB_ID, {});
    return { savepointId: "sp-3" };
  });
}

function rollBack(state: State, body: RollbackBody): Response {
  const savepoint = state.plant.savepoints.find((one) => one.id === body.savepointId);
  if (savepoint === undefined) return problem(404, "savepoint-not-found", "There is no savepoint");
  const plan: RollbackPlan = rollbackPlan(savepoint, Date.now());
  if (body.dryRun === true) return Response.json(plan);
  if (!body.reason) return problem(400, "reason-missing", "A rollback needs a reason");
  if (body.allowGap !== true) return problem(409, "gap-needs-consent", "It loses records");
  return start(state, "rollback", () => ({ plan, lineage: 3, durationMs: 640 }));
}

/** Starts an operation that goes through its steps and then does `end`. */
function start(state: State, kind: string, end: () => Record<string, unknown>): Response {
  const at = new Date().toISOString();
  const operation: OperationView = {
    id: `op-${state.operations.size + 1}`,
    kind,
    status: "running",
    progress: { done: 0, total: OPERATION_STEPS, phase: "restoring regions" },
    jobId: JOB_ID,
    agentId: null,
    result: null,
    error: null,
    createdAt: at,
    updatedAt: at,
  };
  state.operations.set(operation.id, operation);
  let done = 0;
  const step = setInterval(() => {
    done += 1;
    const isDone = done >= OPERATION_STEPS;
    if (isDone) clearInterval(step);
    state.operations.set(operation.id, {
      ...operation,
      status: isDone ? "succeeded" : "running",
      progress: { ...operation.progress, done },
      result: isDone ? end() : null,
      updatedAt: new Date().toISOString(),
    });
  }, OPERATION_STEP_MS);
  return Response.json(operation, { status: 202 });
}

function events(state: State): Response {
  let own: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      own = controller;
      state.listeners.add(controller);
      controller.enqueue(new TextEncoder().encode(": hello\n\n"));
    },
    cancel: () => void state.listeners.delete(own),
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream" } });
}

function tick(state: State): void {
  const nowMs = Date.now();
  const seconds = (nowMs - state.startedMs) / 1000;
  const sample = (key: string, extra: number) => {
    const { value, score } = sampleAt(nowMs, nowMs);
    return { operatorUid: OPERATOR_UID, key, atMs: nowMs, value: value + extra, score };
  };
  send(state, "samples", JOB_ID, {
    samples: [
      sample("site-north/line-1/pump-17", 0),
      sample("site-north/line-1/pump-18", -15),
      sample("site-north/line-2/fan-3", -40),
    ],
  });
  const metrics = state.plant.jobs[0]!.regions.map((region, index) => {
    const recordsIn = Math.round(120_000 + seconds * (940 + index * 35));
    const operators = state.plant.jobs[0]!.graph.operators.map(({ uid }) => ({
      uid,
      recordsIn: uid === "plant-mqtt" ? 0 : recordsIn,
      recordsOut: uid === OPERATOR_UID ? Math.round(seconds) : recordsIn,
    }));
    return {
      ...region.metrics,
      jobId: JOB_ID,
      regionId: region.regionId,
      attempt: region.attempt,
      recordsIn,
      position: recordsIn,
      busyRatio: index === 0 ? 0.32 + Math.sin(seconds) * 0.05 : 0.94,
      operators,
    };
  });
  send(state, "metrics", JOB_ID, { subtasks: metrics });
}

function send(state: State, type: string, jobId: string, body: Record<string, unknown>): void {
  const event = { id: null, at: new Date().toISOString(), type, jobId, agentId: null, body };
  const text = `event: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
  const bytes = new TextEncoder().encode(text);
  for (const listener of state.listeners) listener.enqueue(bytes);
}

function list<T>(items: readonly T[]): Response {
  return Response.json({ items, next: null });
}

function problem(status: number, code: string, detail: string): Response {
  const body: Problem = { type: "about:blank", title: code, status, detail, code };
  return Response.json(body, { status, headers: { "content-type": "application/problem+json" } });
}

/** `deno run -A tests/support/dashboard_fixture.ts` shows the made-up plant in a browser. */
if (import.meta.main) {
  const fixture = await startDashboardFixture();
  // deno-lint-ignore no-console
  console.log(`${fixture.url}/#token=${FIXTURE_TOKEN}`);
}
