/**
 * What people changed of the hub's settings; a name without a row keeps the value of its flag.
 *
 * Touches the database. {@linkcode lockSettings} puts writers in line until their transaction ends, so
 * that what one of them compared is still so when it commits.
 *
 * @module
 */
import { inArray, sql } from "drizzle-orm";
import type { SettingsView } from "@shared/api.ts";
import type { Db } from "./client.ts";
import { settings } from "./schema.ts";

/** Number of the advisory lock that puts writers of settings in line. */
const SETTINGS_LOCK = 7003;

export type SettingName = keyof SettingsView;

/** Holds other writers off until the caller's transaction ends. */
export async function lockSettings(tx: Db): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${SETTINGS_LOCK}::bigint)`);
}

/** Values of people, by name; rows that are no number are left out. */
export async function readSettings(db: Db): Promise<Map<string, number>> {
  const rows = await db.select({ name: settings.name, value: settings.value }).from(settings);
  const values = new Map<string, number>();
  for (const { name, value } of rows) {
    if (typeof value === "number" && Number.isFinite(value)) values.set(name, value);
  }
  return values;
}

/** Stores values; null takes a person's value away, so that the flag's holds again. */
export async function writeSettings(
  tx: Db,
  values: ReadonlyMap<SettingName, number | null>,
  by: { readonly principal: string; readonly nowMs: number },
): Promise<void> {
  const withdrawn = [...values].filter(([, value]) => value === null).map(([name]) => name);
  if (withdrawn.length > 0) await tx.delete(settings).where(inArray(settings.name, withdrawn));
  const changedAt = new Date(by.nowMs);
  for (const [name, value] of values) {
    if (value === null) continue;
    const row = { value, changedAt, changedBy: by.principal };
    await tx.insert(settings).values({ name, ...row })
      .onConflictDoUpdate({ target: settings.name, set: row });
  }
}
