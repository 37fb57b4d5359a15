/**
 * Brings a database to the newest schema: applies what is missing of `migrations/`.
 *
 * Hubs that start at the same time do it one after the other: on PostgreSQL under an advisory lock
 * held by the connection that migrates; a PGlite directory has one process only.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { migrate as migrateOverPglite } from "drizzle-orm/pglite/migrator";
import type { PgliteDatabase } from "drizzle-orm/pglite";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate as migrateOverPostgres } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";

/** Names the lock among other users of the same server; any number nobody else takes. */
const MIGRATION_LOCK = 7_736_501;
const CONNECT_TIMEOUT_S = 10;

export const migrationsFolder: string = fileURLToPath(
  new URL("../../migrations", import.meta.url),
);

/** The PostgreSQL database at `databaseUrl` has the newest schema afterwards. */
export async function migratePostgres(databaseUrl: string): Promise<void> {
  const client = postgres(databaseUrl, {
    max: 1,
    connect_timeout: CONNECT_TIMEOUT_S,
    onnotice: () => {},
  });
  try {
    await client`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await migrateOverPostgres(drizzle(client), { migrationsFolder });
  } finally {
    await client.end({ timeout: 1 });
  }
}

/** The PGlite database behind `db` has the newest schema afterwards. */
export async function migratePglite(db: PgliteDatabase): Promise<void> {
  await migrateOverPglite(db, { migrationsFolder });
}
