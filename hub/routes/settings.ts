/**
 * Settings that people change while the hub runs: retention, staleness, shelving.
 *
 * Touches the database through `hub.settings`.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { Db } from "../db/client.ts";
import type { SettingName } from "../db/settings_store.ts";
import { SETTING_BOUNDS, SETTING_NAMES } from "../settings.ts";
import { type HubApp, json, jsonBody, type RouteDeps, serve } from "./http.ts";
import { type Change, change } from "./mutation.ts";
import { ifMatch, preconditionMissing, stale } from "./preconditions.ts";
import { settingsSchema } from "./schemas.ts";

const ETAG_HEADER = {
  etag: {
    description: "Tag of the settings; `If-Match` of a change takes it",
    schema: { type: "string" as const },
    example: '"5d41402abc4b2a76b9719d911017c592"',
  },
};

const showRoute = createRoute({
  method: "get",
  path: "/api/v1/settings",
  tags: ["settings"],
  summary: "Settings in force",
  responses: { 200: { ...json("The settings", settingsSchema), headers: ETAG_HEADER } },
});

const setting = (name: SettingName) => {
  const { min, max } = SETTING_BOUNDS[name];
  return z.number().int().min(min).max(max).nullable().optional();
};
const settingsBody = z.strictObject({
  sampleRetentionMs: setting("sampleRetentionMs"),
  minuteRetentionMs: setting("minuteRetentionMs"),
  hourRetentionMs: setting("hourRetentionMs"),
  eventRetentionMs: setting("eventRetentionMs"),
  staleAfterMs: setting("staleAfterMs"),
  shelveMaxMs: setting("shelveMaxMs"),
}).openapi({ example: { staleAfterMs: 60_000, shelveMaxMs: null } });

const changeRoute = createRoute({
  method: "patch",
  path: "/api/v1/settings",
  tags: ["settings"],
  summary: "Change some settings; null takes the value of the hub's flag again",
  request: {
    headers: z.object({
      "if-match": z.string().max(1_000).optional().openapi({
        description: "ETag of the settings as you read them; 428 without, 412 when they changed",
        example: '"5d41402abc4b2a76b9719d911017c592"',
      }),
    }),
    body: jsonBody(settingsBody),
  },
  responses: { 200: { ...json("The settings now", settingsSchema), headers: ETAG_HEADER } },
});

export const settingsRoutes = [showRoute, changeRoute] as const;

export function addSettingsRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "viewer", showRoute, (c) => {
    c.header("etag", hub.settings.etag);
    return c.json(hub.settings.current(), 200);
  });
  serve(app, deps, "admin", changeRoute, (c) =>
    change(c, deps, () => {
      const isWanted = ifMatch(c);
      if (isWanted === null) throw preconditionMissing("the settings");
      const patch = c.req.valid("json");
      return Promise.resolve(async (tx: Db): Promise<Change> => {
        const before = hub.settings.current();
        const by = { principal: c.get("principal").name, nowMs: hub.clock.nowMs() };
        const changed = await hub.settings.change(tx, patch, by, isWanted);
        if (changed.kind === "stale") throw stale("The settings", changed.etag);
        const names = SETTING_NAMES.filter((name) => before[name] !== changed.view[name]);
        const fields = Object.fromEntries(
          names.map((name) => [name, { from: before[name], to: changed.view[name] }]),
        );
        return {
          status: 200,
          body: changed.view,
          headers: { etag: changed.etag },
          audit: { action: "settings.change", subject: "settings", fields },
          after: () => changed.takeForce(),
        };
      });
    }));
}
