/**
 * The agent's end of the control channel: one WebSocket to the hub, made again for ever.
 *
 * Shell: socket, clock and chance through ports. What it believes of the lease is decided by `lease.ts`.
 *
 *   away ── socket opens, hello ──▶ greeting ── welcome ──▶ connected
 *     ◀── closed, silent for the lease, no welcome in time ── (back-off 0.5 s to 10 s, jittered)
 *
 * An agent that has held a lease waits no longer than a third of it, and gives a hub that does not
 * answer no longer than the lease: a healthy agent is back before a restarted hub may call it lost (F5).
 *
 *  1. Messages leave in the order of `send`; what is kept while away leaves right behind the welcome.
 *  2. What is kept is bounded: events give way first, then the oldest.
 *  3. (F1) A hub of a lower term than one already seen is deposed: the agent does not listen to it.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { messageOf } from "@shared/errors.ts";
import type { Logger } from "@shared/logger.ts";
import {
  type AgentMessage,
  type AgentMessageOf,
  decodeHubMessage,
  type HubMessage,
  type HubMessageOf,
  type LogLine,
  MESSAGE_BYTES_MAX,
} from "@shared/messages.ts";
import type { Random } from "@shared/random.ts";
import type { OpenSocket, Socket } from "@shared/socket.ts";
import { backoffMs, sleep } from "./backoff.ts";
import { initialLease, type LeaseInput, type LeaseState, stepLease } from "./lease.ts";

export const RECONNECT_BACKOFF = { firstMs: 500, maxMs: 10_000 };
/** From opening the socket to the welcome, at most; the lease, where there was one and it is shorter. */
export const WELCOME_TIMEOUT_MS = 10_000;
/** A welcome takes a few looks into the hub's database, on a busy machine too. */
const WELCOME_TIMEOUT_MIN_MS = 3_000;
/** A lease has room for this many tries. */
const TRIES_PER_LEASE = 3;
/** Messages kept for a hub that is away. */
export const KEPT_MAX = 1_000;
/** With more than this unsent, what may be lost is not sent. */
const CONGESTED_BYTES = 4 * 1024 * 1024;
/** How often, and how many times, a closing client looks whether its last messages have left. */
const FLUSH_LOOK_MS = 10;
const FLUSH_LOOKS_MAX = 100;
/** How often the lease is looked at. */
const TICK_MS = 1_000;

/**
 * What happens to a message while the hub is away. `remade`: its owner sends it again after the welcome;
 * `lost`: it is worth nothing later, or is told again; `kept`: it waits here.
 */
const WHEN_AWAY: Readonly<Record<AgentMessage["kind"], "kept" | "remade" | "lost">> = {
  hello: "remade",
  heartbeat: "lost",
  status: "kept",
  uploadRequest: "remade",
  acknowledge: "remade",
  decline: "kept",
  requestCheckpoint: "lost",
  askOwnership: "remade",
  alarms: "remade",
  samples: "lost",
  equipment: "lost",
  logs: "lost",
  metrics: "lost",
  event: "kept",
  stateAnswer: "lost",
  goodbye: "lost",
};

export interface HubClientOptions {
  /** Base address of the hub, http or https. */
  readonly hubUrl: string;
  readonly credential: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly openSocket: OpenSocket;
  readonly hello: () => AgentMessageOf<"hello">;
  /** Called once per connection, behind what was kept: send again what the hub may have missed. */
  readonly onWelcome: (welcome: HubMessageOf<"welcome">) => void;
  readonly onMessage: (message: HubOrder) => void;
  /** Lines of the log since the last call; asked for while the hub is there. */
  readonly logLines: () => LogLine[];
  /** Least estimate of when a broker's window is full; null when nothing flows. */
  readonly windowSecondsLeft: () => number | null;
}

/** What the hub tells an agent to do, once it has welcomed it. */
export type HubOrder = Exclude<HubMessage, { kind: "welcome" | "heartbeatAck" }>;

export class HubClient {
  readonly #options: HubClientOptions;
  #phase: "away" | "greeting" | "connected" | "closed" = "away";
  #socket: Socket | null = null;
  #lease: LeaseState;
  #kept: AgentMessage[] = [];
  #failedTries = 0;
  #lastReason = "";
  #termSeen = 0;
  #helloSentAtMs = 0;
  #heartbeatSeq = 0;
  readonly #heartbeatSentAtMs = new Map<number, number>();
  /** From the last heartbeat answered; null before the first. */
  #roundTripMs: number | null = null;
  #heartbeatIntervalMs = 2_000;
  /** As the last welcome said; null before the first, when no region depends on it. */
  #leaseTtlMs: number | null = null;
  /** Cancels the timer of the present phase: reconnect, welcome timeout or next heartbeat. */
  #cancelTimer: () => void = () => {};
  #cancelTick: () => void = () => {};

  constructor(options: HubClientOptions) {
    this.#options = options;
    this.#lease = initialLease(options.clock.monotonicMs());
  }

  get isConnected(): boolean {
    return this.#phase === "connected";
  }

  /** Starts to connect, and goes on for ever. */
  start(): void {
    this.#tick();
    this.#connect();
  }

  /** Sends, keeps or loses `message`, as `WHEN_AWAY` says for its kind. */
  send(message: AgentMessage): void {
    const fate = WHEN_AWAY[message.kind];
    if (this.#phase === "connected" && this.#socket !== null) {
      if (fate === "lost" && this.#socket.bufferedBytes > CONGESTED_BYTES) return;
      this.#socket.send(JSON.stringify(message));
    } else if (fate === "kept") {
      this.#keep(message);
    }
  }

  /** Says goodbye and never connects again; resolves when everything sent has left, or in vain. */
  async close(reason: string): Promise<void> {
    this.send({ kind: "goodbye", reason });
    this.#phase = "closed";
    this.#cancelTimer();
    this.#cancelTick();
    const socket = this.#socket;
    for (let look = 0; look < FLUSH_LOOKS_MAX && (socket?.bufferedBytes ?? 0) > 0; look++) {
      await sleep(this.#options.clock, FLUSH_LOOK_MS);
    }
    socket?.close(reason);
  }

  #connect(): void {
    const { clock, credential, openSocket } = this.#options;
    const url = `${this.#options.hubUrl.replace(/^http/, "ws")}/api/v1/agents/connect`;
    // A connection's events count only while it is the present one.
    const isPresent = () => this.#socket === socket && this.#phase !== "closed";
    const socket = openSocket(url, { authorization: `Bearer ${credential}` }, {
      onOpen: () => isPresent() && this.#greet(socket),
      onText: (text) => isPresent() && this.#received(text),
      onClose: (reason) => isPresent() && this.#lost(reason),
    });
    this.#socket = socket;
    const timeoutMs = this.#leaseTtlMs === null
      ? WELCOME_TIMEOUT_MS
      : Math.min(WELCOME_TIMEOUT_MS, Math.max(WELCOME_TIMEOUT_MIN_MS, this.#leaseTtlMs));
    this.#setTimer(clock.after(timeoutMs, () => {
      socket.close(`No welcome within ${timeoutMs} ms`);
    }));
  }

  #greet(socket: Socket): void {
    this.#phase = "greeting";
    this.#helloSentAtMs = this.#options.clock.monotonicMs();
    socket.send(JSON.stringify(this.#options.hello()));
  }

  #received(text: string): void {
    let message: HubMessage;
    try {
      if (text.length > MESSAGE_BYTES_MAX) throw new RangeError(`${text.length} characters`);
      message = decodeHubMessage(text);
    } catch (error) {
      // Closing would bring the same message again; a welcome that is not understood times out.
      this.#options.logger.error("Refused a message of the hub", { reason: messageOf(error) });
      return;
    }
    if (message.kind === "welcome") this.#welcomed(message);
    else if (this.#phase !== "connected") {
      this.#socket?.close(`"${message.kind}" before the welcome`);
    } else if (message.kind === "heartbeatAck") this.#answered(message.seq);
    else this.#options.onMessage(message);
  }

  #welcomed(welcome: HubMessageOf<"welcome">): void {
    if (this.#phase !== "greeting") return;
    if (welcome.hubTerm < this.#termSeen) {
      this.#options.logger.error("Left a hub that is deposed", {
        hubTerm: welcome.hubTerm,
        termSeen: this.#termSeen,
      });
      this.#socket?.close("deposed");
      return;
    }
    this.#termSeen = welcome.hubTerm;
    this.#phase = "connected";
    this.#failedTries = 0;
    this.#heartbeatIntervalMs = Math.max(100, welcome.heartbeatIntervalMs);
    this.#leaseTtlMs = welcome.leaseTtlMs;
    this.#stepLease({
      kind: "welcomed",
      sentAtMs: this.#helloSentAtMs,
      nowMs: this.#options.clock.monotonicMs(),
      terms: { leaseTtlMs: welcome.leaseTtlMs, autonomousAfterMs: welcome.autonomousAfterMs },
    });
    this.#heartbeatSentAtMs.clear();
    this.#heartbeat();
    const kept = this.#kept;
    this.#kept = [];
    for (const message of kept) this.send(message);
    this.#options.onWelcome(welcome);
  }

  #heartbeat(): void {
    const { clock } = this.#options;
    const seq = ++this.#heartbeatSeq;
    // Unanswered ones are bounded by the lease: a silent link is dropped when it lapses.
    this.#heartbeatSentAtMs.set(seq, clock.monotonicMs());
    const uplink = {
      roundTripMs: this.#roundTripMs,
      unsentBytes: this.#socket?.bufferedBytes ?? 0,
      keptMessages: this.#kept.length,
    };
    this.#socket?.send(JSON.stringify({ kind: "heartbeat", seq, uplink }));
    this.#setTimer(clock.after(this.#heartbeatIntervalMs, () => this.#heartbeat()));
  }

  #answered(seq: number): void {
    const sentAtMs = this.#heartbeatSentAtMs.get(seq);
    if (sentAtMs === undefined) return;
    for (const older of this.#heartbeatSentAtMs.keys()) {
      if (older <= seq) this.#heartbeatSentAtMs.delete(older);
    }
    this.#roundTripMs = this.#options.clock.monotonicMs() - sentAtMs;
    this.#stepLease({ kind: "answered", sentAtMs });
  }

  #lost(reason: string): void {
    const { clock, random, logger } = this.#options;
    const wasConnected = this.#phase === "connected";
    this.#phase = "away";
    this.#socket = null;
    this.#failedTries++;
    const maxMs = Math.min(
      RECONNECT_BACKOFF.maxMs,
      (this.#leaseTtlMs ?? Infinity) / TRIES_PER_LEASE,
    );
    const delayMs = backoffMs(this.#failedTries, { ...RECONNECT_BACKOFF, maxMs }, random);
    // Every try of a long outage is not worth a line; the lease reports how it goes on.
    if (wasConnected || reason !== this.#lastReason) {
      logger.warn("Lost the hub", { reason, retryInMs: Math.round(delayMs) });
    } else logger.debug("Did not reach the hub", { reason, tries: this.#failedTries });
    this.#lastReason = reason;
    this.#stepLease({ kind: "closed", nowMs: clock.monotonicMs() });
    this.#setTimer(clock.after(delayMs, () => this.#connect()));
  }

  #tick(): void {
    const { clock } = this.#options;
    const windowSecondsLeft = this.#options.windowSecondsLeft();
    this.#stepLease({ kind: "tick", nowMs: clock.monotonicMs(), windowSecondsLeft });
    // Over a congested line they would be lost: they wait where they are counted.
    const isFree = (this.#socket?.bufferedBytes ?? 0) <= CONGESTED_BYTES;
    if (this.#phase === "connected" && isFree) {
      const lines = this.#options.logLines();
      if (lines.length > 0) this.send({ kind: "logs", lines });
    }
    this.#cancelTick = clock.after(TICK_MS, () => this.#tick());
  }

  #stepLease(input: LeaseInput): void {
    const { state, effects } = stepLease(this.#lease, input);
    this.#lease = state;
    const { logger } = this.#options;
    for (const effect of effects) {
      switch (effect.kind) {
        case "hubLost":
          logger.warn("Went on without the hub, acknowledging nothing");
          break;
        case "hubBack":
          logger.info("Reached the hub", { awayMs: Math.round(effect.awayMs) });
          break;
        case "dropLink":
          this.#socket?.close("The hub did not answer within the lease");
          break;
        case "reportWindow":
          logger.warn("Held acknowledgements while the hub was away", {
            awayMs: Math.round(effect.awayMs),
            windowSecondsLeft: effect.windowSecondsLeft,
          });
          break;
      }
    }
  }

  #keep(message: AgentMessage): void {
    if (this.#kept.length >= KEPT_MAX) {
      const event = this.#kept.findIndex((kept) => kept.kind === "event");
      const [dropped] = this.#kept.splice(Math.max(0, event), 1);
      this.#options.logger.warn("Dropped a message for the hub", { kind: dropped?.kind });
    }
    this.#kept.push(message);
  }

  #setTimer(cancel: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = cancel;
  }
}
