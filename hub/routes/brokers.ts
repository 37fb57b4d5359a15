/**
 * Brokers that jobs may name: whether they answer, and what they were measured to give (M7).
 *
 * Touches the database, and through a port the brokers; a look at them ends in bounded time.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { BrokerView } from "@shared/api.ts";
import { jobNames } from "../db/job_view_store.ts";
import { outcomeOf } from "./health.ts";
import { type HubApp, json, type RouteDeps, serve } from "./http.ts";
import { brokerSchema } from "./schemas.ts";

const listRoute = createRoute({
  method: "get",
  path: "/api/v1/brokers",
  tags: ["brokers"],
  summary: "Brokers of this hub with what sources measured of them",
  responses: {
    200: json("Every broker, by name", z.object({ items: z.array(brokerSchema).readonly() })),
  },
});

export const brokerRoutes = [listRoute] as const;

export function addBrokerRoutes(app: HubApp, deps: RouteDeps): void {
  serve(app, deps, "viewer", listRoute, async (c) => {
    const { hub } = deps;
    const profiles = await profilesByBroker(deps);
    const items = await Promise.all(hub.config.brokers.map(async (broker): Promise<BrokerView> => {
      const outcome = await outcomeOf(hub, () => deps.checkBroker(broker));
      return {
        name: broker.name,
        url: broker.url,
        isReachable: outcome === "ok",
        detail: outcome === "ok" ? null : outcome,
        profiles: profiles.get(broker.name) ?? [],
      };
    }));
    return c.json({ items: items.sort((a, b) => a.name < b.name ? -1 : 1) }, 200);
  });
}

type Profile = BrokerView["profiles"][number];

async function profilesByBroker({ hub }: RouteDeps): Promise<Map<string, Profile[]>> {
  const measured = [...hub.live.brokerProfiles].flatMap(([key, event]) => {
    const broker = event.fields["broker"];
    const at = key.indexOf("/");
    return typeof broker === "string" && at > 0
      ? [{ broker, jobId: key.slice(0, at), split: key.slice(at + 1), event }]
      : [];
  });
  const names = await jobNames(hub.db, [...new Set(measured.map(({ jobId }) => jobId))]);
  const profiles = new Map<string, Profile[]>();
  for (const { broker, jobId, split, event } of measured) {
    const profile = {
      jobId,
      jobName: names.get(jobId) ?? null,
      split,
      detail: event.detail,
      fields: event.fields,
    };
    profiles.set(broker, [...profiles.get(broker) ?? [], profile]);
  }
  return profiles;
}
