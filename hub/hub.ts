/**
 * Wires the hub: database, object store, loops, agents' sessions, HTTP.
 *
 * Touches the world through the ports it is given. Crash-only (H1): a start does the same after a kill
 * as after an orderly stop, and an orderly stop is only quicker.
 *
 *   listen (answers 503) ─▶ open and migrate the database ─▶ take the reign ─▶ loops ─▶ answer
 *
 * @module
 */
import type { LogView } from "@shared/api.ts";
import { messageOf, PenstockError } from "@shared/errors.ts";
import type { Clock } from "@shared/clock.ts";
import type { LocalFiles } from "@shared/local_files.ts";
import type { Logger } from "@shared/logger.ts";
import type { BrokerConfig } from "@shared/messages.ts";
import type { ObjectStore } from "@shared/object_store.ts";
import type { Random } from "@shared/random.ts";
import { type AgentSessions, createAgentSessions } from "./agent_sessions.ts";
import { startAlarms } from "./alarm_loop.ts";
import { createApp } from "./app.ts";
import { hashSecret, hubIdOf, newApiSecret } from "./auth.ts";
import type { HubSettings } from "./config.ts";
import { type Db, openDatabase, type OpenedDatabase } from "./db/client.ts";
import { appendAudit } from "./db/audit_store.ts";
import { dropUnfinishedRequests } from "./db/idempotency_store.ts";
import { type Reign, takeReign, withReign } from "./db/hub_state_store.ts";
import { countApiTokens, insertApiToken } from "./db/token_store.ts";
import { createEventFeed } from "./event_feed.ts";
import { GarbageLoop } from "./garbage_loop.ts";
import type { ExtractGraph } from "./graph_extractor/graph_extractor.ts";
import { startForgetting } from "./history_retention.ts";
import { createJobLoops, type RunningJobLoops } from "./job_loops.ts";
import type { LogBook } from "./log_book.ts";
import { createLiveState, type MutableLiveState } from "./live_state.ts";
import type { EventFeed, FailPoint, HubConfig, HubContext } from "./ports.ts";
import type { Notifier } from "./notifications/notifier.ts";
import { outletsOf } from "./notifications/outlets.ts";
import { createFailureLimit } from "./rate_limit.ts";
import { createRefusalLog } from "./refusal_log.ts";
import { createRequestLimit, REQUEST_LIMIT } from "./request_limit.ts";
import type { Assets, RouteDeps } from "./routes/http.ts";
import type { OpenSavedPiece } from "./saved_state.ts";
import { openSignals } from "./series/signals.ts";
import { openSettings } from "./settings.ts";
import { StateQueries } from "./state_queries.ts";

export const HUB_VERSION = "0.1.0";

/** Wrong tokens of one address before it has to wait (S44). */
const FAILURE_LIMIT = { failuresMax: 20, windowMs: 60_000 };

/** What a hub needs of the machine. */
export interface HubWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Where `logger` and the agents' lines are kept for people to read; left out: nowhere. */
  readonly logs?: LogBook;
  /** Makes traces of what the hub does; left out: none are made. */
  readonly startTracing?: (hub: HubContext) => () => void;
  readonly files: LocalFiles;
  readonly assets: Assets;
  readonly extractGraph: ExtractGraph;
  readonly openPiece: OpenSavedPiece;
  lockDirectory(directory: string): Promise<() => void>;
  openObjectStore(
    spec: string,
    options: { readonly publicUrl: string; readonly signingSecret: string },
  ): ObjectStore;
  checkBroker(broker: BrokerConfig): Promise<void>;
  serve(
    answer: (request: Request, remoteAddress: string) => Response | Promise<Response>,
  ): { readonly port: number; close(): Promise<void> };
  upgradeWebSocket(request: Request): { readonly socket: WebSocket; readonly response: Response };
  readonly failPoint?: (name: FailPoint) => void;
}

export interface RunningHub {
  readonly url: string;
  readonly config: HubConfig;
  /** Set at the first start over a database: shown once. */
  readonly newAdminToken: string | null;
  readonly adminTokenFile: string;
  /** Resolves with the reason when the hub has to end by itself: another one took over. */
  readonly deposed: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts a hub; it answers when this resolves.
 *
 * @throws {PenstockError} When the address, the database or the object store cannot be had.
 */
export async function startHub(settings: HubSettings, world: HubWorld): Promise<RunningHub> {
  let answer: Parameters<HubWorld["serve"]>[0] = answerStarting;
  const server = listen(settings, world, (request, address) => answer(request, address));
  let database: OpenedDatabase | null = null;
  try {
    const config = configOf(settings, server.port);
    database = await openDatabase(locationOf(settings), world);
    const parts = await wire(settings, world, config, database.db);
    const app = createApp(parts.deps);
    answer = (request, remoteAddress) => app.fetch(request, { remoteAddress });
    const url = config.publicUrl;
    world.logger.info("Hub started", { url, hubTerm: parts.ctx.hubTerm, database: database.kind });
    const { close } = database;
    return {
      url,
      config,
      newAdminToken: parts.newAdminToken,
      adminTokenFile: adminTokenFile(settings),
      deposed: parts.deposed,
      async stop() {
        await parts.stop();
        await server.close();
        await close();
        world.logger.info("Hub stopped");
      },
    };
  } catch (thrown) {
    await server.close();
    await database?.close();
    throw thrown;
  }
}

interface Parts {
  readonly ctx: HubContext;
  readonly deps: RouteDeps;
  readonly newAdminToken: string | null;
  readonly deposed: Promise<string>;
  stop(): Promise<void>;
}

async function wire(
  settings: HubSettings,
  world: HubWorld,
  config: HubConfig,
  db: Db,
): Promise<Parts> {
  const { clock, random, logger } = world;
  const reign = await takeReign(db, clock, random);
  await dropUnfinishedRequests(db);
  const { signingSecret } = reign;
  const objects = world.openObjectStore(
    settings.objectStore ?? `file:${settings.dataDir}/objects`,
    { publicUrl: config.publicUrl, signingSecret },
  );
  const live = createLiveState();
  const events = createEventFeed({ db, clock, logger });
  const running = await openSettings(db, config);
  const { hubTerm } = reign;
  const signals = await openSignals({ db, clock, logger, hubTerm, live, settings: running });
  const ctx = {
    config,
    db,
    objects,
    clock,
    random,
    logger,
    hubTerm,
    events,
    live,
    settings: running,
    signals,
    ...(world.logs === undefined ? {} : { logs: world.logs }),
    ...(world.failPoint === undefined ? {} : { failPoint: world.failPoint }),
  } satisfies HubContext & { live: MutableLiveState };
  const newAdminToken = await ensureAdminToken(settings, ctx, world.files);
  const deposed = Promise.withResolvers<string>();
  const loops = createJobLoops(ctx, {
    onDeposed: (error) => deposed.resolve(messageOf(error)),
    onJobOver: (jobId) => live.forgetJob(jobId),
  });
  const queries = new StateQueries(clock, random);
  const sessions = createAgentSessions({ ...ctx, queries }, loops);
  await loops.start(sessions);
  await sessions.start();
  const garbage = new GarbageLoop(ctx);
  garbage.start();
  const stopForgetting = startForgetting(ctx);
  const alarms = startAlarms(ctx, outletsOf(settings), signingSecret);
  const stopTelling = world.logs?.subscribe((line) => tellLine(events, line));
  const stopTracing = world.startTracing?.(ctx);
  events.publish("hub.started", {}, { version: HUB_VERSION, hubTerm: reign.hubTerm });
  const stop = async () => {
    stopTelling?.();
    stopTracing?.();
    sessions.stop();
    await loops.stop();
    await garbage.stop();
    await alarms.stop();
    await stopForgetting();
    await signals.stop();
    await events.flush();
  };
  const { notifier } = alarms;
  const deps = routeDeps({ ctx, world, reign, loops, sessions, queries, notifier });
  return { ctx, deps, newAdminToken, deposed: deposed.promise, stop };
}

function routeDeps(
  { ctx, world, reign, loops, sessions, queries, notifier }: {
    readonly ctx: HubContext;
    readonly world: HubWorld;
    readonly reign: Reign;
    readonly loops: RunningJobLoops;
    readonly sessions: AgentSessions;
    readonly queries: StateQueries;
    readonly notifier: Notifier;
  },
): RouteDeps {
  return {
    hub: ctx,
    signingSecret: reign.signingSecret,
    hubId: hubIdOf(reign.signingSecret),
    version: HUB_VERSION,
    wakeJob: (jobId) => loops.wake(jobId),
    fleetChanged: () => loops.fleetChanged(),
    cancelOperation: (jobId, id) => loops.cancelOperation(jobId, id),
    isPossiblyAutonomous: (jobId, regionId) => loops.isPossiblyAutonomous(jobId, regionId),
    acceptAgent: (socket, agent, address) => sessions.accept(socket, agent, address),
    cutAgent: (agentId, reason) => sessions.cut(agentId, reason),
    extractGraph: world.extractGraph,
    openPiece: world.openPiece,
    queryState: (agentId, question) =>
      queries.ask((to, message) => sessions.send(to, message), agentId, question),
    checkBroker: (broker) => world.checkBroker(broker),
    upgradeWebSocket: (request) => world.upgradeWebSocket(request),
    assets: world.assets,
    notifier,
    loginFailures: createFailureLimit(FAILURE_LIMIT),
    enrolFailures: createFailureLimit(FAILURE_LIMIT),
    requests: createRequestLimit(REQUEST_LIMIT),
    refusals: createRefusalLog(ctx),
  };
}

/** A line of a log goes to who listens now; it is not stored. */
function tellLine(events: EventFeed, line: LogView): void {
  const { jobId } = line.fields;
  events.push("log", typeof jobId === "string" ? { jobId } : {}, { ...line });
}

/** Makes the first token of a database; the file may be deleted once it was read. */
async function ensureAdminToken(
  settings: HubSettings,
  ctx: HubContext,
  files: LocalFiles,
): Promise<string | null> {
  if (await countApiTokens(ctx.db) > 0) return null;
  const secret = newApiSecret(ctx.random);
  // The file comes first: a crash in between leaves a file without a token, and the next start repeats.
  await files.writeDurably(
    adminTokenFile(settings),
    new TextEncoder().encode(`${secret}\n`),
    0o600,
  );
  const nowMs = ctx.clock.nowMs();
  const id = ctx.random.uuid();
  await withReign(ctx.db, ctx.hubTerm, async (tx) => {
    await insertApiToken(tx, {
      id,
      name: "admin",
      role: "admin",
      secretHash: hashSecret(secret),
      nowMs,
      expiresAtMs: null,
    });
    await appendAudit(tx, {
      atMs: nowMs,
      principal: "hub",
      role: "hub",
      action: "token.bootstrap",
      subject: `token:${id}`,
      reason: null,
      outcome: "done",
      remoteAddress: "",
      fields: {},
    });
  });
  return secret;
}

function adminTokenFile(settings: HubSettings): string {
  return `${settings.dataDir}/admin-token`;
}

function locationOf({ databaseUrl, dataDir }: HubSettings) {
  return databaseUrl === null ? { dataDir: `${dataDir}/database` } : { databaseUrl };
}

function configOf(settings: HubSettings, port: number): HubConfig {
  const { hostname, publicUrl, tlsFiles, brokers, tuning } = settings;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const listenedAt = `${tlsFiles === null ? "http" : "https"}://${host}:${port}`;
  return { ...tuning, brokers, listen: `${host}:${port}`, publicUrl: publicUrl ?? listenedAt };
}

function listen(
  settings: HubSettings,
  world: HubWorld,
  answer: Parameters<HubWorld["serve"]>[0],
): ReturnType<HubWorld["serve"]> {
  try {
    return world.serve(answer);
  } catch (cause) {
    const { hostname, port } = settings;
    throw new PenstockError(
      `Cannot listen on ${hostname}:${port}: ${messageOf(cause)}. Choose another with --listen`,
      { code: "address-unusable", domain: "user", cause },
    );
  }
}

function answerStarting(): Response {
  const problem = {
    type: "urn:penstock:problem:hub-starting",
    title: "Not available now",
    status: 503,
    detail: "The hub is starting",
    code: "hub-starting",
  };
  const headers = { "content-type": "application/problem+json", "retry-after": "1" };
  return new Response(JSON.stringify(problem), { status: 503, headers });
}
