/**
 * A pool of PostgreSQL connections that survives the loss of any of them at any time.
 *
 * postgres.js 3.4 keeps using a connection after its socket closed: a write in an open transaction
 * then throws where nobody can catch it, and a write that was pending leaves the connection mute
 * for ever. Here each connection is a client of its own, left for good at the first sign of loss:
 *
 *   (none) ──lease──▶ in use ──statement or transaction ended──▶ idle ──lease──▶ in use
 *                        │                                         │
 *                        └── closed, fatal error, no answer ───────┴──▶ left, its work rejected
 *
 * Invariants: no statement reaches a connection that was left. A transaction uses one connection
 * from BEGIN to COMMIT, and never a second one. A lost COMMIT rejects: whether it took place is to
 * be read again (C3).
 *
 * @module
 */
import postgres from "postgres";
import type { Clock } from "@shared/clock.ts";
import { assert } from "@shared/assert.ts";
import { PenstockError } from "@shared/errors.ts";

const CONNECTIONS_MAX = 10;
const CONNECT_TIMEOUT_S = 10;
/** The server ends a statement, or a transaction that does nothing, after this time. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Without an answer for this long the connection is lost, whatever the socket says. */
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 10_000;
/** Longest wait for a free connection. */
const LEASE_TIMEOUT_MS = 60_000;

type Parsing = Pick<postgres.Sql["options"], "parsers" | "serializers">;
type Statement = (text: string, params?: readonly unknown[]) => PendingRows;

/** Rows as objects when awaited, as arrays through `values`; sent once, when either is asked for. */
interface PendingRows extends PromiseLike<unknown> {
  values(): Promise<unknown>;
}

/** The part of a postgres.js client that drizzle uses. */
export interface PostgresPool {
  readonly options: Parsing;
  readonly unsafe: Statement;
  begin<T>(run: (transaction: PostgresTransaction) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}

export interface PostgresTransaction {
  readonly unsafe: Statement;
  savepoint<T>(run: (transaction: PostgresTransaction) => Promise<T>): Promise<T>;
}

/** Connects when the first statement comes. */
export function createPostgresPool(databaseUrl: string, clock: Clock): PostgresPool {
  const options = { parsers: {}, serializers: {} } as Parsing;
  const links = new Links(() => new Link(databaseUrl, options, clock), clock);
  return {
    options,
    unsafe: (text, params) =>
      pendingRows((shape) => links.use((link) => link.run(text, params, shape))),
    begin: (run) => links.use((link) => inTransaction(link, run)),
    end: () => links.end(),
  };
}

async function inTransaction<T>(
  link: Link,
  run: (transaction: PostgresTransaction) => Promise<T>,
): Promise<T> {
  const scope = { isOver: false, savepointCount: 0 };
  const statement: Statement = (text, params) => {
    assert(!scope.isOver, `a statement came after the end of its transaction: ${text}`);
    return pendingRows((shape) => link.run(text, params, shape));
  };
  const savepoint: PostgresTransaction["savepoint"] = async (runNested) => {
    const name = `s${++scope.savepointCount}`;
    await statement(`savepoint ${name}`);
    try {
      const result = await runNested(transaction);
      await statement(`release savepoint ${name}`);
      return result;
    } catch (thrown) {
      if (!link.isLost) await statement(`rollback to savepoint ${name}`);
      throw thrown;
    }
  };
  const transaction: PostgresTransaction = { unsafe: statement, savepoint };
  await statement("begin");
  try {
    const result = await run(transaction);
    await statement("commit");
    return result;
  } catch (thrown) {
    if (!link.isLost) await rollback(link);
    throw thrown;
  } finally {
    scope.isOver = true;
  }
}

/** A transaction whose ROLLBACK fails ends with its connection. */
async function rollback(link: Link): Promise<void> {
  try {
    await link.run("rollback", [], "objects");
  } catch {
    link.leave();
  }
}

type Shape = "objects" | "arrays";

function pendingRows(send: (shape: Shape) => Promise<unknown>): PendingRows {
  return {
    then: (resolve, reject) => send("objects").then(resolve, reject),
    values: () => send("arrays"),
  };
}

/** One connection: a postgres.js client that is left when it is lost. */
class Link {
  isLost = false;
  readonly #client: postgres.Sql;
  readonly #clock: Clock;
  /** Rejects a statement under way. */
  readonly #underWay = new Set<(reason: unknown) => void>();

  constructor(databaseUrl: string, parsing: Parsing, clock: Clock) {
    this.#clock = clock;
    this.#client = postgres(databaseUrl, {
      max: 1,
      connect_timeout: CONNECT_TIMEOUT_S,
      connection: {
        application_name: "penstock-hub",
        statement_timeout: STATEMENT_TIMEOUT_MS,
        idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
      },
      onnotice: () => {},
      onclose: () => this.leave(),
    });
    Object.assign(this.#client.options.parsers, parsing.parsers);
    Object.assign(this.#client.options.serializers, parsing.serializers);
  }

  /** @throws {PenstockError} `database-unreachable` when the connection is lost before the answer. */
  async run(text: string, params: readonly unknown[] = [], shape: Shape): Promise<unknown> {
    if (this.isLost) throw connectionLost();
    const cancel = this.#clock.after(ANSWER_TIMEOUT_MS, () => this.leave());
    const outcome = Promise.withResolvers<unknown>();
    this.#underWay.add(outcome.reject);
    const query = this.#client.unsafe(text, params as postgres.ParameterOrJSON<never>[]);
    (shape === "arrays" ? query.values() : query).then(outcome.resolve, outcome.reject);
    try {
      return await outcome.promise;
    } catch (thrown) {
      if (!isAnswer(thrown)) this.leave();
      throw thrown;
    } finally {
      this.#underWay.delete(outcome.reject);
      cancel();
    }
  }

  /** No statement is sent any more; those under way are rejected. */
  leave(): void {
    if (this.isLost) return;
    this.isLost = true;
    for (const reject of this.#underWay) reject(connectionLost());
    void this.end();
  }

  async end(): Promise<void> {
    this.isLost = true;
    await this.#client.end({ timeout: 0 }).catch(() => {});
  }
}

/** Whether the server answered, and the connection goes on. */
function isAnswer(thrown: unknown): boolean {
  return thrown instanceof postgres.PostgresError && !/^(FATAL|PANIC)$/.test(thrown.severity);
}

function connectionLost(): PenstockError {
  return new PenstockError("The connection to PostgreSQL was lost before the answer came", {
    code: "database-unreachable",
    domain: "external",
    isRetryable: true,
  });
}

/** At most CONNECTIONS_MAX links; who comes when all are in use waits, first come, first served. */
class Links {
  readonly #create: () => Link;
  readonly #clock: Clock;
  readonly #all = new Set<Link>();
  #idle: Link[] = [];
  readonly #waiting: PromiseWithResolvers<Link>[] = [];

  constructor(create: () => Link, clock: Clock) {
    this.#create = create;
    this.#clock = clock;
  }

  async use<T>(work: (link: Link) => Promise<T>): Promise<T> {
    const link = await this.#lease();
    try {
      return await work(link);
    } finally {
      this.#release(link);
    }
  }

  async end(): Promise<void> {
    await Promise.all([...this.#all].map((link) => link.end()));
    this.#all.clear();
    this.#idle = [];
  }

  async #lease(): Promise<Link> {
    for (let link = this.#idle.pop(); link !== undefined; link = this.#idle.pop()) {
      if (!link.isLost) return link;
      this.#all.delete(link);
    }
    if (this.#all.size < CONNECTIONS_MAX) return this.#add();
    const turn = Promise.withResolvers<Link>();
    this.#waiting.push(turn);
    const cancel = this.#clock.after(LEASE_TIMEOUT_MS, () => {
      this.#waiting.splice(this.#waiting.indexOf(turn), 1);
      turn.reject(allInUse());
    });
    try {
      return await turn.promise;
    } finally {
      cancel();
    }
  }

  #release(link: Link): void {
    const next = this.#waiting.shift();
    if (link.isLost) this.#all.delete(link);
    if (next !== undefined) next.resolve(link.isLost ? this.#add() : link);
    else if (!link.isLost) this.#idle.push(link);
  }

  #add(): Link {
    const link = this.#create();
    this.#all.add(link);
    return link;
  }
}

function allInUse(): PenstockError {
  return new PenstockError(
    `All ${CONNECTIONS_MAX} connections to PostgreSQL were in use for ${LEASE_TIMEOUT_MS} ms`,
    { code: "database-busy", domain: "external", isRetryable: true },
  );
}
