/**
 * From the principals in rows to the names that people know them by.
 *
 * Touches the database, reads only. A principal is `token:<id>`, `agent:<id>` or a word of the hub's own;
 * tokens keep their row when they are revoked, so that old rows still say who it was.
 *
 * @module
 */
import { inArray } from "drizzle-orm";
import type { Db } from "./client.ts";
import { agents, apiTokens } from "./schema.ts";

/** Names of those of `principals` that have one. */
export async function principalNames(
  db: Db,
  principals: readonly string[],
): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  const distinct = [...new Set(principals)];
  const idsOf = (prefix: string) =>
    distinct.filter((one) => one.startsWith(prefix)).map((one) => one.slice(prefix.length));
  const tokenIds = idsOf("token:");
  if (tokenIds.length > 0) {
    const rows = await db.select({ id: apiTokens.id, name: apiTokens.name }).from(apiTokens)
      .where(inArray(apiTokens.id, tokenIds));
    for (const { id, name } of rows) names.set(`token:${id}`, name);
  }
  const agentIds = idsOf("agent:");
  if (agentIds.length > 0) {
    const rows = await db.select({ id: agents.id, name: agents.name }).from(agents)
      .where(inArray(agents.id, agentIds));
    for (const { id, name } of rows) names.set(`agent:${id}`, name);
  }
  return names;
}
