/**
 * The hub's HTTP face over a database in memory, for tests of routes: no socket, a clock that stands
 * still, job loops that only note that they were woken.
 */
import { openSavedPiece } from "../../agent/state/saved_piece.ts";
import { createApp } from "../../hub/app.ts";
import { hashSecret, newApiSecret } from "../../hub/auth.ts";
import { parseHubFlags } from "../../hub/config.ts";
import type { Db } from "../../hub/db/client.ts";
import { takeReign } from "../../hub/db/hub_state_store.ts";
import { insertApiToken } from "../../hub/db/token_store.ts";
import { createEventFeed, type StoredEventFeed } from "../../hub/event_feed.ts";
import { createLiveState, type MutableLiveState } from "../../hub/live_state.ts";
import type { HubConfig, HubContext } from "../../hub/ports.ts";
import { Notifier, type Outlets } from "../../hub/notifications/notifier.ts";
import { outletsOf } from "../../hub/notifications/outlets.ts";
import { createFailureLimit } from "../../hub/rate_limit.ts";
import { createRefusalLog } from "../../hub/refusal_log.ts";
import { createRequestLimit, type RequestLimitOptions } from "../../hub/request_limit.ts";
import type { HubApp, RouteDeps } from "../../hub/routes/http.ts";
import { openSignals } from "../../hub/series/signals.ts";
import { openSettings } from "../../hub/settings.ts";
import type { Role } from "@shared/api.ts";
import type { Digest } from "@shared/ids.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import type { ObjectStore } from "@shared/object_store.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import { openMemoryDatabase } from "./memory_database.ts";
import { type LoggedLine, recordingLogger } from "./logger.ts";

export interface CallOptions {
  readonly token?: string | null;
  /** A text is sent as it is, everything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly address?: string;
}

export interface TestHub {
  readonly app: HubApp;
  readonly deps: RouteDeps;
  readonly hub: HubContext;
  readonly clock: ManualClock;
  readonly live: MutableLiveState;
  readonly events: StoredEventFeed;
  readonly objects: Map<Digest, Uint8Array>;
  readonly tokens: Readonly<Record<Exclude<Role, "agent">, string>>;
  /** Jobs whose loop was woken, agents that were cut off. */
  readonly woken: string[];
  readonly cut: string[];
  readonly lines: readonly LoggedLine[];
  /** What the next deployment's bundle evaluates to. */
  graph: JobGraph;
  /** What agents answer; nobody answers unless a test says so. */
  queryState: RouteDeps["queryState"];
  /** What the job's loop says; it refuses unless a test says otherwise. */
  cancelOperation: RouteDeps["cancelOperation"];
  /** As admin unless another token is given; null sends none. */
  call(method: string, path: string, options?: CallOptions): Promise<Response>;
  close(): Promise<void>;
}

/**
 * @param database Another one than a fresh one in memory; closed with the hub.
 * @param seed Of ids and secrets; another one for a second hub over the same database.
 * @param outlets Ways out for messages about alarms; the network without a mail server unless given.
 */
export async function openTestHub(
  database?: { readonly db: Db; close(): Promise<void> },
  requestLimit: RequestLimitOptions = { burst: 100_000, perSecond: 100_000 },
  seed = 7,
  outlets?: Outlets,
): Promise<TestHub> {
  const { db, close } = database ?? await openMemoryDatabase();
  const { hub, clock, live, events, objects, lines, signingSecret } = await contextOver(db, seed);
  const woken: string[] = [];
  const cut: string[] = [];
  const tokens = await addTokens(hub);
  const deps: RouteDeps = {
    hub,
    signingSecret,
    hubId: "0123456789abcdef",
    version: "0.0.0",
    wakeJob: (jobId) => void woken.push(jobId),
    fleetChanged() {},
    cancelOperation: (jobId, id) => test.cancelOperation(jobId, id),
    isPossiblyAutonomous: () => false,
    acceptAgent() {},
    cutAgent: (agentId) => void cut.push(agentId),
    extractGraph: () => Promise.resolve(test.graph),
    openPiece: openSavedPiece,
    queryState: (agentId, question) => test.queryState(agentId, question),
    checkBroker: () => Promise.reject(new Error("no broker here")),
    upgradeWebSocket() {
      throw new Error("No sockets in this test");
    },
    assets: { dashboard: () => Promise.resolve(null), apiReference: () => Promise.resolve(null) },
    notifier: new Notifier(hub, outlets ?? outletsOf(NO_OUTLETS), signingSecret),
    loginFailures: createFailureLimit({ failuresMax: 3, windowMs: 60_000 }),
    enrolFailures: createFailureLimit({ failuresMax: 3, windowMs: 60_000 }),
    requests: createRequestLimit(requestLimit),
    refusals: createRefusalLog(hub),
  };
  const app = createApp(deps);
  const test: TestHub = {
    app,
    deps,
    hub,
    clock,
    live,
    events,
    objects,
    tokens,
    woken,
    cut,
    lines,
    graph: testGraph("pump-watch"),
    queryState: () => Promise.resolve({ kind: "refused", reason: "no-answer" }),
    cancelOperation: () =>
      Promise.resolve({ kind: "refused", code: "operation-beyond-cancel", detail: "It goes on" }),
    call: (method, path, options = {}) =>
      callApp(app, method, path, { token: tokens.admin, ...options }),
    async close() {
      await hub.signals.stop();
      await events.flush();
      await close();
    },
  };
  return test;
}

async function contextOver(db: Db, seed: number) {
  const clock = new ManualClock();
  const random = new SeededRandom(seed);
  const { logger, lines } = recordingLogger();
  const { hubTerm, signingSecret } = await takeReign(db, clock, random);
  const live = createLiveState();
  const events = createEventFeed({ db, clock, logger });
  const config = testConfig();
  const settings = await openSettings(db, config);
  const signals = await openSignals({ db, clock, logger, hubTerm, live, settings });
  const objects = new Map<Digest, Uint8Array>();
  const hub: HubContext = {
    config,
    db,
    objects: memoryObjects(objects, clock),
    clock,
    random,
    logger,
    hubTerm,
    events,
    live,
    settings,
    signals,
  };
  return { hub, clock, live, events, objects, lines, signingSecret };
}

const NO_OUTLETS = { allowWebhookTo: [], mail: null };

function testConfig(): HubConfig {
  const settings = parseHubFlags(["--broker", "plant=mqtt://127.0.0.1:1883"], {})!;
  return {
    ...settings.tuning,
    brokers: settings.brokers,
    listen: "127.0.0.1:8080",
    publicUrl: "http://hub.test",
  };
}

async function addTokens(hub: HubContext): Promise<TestHub["tokens"]> {
  const tokens = { viewer: "", operator: "", admin: "" };
  for (const role of ["viewer", "operator", "admin"] as const) {
    tokens[role] = newApiSecret(hub.random);
    await insertApiToken(hub.db, {
      id: hub.random.uuid(),
      name: role,
      role,
      secretHash: hashSecret(tokens[role]),
      nowMs: hub.clock.nowMs(),
      expiresAtMs: null,
    });
  }
  return tokens;
}

async function callApp(
  app: HubApp,
  method: string,
  path: string,
  options: CallOptions,
): Promise<Response> {
  const { token = null, body, address = "192.0.2.1" } = options;
  const headers: Record<string, string> = { ...options.headers };
  if (token !== null) headers["authorization"] = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] ??= "application/json";
  const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
  const init = { method, headers, ...(text === undefined ? {} : { body: text }) };
  return await app.request(path, init, { remoteAddress: address });
}

/** One MQTT source with two splits, one keyed operator, one sink. */
export function testGraph(name: string): JobGraph {
  return {
    version: 1,
    name,
    operators: [
      {
        uid: "telemetry",
        kind: "source",
        label: "mqtt plant",
        isKeyed: false,
        states: [],
        source: {
          connector: "mqtt",
          broker: "plant",
          splits: [{ topics: ["a/+"], near: { line: "1" } }, { topics: ["b/+"], near: {} }],
          receiveMaximum: 65_535,
          sessionExpirySeconds: 86_400,
          whenHubAway: "continue",
          onGap: "continue",
          maxPayloadBytes: 1_000_000,
          peakRate: 1_000,
        },
      },
      {
        uid: "count",
        kind: "mapWithState",
        label: "count",
        isKeyed: true,
        states: [{ name: "state", kind: "value", codecVersion: 1 }],
      },
      {
        uid: "counts",
        kind: "sink",
        label: "mqtt plant",
        isKeyed: false,
        states: [],
        sink: { connector: "mqtt", broker: "plant", delivery: "staged" },
      },
    ],
    edges: [
      { from: "telemetry", to: "count", kind: "keyByLocal" },
      { from: "count", to: "counts", kind: "forward" },
    ],
  };
}

function memoryObjects(objects: Map<Digest, Uint8Array>, clock: ManualClock): ObjectStore {
  return {
    put(digest, bytes) {
      objects.set(digest, bytes);
      return Promise.resolve();
    },
    get: (digest) => Promise.resolve(objects.get(digest) ?? null),
    stat(digest) {
      const bytes = objects.get(digest)?.length;
      return Promise.resolve(bytes === undefined ? null : { bytes, isDigestVerified: true });
    },
    delete(digest) {
      objects.delete(digest);
      return Promise.resolve();
    },
    async *list() {
      for (const [digest, { length: bytes }] of objects) {
        yield { digest, bytes, modifiedAtMs: clock.nowMs() };
      }
    },
    signPut: () => Promise.resolve({ url: "", headers: {} }),
    signGet: () => Promise.resolve({ url: "", headers: {} }),
    check: () => Promise.resolve(),
  };
}
