/**
 * A migrated database in memory for unit tests of stores.
 *
 * Making one from nothing takes seconds, so a dump of a fresh one is kept in the system's temporary
 * directory, named by the migrations and PGlite's version, and an instance that a test closed is
 * emptied and handed to the next test of the same file.
 */
import { createHash } from "node:crypto";
import { PGlite } from "@electric-sql/pglite";
import type { PgliteDatabase } from "drizzle-orm/pglite";
import { type Db, overPglite } from "../../hub/db/client.ts";
import { migratePglite, migrationsFolder } from "../../hub/db/migrate.ts";

const START_PARAMS = [...PGlite.defaultStartParams, "-c", "shared_buffers=8MB"];
const idle: PGlite[] = [];

/** An empty, migrated database; `close` gives it back. */
export async function openMemoryDatabase(): Promise<{ db: Db; close(): Promise<void> }> {
  const client = idle.pop() ?? await create();
  const db = overPglite(client);
  const close = async () => {
    await empty(client);
    idle.push(client);
  };
  return { db, close };
}

async function create(): Promise<PGlite> {
  const path = dumpPath();
  const dump = await Deno.readFile(path).catch(() => null);
  if (dump !== null) {
    return await PGlite.create({ loadDataDir: new Blob([dump]), startParams: START_PARAMS });
  }
  const client = await PGlite.create({ startParams: START_PARAMS });
  await migratePglite(overPglite(client) as unknown as PgliteDatabase);
  const fresh = await client.dumpDataDir("none");
  const part = `${path}.${Deno.pid}`;
  await Deno.writeFile(part, new Uint8Array(await fresh.arrayBuffer()));
  await Deno.rename(part, path);
  return client;
}

/** Changes with the schema and with PGlite, so that an old dump is never loaded. */
function dumpPath(): string {
  const hash = createHash("sha256");
  const names = [...Deno.readDirSync(migrationsFolder)]
    .filter(({ isFile }) => isFile).map(({ name }) => name).sort();
  for (const name of names) hash.update(Deno.readFileSync(`${migrationsFolder}/${name}`));
  hash.update(Deno.readFileSync(`${migrationsFolder}/../deno.json`));
  const directory = Deno.env.get("TMPDIR") ?? "/tmp";
  return `${directory}/penstock-test-database-${hash.digest("hex").slice(0, 16)}.tar`;
}

async function empty(client: PGlite): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    "select quote_ident(tablename) as name from pg_tables where schemaname = 'public'",
  );
  await client.exec(`truncate ${rows.map(({ name }) => name).join(", ")} restart identity cascade`);
}
