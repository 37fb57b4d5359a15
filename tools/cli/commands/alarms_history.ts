/** `penstock alarms history` and `health`. Touches the network and the terminal. @module */
import { buildCommand } from "@stricli/core";
import { read } from "@shared/hub_client.ts";
import type { AlarmHealth } from "@shared/plant_api.ts";
import {
  call,
  countFlag,
  docs,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
  said,
  textFlag,
  timeFlag,
} from "../flags.ts";
import { age } from "../output.ts";
import { print } from "../terminal.ts";

const KINDS = [
  "raised",
  "cleared",
  "acknowledged",
  "re-alarmed",
  "shelved",
  "unshelved",
  "suppressed",
  "unsuppressed",
  "out-of-service",
  "returned-to-service",
  "commented",
] as const;

type HistoryFlags = HubFlags & {
  readonly equipment?: string;
  readonly kind?: typeof KINDS[number];
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
};

export const history = buildCommand({
  docs: docs("List every step that alarms took, newest first", [
    "alarms history --from 8h",
    "alarms history --equipment pump-7 --kind shelved",
  ]),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      equipment: textFlag("Of this equipment", "E"),
      kind: { kind: "enum", values: KINDS, optional: true, brief: "Only these steps" },
      from: timeFlag("Since: a time, or a span before now such as 2h"),
      to: timeFlag("Until"),
      limit: countFlag("How many, at most 200", 50),
    },
    aliases: HUB_ALIASES,
  },
  async func(flags: HistoryFlags) {
    const { api, out } = call(flags);
    const { equipment, kind, from, to, limit } = flags;
    const query = said({ equipment, kind, from, to, limit: String(limit) });
    const page = await read(api.api.alarms.transitions.$get({ query }));
    out.rows(page.items, {
      at: (one) => one.at,
      equipment: (one) => one.equipment,
      priority: (one) => one.priority,
      what: (one) => one.kind,
      from: (one) => one.from,
      to: (one) => one.to,
      by: (one) => one.by ?? one.cause,
      comment: (one) => one.comment,
    }, { alarm: (one) => one.alarmId, sink: (one) => one.sinkUid, value: (one) => one.value });
  },
});

type HealthFlags = HubFlags & { readonly from?: string; readonly to?: string };

export const health = buildCommand({
  docs: docs(
    "Show how well the alarms themselves do: rate, floods, chattering, stale, most frequent",
    ["alarms health", "alarms health --from 7d -o json"],
  ),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      from: timeFlag("Since: a time, or a span before now such as 2h"),
      to: timeFlag("Until"),
    },
    aliases: HUB_ALIASES,
  },
  async func(flags: HealthFlags) {
    const { api, out } = call(flags);
    const query = said({ from: flags.from, to: flags.to });
    const found: AlarmHealth = await read(api.api.alarms.health.$get({ query }));
    if (!out.isForPeople) return out.value(found);
    const priorities = Object.entries(found.byPriority).map(([name, count]) => `${count} ${name}`);
    out.one(found, {
      span: () => `${found.from} to ${found.to}`,
      "in ten minutes": () =>
        `${found.averagePerTenMinutes.toFixed(2)} on average, ${found.peakPerTenMinutes} at most`,
      "time in flood": () => `${(found.floodRatio * 100).toFixed(1)} %`,
      priorities: () => priorities.join(", "),
      chattering: () => found.chattering.length,
      "stale for a day": () => found.stale.length,
      quiet: () =>
        `${found.shelved} shelved, ${found.suppressed} suppressed, ${found.outOfService} out of service`,
    });
    print("\nMost frequent:");
    out.rows(found.topTen, {
      equipment: (one) => one.equipment,
      sink: (one) => one.sinkUid,
      times: (one) => one.count,
      share: (one) => `${Math.round(one.share * 100)} %`,
      chatters: (one) => found.chattering.some((other) => isSame(one, other)) ? "yes" : "",
    });
    if (found.floods.length === 0) return;
    print("\nFloods:");
    out.rows(found.floods, {
      from: (flood) => flood.from,
      to: (flood) => flood.to ?? "goes on",
      alarms: (flood) => flood.count,
      first: (flood) => `${flood.firstOut.equipment}: ${flood.firstOut.text}`,
      "first raised": (flood) => age(flood.firstOut.raisedAt),
    });
  },
});

type Source = AlarmHealth["topTen"][number];

function isSame(a: Source, b: Source): boolean {
  return a.jobId === b.jobId && a.sinkUid === b.sinkUid && a.equipment === b.equipment;
}
