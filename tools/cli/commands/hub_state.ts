/** `penstock settings`, `brokers` and `audit`. Touches the network and the terminal. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { SettingsView } from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import {
  argument,
  call,
  countFlag,
  docs,
  durationSeconds,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
  said,
  textFlag,
  timeFlag,
} from "../flags.ts";
import { CliError, EXIT_FAILED, EXIT_USAGE } from "../hub_api.ts";
import { type Printer, span } from "../output.ts";
import { didYouMean } from "../suggest.ts";
import { print } from "../terminal.ts";

const SETTINGS: Readonly<Record<string, keyof SettingsView>> = {
  "sample-retention": "sampleRetentionMs",
  "minute-retention": "minuteRetentionMs",
  "hour-retention": "hourRetentionMs",
  "event-retention": "eventRetentionMs",
  "stale-after": "staleAfterMs",
  "shelve-max": "shelveMaxMs",
};

function printSettings(settings: SettingsView, out: Printer): void {
  if (!out.isForPeople) return out.value(settings);
  out.rows(Object.entries(SETTINGS), {
    setting: ([name]) => name,
    value: ([, key]) => span(settings[key]),
    ms: ([, key]) => settings[key],
  });
}

const showSettings = buildCommand({
  docs: docs("Show what the hub goes by: retention, staleness, shelving", [
    "settings show",
    "settings show -o json",
  ]),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES },
  async func(flags: HubFlags) {
    const { api, out } = call(flags);
    printSettings(await read(api.api.settings.$get()), out);
  },
});

const setSettings = buildCommand({
  docs: docs(
    "Change settings of a running hub; `default` takes the value of the hub's flag again",
    ["settings set stale-after=60s", "settings set shelve-max=12h sample-retention=2d"],
    "What somebody else changed meanwhile is not run over: exit code 4, and nothing is changed.",
  ),
  parameters: {
    flags: HUB_FLAGS,
    aliases: HUB_ALIASES,
    positional: {
      kind: "array",
      parameter: argument("Setting and value", "NAME=VALUE"),
      minimum: 1,
    },
  },
  async func(flags: HubFlags, ...changes: string[]) {
    const patch = Object.fromEntries(changes.map(settingOf));
    const { api, out } = call(flags);
    const etag = (await api.api.settings.$get()).headers.get("etag");
    const header = etag === null ? {} : { "if-match": etag };
    printSettings(await read(api.api.settings.$patch({ json: patch, header })), out);
  },
});

function settingOf(text: string): [keyof SettingsView, number | null] {
  const cut = text.indexOf("=");
  const name = cut < 0 ? text : text.slice(0, cut);
  const key = SETTINGS[name];
  const known = Object.keys(SETTINGS);
  if (cut < 0 || key === undefined) {
    throw new CliError(
      `Want NAME=VALUE with a name of ${known.join(", ")}; found "${text}".${
        didYouMean(name, known)
      }`,
      EXIT_USAGE,
    );
  }
  const value = text.slice(cut + 1);
  if (value === "default") return [key, null];
  try {
    return [key, durationSeconds(value) * 1000];
  } catch (error) {
    throw new CliError(`${name}: ${(error as Error).message}`, EXIT_USAGE);
  }
}

export const settings = buildRouteMap({
  docs: { brief: "What people change while the hub runs" },
  routes: { show: showSettings, set: setSettings },
});

const listBrokers = buildCommand({
  docs: docs("List the brokers that jobs may name, and what they were measured to give", [
    "brokers list",
    "brokers list -o json",
  ]),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES },
  async func(flags: HubFlags) {
    const { api, out } = call(flags);
    const { items } = await read(api.api.brokers.$get());
    out.rows(items, {
      name: (broker) => broker.name,
      url: (broker) => broker.url,
      reachable: (broker) => broker.isReachable ? "yes" : "no",
      detail: (broker) => broker.detail,
      "read by": (broker) =>
        [...new Set(broker.profiles.map(({ jobName, jobId }) => jobName ?? jobId))].join(" ") ||
        null,
    });
    const profiles = items.flatMap(({ name, profiles }) =>
      profiles.map((profile) => ({ broker: name, ...profile }))
    );
    if (!out.isForPeople || profiles.length === 0) return;
    print("");
    out.rows(profiles, {
      broker: (one) => one.broker,
      job: (one) => one.jobName ?? one.jobId,
      split: (one) => one.split,
      gives: (one) => one.detail,
    });
  },
});

export const brokers = buildRouteMap({
  docs: { brief: "The brokers that jobs may name" },
  routes: { list: listBrokers },
});

type AuditFlags = HubFlags & {
  readonly action?: string;
  readonly subject?: string;
  readonly principal?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
};

const listAudit = buildCommand({
  docs: docs("List who did what, when and why, newest first", [
    "audit list --from 24h",
    "audit list --action job.rollback -o json",
    "audit list --principal token:shift-lead",
  ]),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      action: textFlag("Only this action, such as alarm.acknowledge", "ACTION"),
      subject: textFlag("Only on this, such as job:ID", "SUBJECT"),
      principal: textFlag("Only by this one", "WHO"),
      from: timeFlag("Since: a time, or a span before now such as 2h"),
      to: timeFlag("Until"),
      limit: countFlag("How many, at most 200", 50),
    },
    aliases: HUB_ALIASES,
  },
  async func(flags: AuditFlags) {
    const { api, out } = call(flags);
    const { action, subject, principal, from, to, limit } = flags;
    const query = said({ action, subject, principal, from, to, limit: String(limit) });
    const page = await read(api.api.audit.$get({ query }));
    out.rows(page.items, {
      at: (row) => row.at,
      who: (row) => row.principalName ?? row.principal,
      action: (row) => row.action,
      subject: (row) => row.subject,
      outcome: (row) => row.outcome,
      reason: (row) => row.reason,
    }, { id: (row) => row.id, role: (row) => row.role });
  },
});

const verifyAudit = buildCommand({
  docs: docs(
    "Check that no row of the audit log was changed or taken out",
    ["audit verify"],
    "Exit code 1 when one was.",
  ),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES },
  async func(flags: HubFlags) {
    const { api, out } = call(flags);
    const verdict = await read(api.api.audit.verify.$get());
    if (!out.isForPeople) out.value(verdict);
    if (!verdict.isIntact) {
      throw new CliError(
        `The audit log is broken from row ${verdict.firstBrokenId} on: it was changed past the hub`,
        EXIT_FAILED,
      );
    }
    out.text(`The audit log is intact: ${verdict.rows} rows, each chained to the one before`);
  },
});

export const audit = buildRouteMap({
  docs: { brief: "Who did what, when and why" },
  routes: { list: listAudit, verify: verifyAudit },
});
