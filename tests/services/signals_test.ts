/**
 * Stored signals on a real PostgreSQL and on PGlite: partitions, replays, kills between rounds, retention.
 *
 * @module
 */
import { systemClock } from "@shared/platform/clock.ts";
import { lockDirectory } from "@shared/platform/directory_lock.ts";
import { openDatabase } from "../../hub/db/client.ts";
import { openMemoryDatabase } from "../support/memory_database.ts";
import { hasPostgres, startPostgres } from "../support/postgres.ts";
import { SIGNAL_CASES } from "../support/signal_cases.ts";

const server = await hasPostgres() ? await startPostgres() : null;
Deno.test.afterAll(() => server?.stop());

for (const [title, run] of SIGNAL_CASES) {
  Deno.test(`signals on PGlite: ${title}`, async () => {
    const { db, close } = await openMemoryDatabase();
    try {
      await run(db);
    } finally {
      await close();
    }
  });
  Deno.test({
    name: `signals on PostgreSQL: ${title}`,
    ignore: server === null,
    async fn() {
      const databaseUrl = await server!.createDatabase();
      const opened = await openDatabase({ databaseUrl }, { clock: systemClock, lockDirectory });
      try {
        await run(opened.db);
      } finally {
        await opened.close();
      }
    },
  });
}
