/**
 * Drives the source ledger against a model of an MQTT broker and a model of the job around it.
 *
 * The broker redelivers in order with the same ids, loses what a taken-over connection had not read, and
 * may forget the session. The job crashes, restores, rolls back and loses notifications at any point.
 * Oracle: the state holds each message that is not lost by a rollback or a lost session exactly once.
 */
import fc from "fast-check";
import { deepEqual, equal, ok } from "node:assert/strict";
import { SourceLedger } from "../../agent/connectors/source_ledger.ts";

type Op =
  | { kind: "publish" | "deliver" | "brokerReads"; count: number }
  | {
    kind:
      | "capture"
      | "savepoint"
      | "complete"
      | "completeUnnoticed"
      | "abort"
      | "crash"
      | "takeover"
      | "rollback"
      | "stopAndRollback"
      | "loseSession";
  };

const WINDOW = 24;
const ID_MAX = 200;

const counted = fc.record({
  kind: fc.constantFrom("publish" as const, "deliver" as const, "brokerReads" as const),
  count: fc.integer({ min: 1, max: 40 }),
});
const faults = ["crash", "takeover"] as const;
const steps = ["capture", "savepoint", "complete", "completeUnnoticed", "abort"] as const;
const losses = ["rollback", "stopAndRollback", "loseSession"] as const;
type Loss = typeof losses[number];

function schedule(withLosses: readonly Loss[]): fc.Arbitrary<Op[]> {
  const op = fc.oneof(
    { weight: 12, arbitrary: counted },
    { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom(...steps) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom(...faults) }) },
    ...withLosses.map((kind) => ({ weight: 1, arbitrary: fc.constant({ kind }) })),
  );
  return fc.array(op as fc.Arbitrary<Op>, { minLength: 10, maxLength: 120 });
}

Deno.test("source ledger: acks counted as processed when confirmed: state equals the oracle after any schedule (M3, M3a, M5, M6, C9)", () => {
  fc.assert(
    fc.property(schedule([]), (ops) => {
      const world = new World();
      for (const op of ops) world.apply(op);
      world.drain();
      deepEqual(world.state, world.published, "every message once, in order");
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("source ledger: after rollbacks and lost sessions state equals what the broker still held (P1, P4, M9)", () => {
  fc.assert(
    fc.property(schedule(losses), (ops) => {
      const world = new World();
      for (const op of ops) world.apply(op);
      world.drain();
      deepEqual(world.state, world.expected, "everything not lost, once, in order");
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("source ledger: no ordinal names two records, over rollbacks of attempts that stopped cleanly too (P4)", () => {
  fc.assert(
    fc.property(schedule(["stopAndRollback"]), (ops) => {
      const world = new World();
      for (const op of ops) world.apply(op);
      world.drain();
      for (const [ordinal, messages] of world.ordinals) {
        equal(messages.size, 1, `ordinal ${ordinal} names messages ${[...messages]}`);
      }
    }),
    { numRuns: 3_000 },
  );
});

/** One persistent session at QoS 1. */
class ModelBroker {
  inflight: { id: number; message: number }[] = [];
  queue: number[] = [];
  toClient: ({ id: number; message: number } | "pong")[] = [];
  toBroker: (number | "ping")[] = [];
  #hasSession = false;
  #nextId = 1;

  get held(): number[] {
    return [...this.inflight.map((entry) => entry.message), ...this.queue];
  }

  /** Whatever the old connection had under way is lost. */
  connect(): boolean {
    const isSessionPresent = this.#hasSession;
    this.#hasSession = true;
    this.toBroker = [];
    this.toClient = [...this.inflight];
    this.#fill();
    return isSessionPresent;
  }

  publish(message: number): void {
    this.queue.push(message);
    this.#fill();
  }

  forgetSession(): void {
    this.#hasSession = false;
    this.inflight = [];
    this.queue = [];
    this.#nextId = 1;
  }

  read(count: number): void {
    for (const packet of this.toBroker.splice(0, count)) {
      if (packet === "ping") this.toClient.push("pong");
      else {
        const index = this.inflight.findIndex((entry) => entry.id === packet);
        ok(index === 0, `PUBACK ${packet} is not of the oldest message (M6)`);
        this.inflight.shift();
        this.#fill();
      }
    }
  }

  #fill(): void {
    while (this.inflight.length < WINDOW && this.queue.length > 0) {
      const entry = { id: this.#nextId, message: this.queue.shift()! };
      this.#nextId = this.#nextId % ID_MAX + 1;
      this.inflight.push(entry);
      this.toClient.push(entry);
    }
  }
}

interface Snapshot {
  readonly id: number;
  readonly section: Uint8Array;
  readonly state: readonly number[];
  readonly isSavepoint: boolean;
  readonly position: number;
}

class World {
  published: number[] = [];
  /** What the state must hold in the end, given the losses that happened. */
  expected: number[] = [];
  state: number[] = [];
  /** Messages that were processed under each ordinal, in whatever attempt. */
  readonly ordinals = new Map<number, Set<number>>();

  #broker = new ModelBroker();
  #ledger = new SourceLedger();
  #nextCheckpointId = 1;
  #pending: Snapshot[] = [];
  #durable: Snapshot | null = null;
  #savepoints: Snapshot[] = [];
  /** Messages taken in on this connection whose PUBACK is not written. */
  #owed: number[] = [];
  #isFirst = true;
  /** Position of the last completed checkpoint that a rollback left. */
  #floor = 0;

  constructor() {
    this.#connect();
  }

  apply(op: Op): void {
    switch (op.kind) {
      case "publish":
        for (let i = 0; i < op.count; i += 1) this.#publish();
        return;
      case "deliver":
        return this.#deliver(op.count);
      case "brokerReads":
        return this.#broker.read(op.count);
      case "capture":
        this.#pending.push(this.#capture(false));
        return;
      case "savepoint":
        this.#savepoints.push(this.#capture(true));
        return;
      case "complete":
        return this.#complete(true);
      case "completeUnnoticed":
        return this.#complete(false);
      case "abort": {
        const aborted = this.#pending.shift();
        if (aborted !== undefined) this.#ledger.aborted(aborted.id);
        return;
      }
      case "crash":
        return this.#restore();
      case "takeover":
        return this.#connect();
      case "rollback":
        this.#durable = this.#savepoints.at(-1) ?? this.#durable;
        return this.#restore();
      case "stopAndRollback":
        return this.#stopAndRollback();
      case "loseSession":
        this.#broker.forgetSession();
        this.#connect();
        this.expected = [...this.state];
        return;
    }
  }

  /** Delivers and acknowledges until the broker holds nothing: no window stays full for ever (M5). */
  drain(): void {
    for (let round = 0; this.#broker.held.length > 0; round += 1) {
      ok(round < 500, `broker still holds ${this.#broker.held} (M5)`);
      this.#deliver(Infinity);
      this.#pending.push(this.#capture(false));
      this.#complete(true);
      this.#broker.read(Infinity);
    }
    this.#broker.read(Infinity);
    this.#deliver(Infinity);
    equal(this.#ledger.usedCount, this.#ledger.restCount, "every batch is confirmed");
  }

  #publish(): void {
    const message = this.published.length + 1;
    this.published.push(message);
    this.expected.push(message);
    this.#broker.publish(message);
  }

  #deliver(count: number): void {
    for (const packet of this.#broker.toClient.splice(0, count)) {
      if (packet === "pong") this.#ledger.pingConfirmed();
      else {
        const verdict = this.#ledger.received(packet.id, hashOf(packet.message), 1);
        if (verdict === "process") this.#process(packet.message);
        this.#owed.push(packet.message);
      }
    }
    this.#write(this.#ledger.releasable());
  }

  #process(message: number): void {
    this.state.push(message);
    const { position } = this.#ledger;
    this.ordinals.set(position, (this.ordinals.get(position) ?? new Set()).add(message));
  }

  #capture(isSavepoint: boolean): Snapshot {
    const id = this.#nextCheckpointId++;
    const section = this.#ledger.capture(id, null);
    const { position } = this.#ledger;
    return { id, section, state: [...this.state], isSavepoint, position };
  }

  /** What came again is taken in, and what was completed is acknowledged, before the savepoint is restored. */
  #stopAndRollback(): void {
    const target = this.#savepoints.at(-1);
    if (target === undefined) return;
    if (this.#durable?.isSavepoint === false) {
      this.#deliver(Infinity);
      this.#write(this.#ledger.completed(this.#durable.id));
      this.#broker.read(Infinity);
      this.#floor = Math.max(this.#floor, this.#durable.position);
    }
    this.#durable = target;
    this.#restore();
  }

  #complete(isNoticed: boolean): void {
    const snapshot = this.#pending.pop();
    if (snapshot === undefined) return;
    this.#pending = [];
    this.#durable = snapshot;
    if (isNoticed) this.#write(this.#ledger.completed(snapshot.id));
  }

  #write(ids: Uint16Array): void {
    if (ids.length === 0) return;
    for (const message of this.#owed.splice(0, ids.length)) {
      const isCovered = this.#durable?.isSavepoint === false &&
        this.#durable.state.includes(message);
      ok(isCovered, `PUBACK of ${message} before its checkpoint (C9)`);
    }
    this.#broker.toBroker.push(...ids, "ping");
    this.#ledger.acksWritten(ids.length);
  }

  #connect(): void {
    this.#owed = [];
    const isSessionPresent = this.#broker.connect();
    const outcome = this.#ledger.connected(isSessionPresent);
    equal(outcome.kind, isSessionPresent ? "resumed" : this.#isFirst ? "created" : "lost");
    this.#isFirst = false;
  }

  #restore(): void {
    const from = this.#durable;
    this.#ledger = new SourceLedger();
    this.#pending = [];
    this.state = [...(from?.state ?? [])];
    if (from !== null) {
      const { isSavepoint } = from;
      this.#ledger.restore(from.section, { isSavepoint, positionFloor: this.#floor });
    }
    const inState = new Set(this.state);
    const held = this.#broker.held.filter((message) => !inState.has(message));
    this.expected = [...this.state, ...held];
    this.#savepoints = this.#savepoints.filter((savepoint) => savepoint.id <= (from?.id ?? 0));
    this.#connect();
  }
}

function hashOf(message: number): number {
  return Math.imul(message, 0x9e3779b1) >>> 0;
}
