/** Whether the database answers. Touches the database. @module */
import { sql } from "drizzle-orm";
import type { Db } from "./client.ts";

/** Resolves when a statement came back; rejects when it did not. */
export async function checkDatabase(db: Db): Promise<void> {
  await db.execute(sql`select 1`);
}
