/**
 * What the hub does with each message of an agent.
 *
 * Touches the database, the object store and the job loops. Called for one message of an agent after
 * the other.
 *
 * @module
 */
import { messageOf } from "@shared/errors.ts";
import type { AgentId, Digest } from "@shared/ids.ts";
import type { AgentMessage, AgentMessageOf, HubMessage } from "@shared/messages.ts";
import { publishNews } from "./alarm_news.ts";
import { verifyStored } from "./blob_verification.ts";
import { recordEdges } from "./db/alarm_store.ts";
import { markStored, requestUpload, storedAmong } from "./db/blob_store.ts";
import { insertGaps } from "./db/gap_store.ts";
import { withReign } from "./db/hub_state_store.ts";
import type { MutableLiveState } from "./live_state.ts";
import type { HubContext, JobLoops } from "./ports.ts";
import type { StateQueries } from "./state_queries.ts";

/** Pins outlive the checkpoint that asked for them by this. */
const PIN_SPARE_MS = 60_000;

/** An agent whose credential was checked. */
export interface KnownAgent {
  readonly id: AgentId;
  readonly name: string;
}

/** The hub's context with the side of the live state that agents fill. */
export interface SessionsContext extends HubContext {
  readonly live: MutableLiveState;
  /** Where answers about state go; left out: nobody asks. */
  readonly queries?: StateQueries;
}

/** The channel a message came by. */
export interface MessageSource {
  readonly agent: KnownAgent;
  send(message: HubMessage): boolean;
}

type Handled = Exclude<AgentMessage, { kind: "heartbeat" | "goodbye" }>;

/** Handles one message; resolves when the next may be handled. */
export async function answerMessage(
  ctx: SessionsContext,
  loops: JobLoops,
  from: MessageSource,
  message: Handled,
): Promise<void> {
  switch (message.kind) {
    case "hello":
      return await loops.agentArrived(from.agent.id, message.regions);
    case "status":
    case "decline":
    case "requestCheckpoint":
      return await loops.deliver(from.agent.id, message);
    case "acknowledge":
      return await onAcknowledge(ctx, loops, from, message);
    case "uploadRequest":
      return await onUploadRequest(ctx, loops, from, message);
    case "askOwnership":
      return await onAskOwnership(loops, from, message);
    case "alarms":
      return await onAlarms(ctx, from, message);
    case "samples":
      return await onSamples(ctx, from, message);
    case "equipment":
      return await ctx.signals.recordPlaces(message.jobId, message.places);
    case "metrics":
      return onMetrics(ctx, from, message);
    case "stateAnswer":
      return ctx.queries?.answered(from.agent.id, message.requestId, message.answer);
    case "logs":
      return ctx.logs?.addAgents(from.agent.name, message.lines);
    case "event":
      return await onEvent(ctx, loops, from, message);
  }
}

type AboutRegion = Pick<AgentMessageOf<"uploadRequest">, "jobId" | "regionId" | "attempt">;

/** Whether the sender runs the region's current attempt; if not, it is told (F3). */
async function isCurrent(
  loops: JobLoops,
  from: MessageSource,
  about: AboutRegion,
): Promise<boolean> {
  const { jobId, regionId, attempt } = about;
  const owner = await loops.ownership(from.agent.id, jobId, regionId);
  if (owner !== null && owner.isOwner && owner.currentAttempt === attempt) return true;
  if (owner !== null && owner.currentAttempt >= attempt) {
    const { currentAttempt } = owner;
    from.send({ kind: "stale", jobId, regionId, attempt, currentAttempt });
  }
  return false;
}

async function onUploadRequest(
  ctx: SessionsContext,
  loops: JobLoops,
  from: MessageSource,
  message: AgentMessageOf<"uploadRequest">,
): Promise<void> {
  const { requestId, jobId, regionId, attempt, checkpointId, blobs } = message;
  const refuse = (reason: string) => from.send({ kind: "uploadRefused", requestId, reason });
  if (!await isCurrent(loops, from, message)) return void refuse("stale");
  try {
    const nowMs = ctx.clock.nowMs();
    const pinUntilMs = nowMs + ctx.config.checkpointTimeoutMs + PIN_SPARE_MS;
    const owner = { jobId, regionId, attempt, checkpointId };
    const answers = await withReign(ctx.db, ctx.hubTerm, (tx) =>
      requestUpload(tx, owner, blobs, {
        nowMs,
        pinUntilMs,
      }));
    if (answers.some(({ kind }) => kind === "deleting")) return void refuse("being-deleted");
    const byDigest = new Map(answers.map((answer) => [answer.digest, answer]));
    const granted = await Promise.all(blobs.map(async ({ digest, bytes }) => ({
      digest,
      put: byDigest.get(digest)!.kind === "have" ? null : await ctx.objects.signPut(digest, bytes),
    })));
    from.send({ kind: "uploadGrant", requestId, blobs: granted });
  } catch (thrown) {
    ctx.logger.warn("Uploads could not be granted", { jobId, regionId, error: messageOf(thrown) });
    refuse("hub-unable");
  }
}

/** Counts only what is stored whole and right; otherwise the subtask has declined (C1, S16). */
async function onAcknowledge(
  ctx: SessionsContext,
  loops: JobLoops,
  from: MessageSource,
  message: AgentMessageOf<"acknowledge">,
): Promise<void> {
  if (!await isCurrent(loops, from, message)) return;
  const problem = await problemOf(ctx, message);
  if (problem === null) return await loops.deliver(from.agent.id, message);
  ctx.logger.warn("Acknowledged blobs are not stored", {
    agentId: from.agent.id,
    jobId: message.jobId,
    regionId: message.regionId,
    checkpointId: message.checkpointId,
    problem,
  });
  const { jobId, regionId, attempt, subtaskId, checkpointId } = message;
  await loops.deliver(from.agent.id, {
    kind: "decline",
    jobId,
    regionId,
    attempt,
    subtaskId,
    checkpointId,
    reason: "upload-failed",
    detail: problem,
  });
}

/** What is wrong with the blobs of a snapshot, or null; verified ones are marked as stored. */
async function problemOf(
  ctx: SessionsContext,
  message: AgentMessageOf<"acknowledge">,
): Promise<string | null> {
  const pieces = new Map(message.snapshot.pieces.map(({ digest, bytes }) => [digest, bytes]));
  const stored = await storedAmong(ctx.db, [...pieces.keys()]);
  const fresh = [...pieces].filter(([digest]) => !stored.has(digest));
  const problems = await Promise.all(fresh.map(([digest, bytes]) => verify(ctx, digest, bytes)));
  const problem = problems.find((found) => found !== null) ?? null;
  if (problem !== null || fresh.length === 0) return problem;
  await withReign(ctx.db, ctx.hubTerm, (tx) =>
    markStored(
      tx,
      fresh.map(([digest]) => digest),
      ctx.clock.nowMs(),
    ));
  return null;
}

async function verify(ctx: SessionsContext, digest: Digest, bytes: number): Promise<string | null> {
  try {
    const verdict = await verifyStored(ctx.objects, digest, bytes);
    return verdict.kind === "verified" ? null : `Blob ${digest} is ${verdict.kind}`;
  } catch (thrown) {
    return `Blob ${digest} could not be verified: ${messageOf(thrown)}`;
  }
}

async function onAskOwnership(
  loops: JobLoops,
  from: MessageSource,
  message: AgentMessageOf<"askOwnership">,
): Promise<void> {
  const { jobId, regionId, attempt, requestId } = message;
  const isOwner = await isCurrent(loops, from, message);
  from.send({ kind: "ownership", jobId, regionId, attempt, requestId, isOwner });
}

/** Acknowledged only when stored; an agent repeats what was not, and edges are taken in once. */
async function onAlarms(
  ctx: SessionsContext,
  from: MessageSource,
  message: AgentMessageOf<"alarms">,
): Promise<void> {
  const news = await recordEdges(ctx.db, message.edges, ctx.clock.nowMs());
  from.send({ kind: "alarmsStored", seq: message.seq });
  publishNews(ctx.events, news, { agentId: from.agent.id });
}

async function onSamples(
  ctx: SessionsContext,
  from: MessageSource,
  message: AgentMessageOf<"samples">,
): Promise<void> {
  const { jobId, samples } = message;
  ctx.events.push("samples", { jobId, agentId: from.agent.id }, { samples });
  await ctx.signals.recordSamples(jobId, samples);
}

function onMetrics(
  ctx: SessionsContext,
  from: MessageSource,
  message: AgentMessageOf<"metrics">,
): void {
  const subtasks = message.subtasks.filter((report) => {
    const known = ctx.live.metrics.get(`${report.jobId}/${report.regionId}`);
    return known === undefined || known.attempt <= report.attempt;
  });
  for (const report of subtasks) {
    ctx.signals.recordMetrics(ctx.live.recordMetrics(report, ctx.clock.nowMs()));
  }
  ctx.events.push("metrics", { agentId: from.agent.id }, { subtasks });
}

async function onEvent(
  ctx: SessionsContext,
  loops: JobLoops,
  from: MessageSource,
  message: AgentMessageOf<"event">,
): Promise<void> {
  const { jobId, regionId, attempt, event } = message;
  const [sourceUid, splitIndex] = splitOf(message);
  if (event.type === "broker-profile") {
    const isNews = ctx.live.recordBrokerProfile(jobId, `${sourceUid}.${splitIndex}`, event);
    if (!isNews) return;
  }
  ctx.events.publish(`region.${event.type}`, { jobId, agentId: from.agent.id }, {
    regionId,
    attempt,
    detail: event.detail,
    fields: event.fields,
  });
  if (event.type !== "session-lost" || !await isCurrent(loops, from, message)) return;
  const number = (name: string) => {
    const value = event.fields[name];
    return typeof value === "number" ? value : null;
  };
  const gap = {
    id: ctx.random.uuid(),
    jobId,
    regionId,
    sourceUid,
    splitIndex,
    cause: "session-lost" as const,
    fromPosition: number("position"),
    // Nobody knows how many the broker dropped.
    toPosition: null,
    fromAtMs: number("fromMs"),
    toAtMs: number("toMs"),
    savepointId: null,
    nowMs: ctx.clock.nowMs(),
  };
  await withReign(ctx.db, ctx.hubTerm, (tx) => insertGaps(tx, [gap]));
  const { nowMs: _nowMs, ...body } = gap;
  ctx.events.publish("gap.recorded", { jobId }, body);
}

/** The split that a source spoke of; that of the region's name where the event does not say. */
function splitOf({ regionId, event }: AgentMessageOf<"event">): [string, number] {
  const { sourceUid, splitIndex } = event.fields;
  if (typeof sourceUid === "string" && typeof splitIndex === "number") {
    return [sourceUid, splitIndex];
  }
  const dot = regionId.lastIndexOf(".");
  return [regionId.slice(0, dot), Number(regionId.slice(dot + 1))];
}
