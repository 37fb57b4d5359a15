/**
 * What equipment is called, and where it stands: as its job says, else by the slashes of its key.
 *
 * Touches the database, reads only.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { inArray, sql } from "drizzle-orm";
import { chunksOf } from "./alarm_points.ts";
import type { Db } from "./client.ts";
import { equipmentPlaces } from "./schema.ts";

/** Longest name of equipment, in characters; a row of an index holds 2,700 bytes. */
const EQUIPMENT_CHARS_MAX = 512;
const DIGEST_CHARS = 32;

/** The name under which equipment with this key is kept: a key that no index can hold is cut, and stays unique. */
export function equipmentOf(key: string): string {
  if (key.length <= EQUIPMENT_CHARS_MAX) return key;
  const digest = createHash("sha256").update(key).digest("hex").slice(0, DIGEST_CHARS);
  return `${key.slice(0, EQUIPMENT_CHARS_MAX - DIGEST_CHARS - 1).toWellFormed()}~${digest}`;
}

/** Levels of each of `equipment`, outermost first, the equipment left out. */
export async function placesOf(
  db: Db,
  equipment: Iterable<string>,
): Promise<(equipment: string) => readonly string[]> {
  const known = new Map<string, readonly string[]>();
  for (const chunk of chunksOf([...new Set(equipment)])) {
    const rows = await db.select().from(equipmentPlaces)
      .where(inArray(equipmentPlaces.equipment, chunk));
    for (const row of rows) known.set(row.equipment, row.path);
  }
  return (one) => known.get(one) ?? levelsOf(one);
}

/** As a name that is a path says; a slash at its begin, or two in a row, make no level. */
export function levelsOf(equipment: string): readonly string[] {
  return equipment.split("/").slice(0, -1).filter((level) => level !== "");
}

/** SQL: whether the row of `equipment` stands at or below `path`. */
export function standsBelow(equipment: string, path: readonly string[]) {
  const column = sql.raw(equipment);
  const own = sql`(select p.path from equipment_places p where p.equipment = ${column})`;
  const bySlash = sql`to_jsonb(array_remove((string_to_array(${column}, '/'))[
    : array_length(string_to_array(${column}, '/'), 1) - 1], ''))`;
  const at = sql`coalesce(${own}, ${bySlash})`;
  return sql.join(
    path.map((level, i) => sql`${at}->>${sql.raw(String(i))} = ${level}`),
    sql` and `,
  );
}
