/**
 * Who reigns over the database (table `hub_state`, one row).
 *
 * Invariants: F1 the term only grows. F2 a write made under `withReign` commits only while its term
 * is the newest: it holds a share lock on the row, so a new reign begins before it or after it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { and, eq, sql } from "drizzle-orm";
import type { Clock } from "@shared/clock.ts";
import { PenstockError } from "@shared/errors.ts";
import type { HubTerm } from "@shared/ids.ts";
import type { Random } from "@shared/random.ts";
import type { Db } from "./client.ts";
import { hubState } from "./schema.ts";

const ROW_ID = 1;
const SECRET_BYTES = 32;

/** Another hub took over: this one must stop, and nothing of the failed write has happened. */
export class DeposedError extends PenstockError {
  override name = "DeposedError";
  constructor(hubTerm: HubTerm) {
    super(`Hub term ${hubTerm} is over: another hub took over this database. This hub stops`, {
      code: "deposed",
      domain: "external",
    });
  }
}

export interface Reign {
  readonly hubTerm: HubTerm;
  /** Base64; made at the first start over this database and the same ever after. */
  readonly signingSecret: string;
}

/** Begins a new reign: every earlier hub is deposed from now on. */
export async function takeReign(db: Db, clock: Clock, random: Random): Promise<Reign> {
  const [row] = await db.insert(hubState).values({
    id: ROW_ID,
    hubTerm: 1,
    signingSecret: Buffer.from(random.bytes(SECRET_BYTES)).toString("base64"),
    createdAt: new Date(clock.nowMs()),
  }).onConflictDoUpdate({
    target: hubState.id,
    set: { hubTerm: sql`${hubState.hubTerm} + 1` },
  }).returning();
  return { hubTerm: row!.hubTerm as HubTerm, signingSecret: row!.signingSecret };
}

/**
 * Runs `write` in one transaction that commits only under this reign (F2).
 *
 * @param write Uses its own handle for every statement; may run statements only.
 * @throws {DeposedError} If another hub took over; `write` was not called.
 */
export function withReign<T>(
  db: Db,
  hubTerm: HubTerm,
  write: (tx: Db) => Promise<T>,
): Promise<T> {
  return db.transaction(async (tx) => {
    const held = await tx.select({ id: hubState.id }).from(hubState)
      .where(and(eq(hubState.id, ROW_ID), eq(hubState.hubTerm, hubTerm)))
      .for("share");
    if (held.length === 0) throw new DeposedError(hubTerm);
    return await write(tx);
  });
}
