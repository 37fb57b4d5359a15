/**
 * The agents' control channels: who is connected, who holds a lease, what an agent says.
 *
 * Touches the sockets, the database and the object store.
 *
 *   accept ─▶ hello within 5 s ─▶ welcome ─▶ messages in order ─▶ closed
 *                └── nothing, or another version ─▶ closed
 *
 * Invariants: the newest session of an agent counts, older ones are closed. Messages of one agent are
 * handled strictly in order; only heartbeats go past the queue, so that a slow database never costs an
 * agent its lease. A session whose lease expired is closed: its agent says hello again and is adopted
 * or told to stop (H1). C1 an acknowledgement is passed on only after each of its blobs was verified.
 * F3 uploads are granted to the current attempt alone.
 *
 * @module
 */
import { messageOf } from "@shared/errors.ts";
import type { AgentId } from "@shared/ids.ts";
import {
  type AgentMessage,
  type AgentMessageOf,
  decodeAgentMessage,
  type HubMessage,
  MESSAGE_BYTES_MAX,
  MESSAGE_VERSION,
  type Uplink,
} from "@shared/messages.ts";
import {
  createDetector,
  type DetectorInput,
  type FailureDetector,
  type LeaseVerdict,
  stepDetector,
  verdictOf,
} from "./coordinator/failure_detector.ts";
import {
  answerMessage,
  type KnownAgent,
  type MessageSource,
  type SessionsContext,
} from "./agent_messages.ts";
import { touchAgent } from "./db/agent_store.ts";
import { agentsWithRegions } from "./db/region_store.ts";
import type { AgentLinks, JobLoops } from "./ports.ts";
import { sleep } from "./sleep.ts";

const HELLO_WITHIN_MS = 5_000;
/** Messages of one agent that wait to be handled. */
const QUEUE_MAX = 10_000;
/** Bytes that wait in an agent's socket; more means that it does not read. */
const BUFFERED_BYTES_MAX = 64 * 1024 * 1024;
/** Times a message is handled when the database fails in between. */
const HANDLE_ATTEMPTS_MAX = 3;
const HANDLE_RETRY_MS = 300;
const TICK_MS = 200;
/** A tick this late means that the hub stood still; heartbeats wait in the sockets meanwhile. */
const STALL_MS = 500;
/** How often the database is told that an agent is there. */
const TOUCH_INTERVAL_MS = 5_000;
const REASON_BYTES_MAX = 120;

/** Why the hub closes a control channel. */
export const CLOSE_CODES = {
  badMessage: 4000,
  noHello: 4001,
  helloFailed: 4002,
  removed: 4003,
  leaseExpired: 4008,
  replaced: 4009,
  overloaded: 4013,
  hubStops: 1001,
} as const;

/** The part of a WebSocket that a session uses. */
export interface AgentSocket {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code: number, reason: string): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close" | "error", listener: () => void): void;
}

export interface AgentSessions extends AgentLinks {
  /** Expects the agents that the database says run something, and keeps their leases from now on. */
  start(): Promise<void>;
  /** Takes over an open socket of an authenticated agent. */
  accept(socket: AgentSocket, agent: KnownAgent, remoteAddress: string): void;
  /** A person removed the agent: it is cut off, and its regions may go elsewhere at once (S4). */
  cut(agentId: AgentId, reason: string): void;
  /** Closes every channel; leases are not kept any more. */
  stop(): void;
}

export function createAgentSessions(ctx: SessionsContext, loops: JobLoops): AgentSessions {
  return new Sessions(ctx, loops);
}

class Sessions implements AgentSessions {
  readonly #ctx: SessionsContext;
  readonly #loops: JobLoops;
  readonly #sessions = new Map<AgentId, Session>();
  /** Sockets that have not said hello yet. */
  readonly #silent = new Set<Session>();
  readonly #touchedMs = new Map<AgentId, number>();
  #detector: FailureDetector;
  #cancelTick: () => void = () => {};
  #isStarted = false;
  #isStopped = false;

  constructor(ctx: SessionsContext, loops: JobLoops) {
    this.#ctx = ctx;
    this.#loops = loops;
    const { leaseTtlMs, startGraceMs, reassignWithinMs } = ctx.config;
    const limits = { leaseTtlMs, startGraceMs, reassignWithinMs };
    this.#detector = createDetector(limits, ctx.clock.monotonicMs());
  }

  async start(): Promise<void> {
    const expected = await agentsWithRegions(this.#ctx.db);
    // From here on agents can connect: what the start took before is not held against them (F5).
    const nowMs = this.#nowMs();
    this.#detector = createDetector(this.#detector.limits, nowMs);
    for (const agentId of expected) this.#detect({ kind: "expect", agentId, nowMs });
    this.#isStarted = true;
    this.#armTick();
  }

  accept(socket: AgentSocket, agent: KnownAgent, remoteAddress: string): void {
    if (this.#isStopped) return socket.close(CLOSE_CODES.hubStops, "The hub stops");
    const session = new Session(this.#ctx, this.#loops, { socket, agent }, {
      greeted: (hello) => this.#onHello(session, hello, remoteAddress),
      heartbeat: ({ uplink }) => this.#onHeartbeat(agent.id, uplink),
      goodbye: () => this.#onGoodbye(session),
      closed: () => this.#onClosed(session),
    });
    this.#silent.add(session);
  }

  send(agentId: AgentId, message: HubMessage): boolean {
    return this.#sessions.get(agentId)?.send(message) ?? false;
  }

  isOnline(agentId: AgentId): boolean {
    return this.#sessions.has(agentId);
  }

  verdict(agentId: AgentId): LeaseVerdict {
    // Before it is known who is expected, nobody is lost.
    return !this.#isStarted ? "held" : verdictOf(this.#detector, agentId);
  }

  cut(agentId: AgentId, reason: string): void {
    this.#sessions.get(agentId)?.close(CLOSE_CODES.removed, reason);
    this.#detect({ kind: "gone", agentId, nowMs: this.#nowMs() });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelTick();
    for (const session of [...this.#sessions.values(), ...this.#silent]) {
      session.close(CLOSE_CODES.hubStops, "The hub stops");
    }
  }

  #onHello(
    session: Session,
    hello: AgentMessageOf<"hello">,
    remoteAddress: string,
  ): void {
    const { config, hubTerm, live, events, clock, logger } = this.#ctx;
    const { id: agentId, name } = session.agent;
    this.#silent.delete(session);
    const older = this.#sessions.get(agentId);
    this.#sessions.set(agentId, session);
    older?.close(CLOSE_CODES.replaced, "The agent connected anew");
    session.send({
      kind: "welcome",
      version: MESSAGE_VERSION,
      agentId,
      hubTerm,
      heartbeatIntervalMs: config.heartbeatIntervalMs,
      leaseTtlMs: config.leaseTtlMs,
      autonomousAfterMs: config.autonomousAfterMs,
    });
    const canGoAutonomous = hello.canGoAutonomous ?? false;
    this.#detect({ kind: "hello", agentId, nowMs: this.#nowMs(), canGoAutonomous });
    live.agentOnline({ agentId, connectedAtMs: clock.nowMs(), remoteAddress });
    events.publish("agent.online", { agentId }, {
      agentName: name,
      version: hello.agentVersion,
      regions: hello.regions.length,
    });
    logger.info("Agent connected", { agentId, name, regions: hello.regions.length });
    this.#touch(agentId, { agentVersion: hello.agentVersion, bootId: hello.bootId });
  }

  #onHeartbeat(agentId: AgentId, uplink: Uplink | undefined): void {
    const nowMs = this.#nowMs();
    if (uplink !== undefined) this.#ctx.live.recordUplink(agentId, uplink);
    this.#detect({ kind: "heartbeat", agentId, nowMs });
    if (nowMs - (this.#touchedMs.get(agentId) ?? -Infinity) >= TOUCH_INTERVAL_MS) {
      this.#touch(agentId, {});
    }
  }

  /** Regions that it had are free at once, unless it is back already on a newer channel. */
  #onGoodbye(session: Session): void {
    const agentId = session.agent.id;
    const newest = this.#sessions.get(agentId);
    if (newest !== undefined && newest !== session) return;
    this.#detect({ kind: "gone", agentId, nowMs: this.#nowMs() });
  }

  #onClosed(session: Session): void {
    this.#silent.delete(session);
    const { id: agentId, name } = session.agent;
    if (this.#sessions.get(agentId) !== session) return;
    this.#sessions.delete(agentId);
    this.#ctx.live.agentOffline(agentId);
    this.#ctx.events.publish("agent.offline", { agentId }, { agentName: name });
    this.#ctx.logger.info("Agent disconnected", { agentId, name });
  }

  #detect(input: DetectorInput): void {
    const step = stepDetector(this.#detector, input);
    this.#detector = step.state;
    for (const { kind, agentId } of step.effects) {
      if (kind === "returned") continue;
      this.#ctx.logger.warn("Agent lost its lease", { agentId, kind });
      this.#ctx.events.publish(`agent.${kind}`, { agentId }, {});
      if (kind === "expired") {
        this.#sessions.get(agentId)?.close(CLOSE_CODES.leaseExpired, "The lease expired");
      }
      this.#loops.agentLost(agentId);
    }
  }

  #armTick(): void {
    if (this.#isStopped) return;
    const armedMs = this.#nowMs();
    this.#cancelTick = this.#ctx.clock.after(TICK_MS, () => {
      const nowMs = this.#nowMs();
      const lateMs = nowMs - armedMs - TICK_MS;
      if (lateMs >= STALL_MS) {
        this.#ctx.logger.warn("Hub stood still", { lateMs: Math.round(lateMs) });
        this.#detect({ kind: "stalled", forMs: lateMs });
      }
      this.#detect({ kind: "tick", nowMs });
      this.#armTick();
    });
  }

  #touch(agentId: AgentId, said: { agentVersion?: string; bootId?: string }): void {
    const { db, clock, logger } = this.#ctx;
    this.#touchedMs.set(agentId, this.#nowMs());
    touchAgent(db, agentId, { nowMs: clock.nowMs(), ...said }).catch((thrown) =>
      logger.warn("Agent was not marked as seen", { agentId, error: messageOf(thrown) })
    );
  }

  #nowMs(): number {
    return this.#ctx.clock.monotonicMs();
  }
}

interface SessionEvents {
  greeted(hello: AgentMessageOf<"hello">): void;
  heartbeat(message: AgentMessageOf<"heartbeat">): void;
  goodbye(): void;
  closed(): void;
}

/** One control channel. */
class Session implements MessageSource {
  readonly agent: KnownAgent;
  readonly #ctx: SessionsContext;
  readonly #loops: JobLoops;
  readonly #socket: AgentSocket;
  readonly #events: SessionEvents;
  readonly #queue: Exclude<AgentMessage, { kind: "heartbeat" }>[] = [];
  readonly #cancelHello: () => void;
  #isGreeted = false;
  #isWorking = false;
  #isClosed = false;

  constructor(
    ctx: SessionsContext,
    loops: JobLoops,
    peer: { readonly socket: AgentSocket; readonly agent: KnownAgent },
    events: SessionEvents,
  ) {
    this.#ctx = ctx;
    this.#loops = loops;
    this.#socket = peer.socket;
    this.agent = peer.agent;
    this.#events = events;
    this.#cancelHello = ctx.clock.after(HELLO_WITHIN_MS, () => {
      this.close(CLOSE_CODES.noHello, `No hello within ${HELLO_WITHIN_MS} ms`);
    });
    peer.socket.addEventListener("message", ({ data }) => this.#onText(data));
    peer.socket.addEventListener("close", () => this.#onClosed());
    peer.socket.addEventListener("error", () => this.#onClosed());
  }

  send(message: HubMessage): boolean {
    if (this.#isClosed || this.#socket.readyState !== 1) return false;
    if (this.#socket.bufferedAmount > BUFFERED_BYTES_MAX) {
      this.close(CLOSE_CODES.overloaded, "The agent does not read");
      return false;
    }
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** The channel counts as closed from now on, whatever the peer does. */
  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    try {
      this.#socket.close(code, reason.slice(0, REASON_BYTES_MAX));
    } catch (thrown) {
      this.#ctx.logger.debug("Socket was not closed", { error: messageOf(thrown) });
    }
    this.#onClosed();
  }

  #onClosed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelHello();
    this.#events.closed();
  }

  #onText(text: unknown): void {
    if (this.#isClosed) return;
    let message: AgentMessage;
    try {
      if (typeof text !== "string" || text.length > MESSAGE_BYTES_MAX) {
        throw new Error(`Control message is no text of at most ${MESSAGE_BYTES_MAX} bytes`);
      }
      message = decodeAgentMessage(text);
    } catch (thrown) {
      this.#ctx.logger.warn("Agent sent what cannot be read", {
        agentId: this.agent.id,
        error: messageOf(thrown),
      });
      return this.close(CLOSE_CODES.badMessage, messageOf(thrown));
    }
    this.#take(message);
  }

  #take(message: AgentMessage): void {
    if (this.#isGreeted === (message.kind === "hello")) {
      const reason = this.#isGreeted ? "A second hello" : `${message.kind} before hello`;
      return this.close(CLOSE_CODES.badMessage, reason);
    }
    if (message.kind === "heartbeat") {
      this.#events.heartbeat(message);
      this.send({ kind: "heartbeatAck", seq: message.seq });
      return;
    }
    if (message.kind === "hello") {
      this.#isGreeted = true;
      this.#cancelHello();
      this.#events.greeted(message);
    }
    if (this.#queue.length >= QUEUE_MAX) {
      return this.close(CLOSE_CODES.overloaded, "Too many messages wait");
    }
    this.#queue.push(message);
    if (!this.#isWorking) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (next.kind === "goodbye") this.#events.goodbye();
      else await this.#handle(next);
    }
    this.#isWorking = false;
  }

  /** Messages say what is so, not what to add: handling one again after an error is safe. */
  async #handle(
    message: Exclude<AgentMessage, { kind: "heartbeat" | "goodbye" }>,
  ): Promise<void> {
    for (let attempt = 1; attempt <= HANDLE_ATTEMPTS_MAX; attempt++) {
      // What a channel that is gone said of its agent's regions may be out of date.
      if (message.kind === "hello" && this.#isClosed) return;
      try {
        return await answerMessage(this.#ctx, this.#loops, this, message);
      } catch (thrown) {
        this.#ctx.logger.warn("Message of an agent was not handled", {
          agentId: this.agent.id,
          kind: message.kind,
          attempt,
          error: messageOf(thrown),
        });
      }
      await sleep(this.#ctx.clock, HANDLE_RETRY_MS * attempt);
    }
    // The loops do not know what the agent runs: it has to say so again.
    if (message.kind === "hello") this.close(CLOSE_CODES.helloFailed, "The database is away");
  }
}
