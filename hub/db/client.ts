/**
 * Opens the hub's database: PostgreSQL in production, PGlite in a directory for one machine.
 *
 * Both give the same `Db` over the same schema, migrated before the first statement. `db` knows no
 * difference but one: PGlite has a single connection, so its transactions run one after the other,
 * and a statement on `db` inside a transaction callback waits for that transaction to end. Inside
 * a callback use the callback's own handle.
 *
 * @module
 */
import { drizzle as drizzlePglite, type PgliteDatabase } from "drizzle-orm/pglite";
import { drizzle as drizzlePostgres } from "drizzle-orm/postgres-js";
import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import type { Sql } from "postgres";
import type { PGlite } from "@electric-sql/pglite";
import type { Clock } from "@shared/clock.ts";
import { messageOf, PenstockError } from "@shared/errors.ts";
import { migratePglite, migratePostgres } from "./migrate.ts";
import { openPglite, type PgliteConnection } from "./pglite_client.ts";
import { createPostgresPool } from "./postgres_pool.ts";
import * as schema from "./schema.ts";

export type Db = PgDatabase<PgQueryResultHKT, typeof schema>;

/** Where the tables are: a PostgreSQL server, or a directory that PGlite keeps. */
export type DatabaseLocation =
  | { readonly databaseUrl: string }
  | { readonly dataDir: string };

export interface DatabaseOptions {
  readonly clock: Clock;
  /** Keeps other processes out of a PGlite directory; returns its release. */
  readonly lockDirectory: (directory: string) => Promise<() => void>;
}

export interface OpenedDatabase {
  readonly kind: "postgres" | "pglite";
  readonly db: Db;
  /** Ends every connection; the PGlite directory can be opened by another process afterwards. */
  close(): Promise<void>;
}

/**
 * Opens and migrates the database.
 *
 * @throws {PenstockError} `database-unreachable` (retryable) when PostgreSQL does not answer,
 *   `directory-in-use` when another process has the PGlite directory open.
 */
export function openDatabase(
  location: DatabaseLocation,
  options: DatabaseOptions,
): Promise<OpenedDatabase> {
  return "databaseUrl" in location
    ? openPostgresDatabase(location.databaseUrl, options)
    : openPgliteDatabase(location.dataDir, options);
}

async function openPostgresDatabase(
  databaseUrl: string,
  { clock }: DatabaseOptions,
): Promise<OpenedDatabase> {
  try {
    await migratePostgres(databaseUrl);
  } catch (cause) {
    throw new PenstockError(
      `Cannot open the PostgreSQL database at ${withoutPassword(databaseUrl)}: ${
        messageOf(cause)
      }. Check the address, the credentials and that the server runs`,
      { code: "database-unreachable", domain: "external", isRetryable: true, cause },
    );
  }
  const pool = createPostgresPool(databaseUrl, clock);
  return {
    kind: "postgres",
    db: drizzlePostgres(pool as unknown as Sql, { schema }) as unknown as Db,
    close: () => pool.end(),
  };
}

async function openPgliteDatabase(
  dataDir: string,
  { clock, lockDirectory }: DatabaseOptions,
): Promise<OpenedDatabase> {
  const unlock = await lockDirectory(dataDir);
  try {
    const client = await openPglite(dataDir, clock);
    const db = overPglite(client);
    await migratePglite(db as unknown as PgliteDatabase);
    const close = async () => {
      await client.close();
      unlock();
    };
    return { kind: "pglite", db, close };
  } catch (thrown) {
    unlock();
    throw thrown;
  }
}

/** The hub's handle over a PGlite instance, in this thread or behind `openPglite`. */
export function overPglite(client: PgliteConnection): Db {
  return drizzlePglite(client as PGlite, { schema }) as unknown as Db;
}

/** Rows of `db.execute(sql)`, which the two drivers wrap differently. */
export function rowsOf<Row extends Record<string, unknown>>(result: unknown): Row[] {
  return (Array.isArray(result) ? result : (result as { rows: Row[] }).rows) as Row[];
}

function withoutPassword(databaseUrl: string): string {
  if (!URL.canParse(databaseUrl)) return "an address that is no URL";
  const url = new URL(databaseUrl);
  url.password = "";
  return url.href;
}
