/**
 * The embedded MQTT broker: sessions, routing, retained messages, wills. In memory; for development and tests.
 *
 * Touches nothing but what its connections do; time comes in by `sweep`. Everything is on one thread.
 *
 * Invariants:
 *  1. A client id has at most one connection; a newer one closes the older with 0x8E.
 *  2. A message at QoS 1 is acknowledged to its publisher after it is in every session that takes it.
 *  3. Nothing survives the process.
 *
 * @module
 */
import type { Message } from "./message.ts";
import { Session, type Subscription } from "./session.ts";
import { matches } from "./topics.ts";

export interface BrokerOptions {
  /** Messages that may wait for one session; more are dropped, the newest first. */
  readonly queueMax: number;
}

/** What the broker needs of a connection. */
export interface Peer {
  readonly session: Session;
  /** Writes what the session has to send, as far as window and socket allow. */
  deliver(): void;
  /** Sends one message at QoS 0, unless the socket is far behind. */
  deliverUnassured(message: Message, isRetained: boolean): void;
  takenOver(): void;
}

interface Route {
  readonly session: Session;
  readonly qos: number;
  readonly isNoLocal: boolean;
  readonly isRetainAsPublished: boolean;
}

interface PendingWill {
  readonly message: Message;
  readonly dueAtMs: number;
}

const ROUTES_MAX = 20_000;

export class Broker {
  readonly #options: BrokerOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #peers = new Map<Session, Peer>();
  readonly #retained = new Map<string, Message>();
  readonly #wills = new Map<Session, PendingWill>();
  /** Who takes a topic; made when first asked, gone when a subscription changes. */
  readonly #routes = new Map<string, Route[]>();
  /** Have something to send at the end of the turn. */
  readonly #dirty = new Set<Peer>();

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  /** The session of a client that connects, and whether it existed. Ends an older connection. */
  attach(
    clientId: string,
    options: { readonly isCleanStart: boolean },
  ): { session: Session; isPresent: boolean } {
    const existing = this.#sessions.get(clientId) ?? null;
    if (existing !== null) {
      const peer = this.#peers.get(existing);
      this.#peers.delete(existing);
      peer?.takenOver();
      this.#wills.delete(existing);
      if (!options.isCleanStart) {
        existing.expiresAtMs = null;
        return { session: existing, isPresent: true };
      }
      this.#forget(existing);
    }
    const session = new Session(clientId);
    this.#sessions.set(clientId, session);
    return { session, isPresent: false };
  }

  connected(peer: Peer): void {
    this.#peers.set(peer.session, peer);
  }

  /** A connection is over. @param nowMs Monotonic. */
  detach(peer: Peer, will: { message: Message; delaySeconds: number } | null, nowMs: number): void {
    this.#dirty.delete(peer);
    const { session } = peer;
    if (this.#peers.get(session) !== peer) return;
    this.#peers.delete(session);
    session.expiresAtMs = nowMs + 1000 * session.expirySeconds;
    if (session.expirySeconds === 0) this.#forget(session);
    if (will === null) return;
    const delaySeconds = Math.min(will.delaySeconds, session.expirySeconds);
    if (delaySeconds === 0) this.publish(will.message, null);
    else this.#wills.set(session, { message: will.message, dueAtMs: nowMs + 1000 * delaySeconds });
  }

  subscribe(peer: Peer, subscription: Subscription): void {
    const isNew = !peer.session.subscriptions.has(subscription.filter);
    peer.session.subscriptions.set(subscription.filter, subscription);
    this.#routes.clear();
    const { retainHandling } = subscription;
    if (retainHandling === 2 || (retainHandling === 1 && !isNew)) return;
    for (const [topic, message] of this.#retained) {
      if (!matches(subscription.filter, topic)) continue;
      this.#hand(peer.session, message, Math.min(message.qos, subscription.qos), true);
    }
  }

  unsubscribe(session: Session, filter: string): boolean {
    this.#routes.clear();
    return session.subscriptions.delete(filter);
  }

  /** Takes a message in; on return it is in every session that wants it. */
  publish(message: Message, from: Session | null): void {
    if (message.isRetained) {
      if (message.payloadBytes === 0) this.#retained.delete(message.topic);
      else this.#retained.set(message.topic, message.copy());
    }
    for (const route of this.#routesOf(message.topic)) {
      if (route.isNoLocal && route.session === from) continue;
      const isRetained = route.isRetainAsPublished && message.isRetained;
      this.#hand(route.session, message, Math.min(message.qos, route.qos), isRetained);
    }
  }

  /** Sends what has come together since the last call; called at the end of each turn. */
  flush(): void {
    for (const peer of this.#dirty) peer.deliver();
    this.#dirty.clear();
  }

  /** Ends sessions and sends wills that are due. @param nowMs Monotonic. */
  sweep(nowMs: number): void {
    for (const [session, will] of this.#wills) {
      if (will.dueAtMs > nowMs) continue;
      this.#wills.delete(session);
      this.publish(will.message, null);
    }
    for (const session of this.#sessions.values()) {
      if (session.expiresAtMs !== null && session.expiresAtMs <= nowMs) this.#forget(session);
    }
    this.flush();
  }

  #hand(session: Session, message: Message, qos: number, isRetained: boolean): void {
    const peer = this.#peers.get(session);
    if (qos === 0) return peer?.deliverUnassured(message, isRetained);
    session.enqueue({ message, isRetained }, this.#options.queueMax);
    if (peer !== undefined) this.#dirty.add(peer);
  }

  /** One route per session, at the highest QoS of its subscriptions that match. */
  #routesOf(topic: string): Route[] {
    const known = this.#routes.get(topic);
    if (known !== undefined) return known;
    const routes: Route[] = [];
    for (const session of this.#sessions.values()) {
      const found = [...session.subscriptions.values()].filter(({ filter }) =>
        matches(filter, topic)
      );
      if (found.length === 0) continue;
      routes.push({
        session,
        qos: Math.max(...found.map(({ qos }) => qos)),
        isNoLocal: found.every(({ isNoLocal }) => isNoLocal),
        isRetainAsPublished: found.some(({ isRetainAsPublished }) => isRetainAsPublished),
      });
    }
    if (this.#routes.size >= ROUTES_MAX) this.#routes.clear();
    this.#routes.set(topic, routes);
    return routes;
  }

  #forget(session: Session): void {
    if (this.#sessions.get(session.clientId) === session) this.#sessions.delete(session.clientId);
    this.#routes.clear();
  }
}
