/**
 * Settings that people change while the hub runs: its flags give the defaults, people's values win.
 *
 * Touches the database. Memory holds what is in force, so that reading a setting costs nothing.
 *
 * 1. What is in force is what is stored: a change takes force after its transaction committed.
 * 2. A change made on a stale view is refused; the comparison and the write are one transaction.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { SettingsView } from "@shared/api.ts";
import type { Db } from "./db/client.ts";
import {
  lockSettings,
  readSettings,
  type SettingName,
  writeSettings,
} from "./db/settings_store.ts";

/** Bounds of each setting, ms. */
export const SETTING_BOUNDS: Readonly<Record<SettingName, { min: number; max: number }>> = {
  sampleRetentionMs: { min: 60_000, max: 400 * 86_400_000 },
  minuteRetentionMs: { min: 3_600_000, max: 3_660 * 86_400_000 },
  hourRetentionMs: { min: 86_400_000, max: 36_600 * 86_400_000 },
  eventRetentionMs: { min: 3_600_000, max: 400 * 86_400_000 },
  staleAfterMs: { min: 1_000, max: 7 * 86_400_000 },
  shelveMaxMs: { min: 60_000, max: 30 * 86_400_000 },
};

export const SETTING_NAMES: readonly SettingName[] = Object.keys(SETTING_BOUNDS) as SettingName[];

/** New values; null takes a person's value away. */
export type SettingsPatch = { readonly [Name in SettingName]?: number | null | undefined };

export interface RunningSettings {
  /** What is in force now. */
  current(): SettingsView;
  /** Strong entity tag of {@linkcode current}, with its quotes. */
  readonly etag: string;
  /**
   * Stores `patch` in the caller's transaction, if what is stored still has the tag `ifMatch`; null asks
   * for no tag. Nothing is in force before `takeForce` is called, after the commit.
   */
  change(
    tx: Db,
    patch: SettingsPatch,
    by: { readonly principal: string; readonly nowMs: number },
    ifMatch: ((etag: string) => boolean) | null,
  ): Promise<SettingsChange>;
}

export type SettingsChange =
  | {
    readonly kind: "stored";
    readonly view: SettingsView;
    readonly etag: string;
    takeForce(): void;
  }
  | { readonly kind: "stale"; readonly etag: string };

/** The settings of a hub with these defaults over `db`. */
export async function openSettings(db: Db, defaults: SettingsView): Promise<RunningSettings> {
  let inForce = viewOf(defaults, await readSettings(db));
  let etag = etagOf(inForce);
  return {
    current: () => inForce,
    get etag() {
      return etag;
    },
    async change(tx, patch, by, ifMatch) {
      await lockSettings(tx);
      const stored = await readSettings(tx);
      const before = etagOf(viewOf(defaults, stored));
      if (ifMatch !== null && !ifMatch(before)) return { kind: "stale", etag: before };
      const values = new Map<SettingName, number | null>();
      for (const name of SETTING_NAMES) {
        const value = patch[name];
        if (value === undefined) continue;
        values.set(name, value);
        if (value === null) stored.delete(name);
        else stored.set(name, value);
      }
      await writeSettings(tx, values, by);
      const view = viewOf(defaults, stored);
      return {
        kind: "stored",
        view,
        etag: etagOf(view),
        takeForce() {
          inForce = view;
          etag = etagOf(view);
        },
      };
    },
  };
}

function viewOf(defaults: SettingsView, stored: ReadonlyMap<string, number>): SettingsView {
  const value = (name: SettingName) => stored.get(name) ?? defaults[name];
  return {
    sampleRetentionMs: value("sampleRetentionMs"),
    minuteRetentionMs: value("minuteRetentionMs"),
    hourRetentionMs: value("hourRetentionMs"),
    eventRetentionMs: value("eventRetentionMs"),
    staleAfterMs: value("staleAfterMs"),
    shelveMaxMs: value("shelveMaxMs"),
  };
}

function etagOf(view: SettingsView): string {
  const text = SETTING_NAMES.map((name) => `${name}=${view[name]}`).join("&");
  return `"${createHash("sha256").update(text).digest("hex").slice(0, 32)}"`;
}
