/**
 * The hub's end of the PGlite worker: the part of PGlite's interface that drizzle uses.
 *
 * Touches one worker thread. Invariant: between the BEGIN and the COMMIT or ROLLBACK of a
 * transaction no statement of anybody else reaches the worker; a turn is one statement or one
 * whole transaction, and turns are taken in the order they were asked for.
 *
 * @module
 */
import type { PGlite, Results, Transaction } from "@electric-sql/pglite";
import type { Clock } from "@shared/clock.ts";
import { PenstockError } from "@shared/errors.ts";
import type { PgliteAnswer, PgliteFailure, PgliteRequest } from "./pglite_frames.ts";

/** What `drizzle-orm/pglite` uses of a PGlite instance. */
export type PgliteConnection = Pick<PGlite, "query" | "exec" | "transaction" | "close">;

/** Longest wait for a turn; a transaction that waits for itself would wait for ever. */
const TURN_WAIT_MAX_MS = 60_000;

type Body = PgliteRequest extends infer R ? R extends PgliteRequest ? Omit<R, "id"> : never : never;

/** Starts the worker and opens the directory, which is made when it is not there. */
export async function openPglite(dataDir: string, clock: Clock): Promise<PgliteConnection> {
  const link = new WorkerLink();
  try {
    await link.ask({ kind: "open", dataDir });
  } catch (cause) {
    link.terminate();
    throw new PenstockError(`Cannot open the embedded database in ${dataDir}: ${String(cause)}`, {
      code: "database-unreachable",
      domain: "external",
      cause,
    });
  }
  const turns = new Turns(clock);
  const query = (sql: string, params: unknown[] = [], options: { rowMode?: string } = {}) =>
    link.ask({
      kind: "query",
      sql,
      params,
      rowMode: options.rowMode === "array" ? "array" : "object",
    }) as Promise<Results<unknown>>;
  const exec = (sql: string) => link.ask({ kind: "exec", sql }) as Promise<Results[]>;
  const client = {
    query: (...statement: Parameters<typeof query>) => turns.take(() => query(...statement)),
    exec: (sql: string) => turns.take(() => exec(sql)),
    transaction: <T>(run: (tx: Transaction) => Promise<T>) =>
      turns.take(async () => {
        await exec("BEGIN");
        let result: T;
        try {
          result = await run({ query, exec } as unknown as Transaction);
        } catch (thrown) {
          await exec("ROLLBACK");
          throw thrown;
        }
        await exec("COMMIT");
        return result;
      }),
    close: () =>
      turns.take(async () => {
        await link.ask({ kind: "close" });
        link.terminate();
      }),
  };
  return client as unknown as PgliteConnection;
}

/** First come, first served; one at a time. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take<T>(run: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const turn = Promise.withResolvers<T>();
    let hasGivenUp = false;
    const cancel = this.#clock.after(TURN_WAIT_MAX_MS, () => {
      hasGivenUp = true;
      turn.reject(waitedTooLong());
    });
    this.#last = before.then(async () => {
      cancel();
      if (hasGivenUp) return;
      try {
        turn.resolve(await run());
      } catch (thrown) {
        turn.reject(thrown);
      }
    });
    return turn.promise;
  }
}

/** Requests and answers by id; a worker that dies fails every open request. */
class WorkerLink {
  readonly #worker = new Worker(new URL("./pglite_worker.ts", import.meta.url), {
    type: "module",
  });
  readonly #open = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;
  #death: Error | null = null;

  constructor() {
    this.#worker.onmessage = ({ data: answer }: MessageEvent<PgliteAnswer>) => {
      const request = this.#open.get(answer.id)!;
      this.#open.delete(answer.id);
      if (answer.kind === "done") request.resolve(answer.value);
      else request.reject(errorOf(answer.failure));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#die(new Error(`The embedded database's thread failed: ${event.message}`));
    };
  }

  ask(body: Body): Promise<unknown> {
    if (this.#death !== null) return Promise.reject(this.#death);
    const id = ++this.#lastId;
    const request = Promise.withResolvers<unknown>();
    this.#open.set(id, request);
    this.#worker.postMessage({ id, ...body });
    return request.promise;
  }

  terminate(): void {
    this.#worker.terminate();
    this.#die(new Error("The embedded database is closed"));
  }

  #die(cause: Error): void {
    this.#death = new PenstockError(cause.message, {
      code: "database-unreachable",
      domain: "external",
      cause,
    });
    for (const request of this.#open.values()) request.reject(this.#death);
    this.#open.clear();
  }
}

function errorOf({ message, fields }: PgliteFailure): Error {
  return Object.assign(new Error(message), fields);
}

function waitedTooLong(): PenstockError {
  return new PenstockError(
    `A statement waited ${TURN_WAIT_MAX_MS} ms for the embedded database. ` +
      "Inside a transaction callback use the callback's own handle",
    { code: "database-busy", domain: "internal", isRetryable: true },
  );
}
