/** `penstock notifications …`: where alarms are told to. Touches the network and the terminal. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { AlarmPriority, NotificationChannelView } from "@shared/plant_api.ts";
import { read } from "@shared/hub_client.ts";
import {
  args,
  argument,
  call,
  consent,
  countFlag,
  docs,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
  said,
  textFlag,
  YES_ALIASES,
  YES_FLAG,
} from "../flags.ts";
import { CliError, EXIT_FAILED, EXIT_NOT_FOUND, EXIT_USAGE, type HubApi } from "../hub_api.ts";
import { age } from "../output.ts";
import { didYouMean } from "../suggest.ts";

const CHANNEL = argument("Channel id or name", "CHANNEL");

const CHANNEL_COLUMNS = {
  id: (one: NotificationChannelView) => one.id,
  name: (one: NotificationChannelView) => one.name,
  kind: (one: NotificationChannelView) => one.kind,
  enabled: (one: NotificationChannelView) => one.isEnabled ? "yes" : "no",
  "from priority": (one: NotificationChannelView) => one.minPriority,
  to: (one: NotificationChannelView) => one.url ?? one.recipients.join(", "),
  last: (one: NotificationChannelView) =>
    one.lastDelivery === null
      ? "never"
      : one.lastDelivery.isDelivered
      ? age(one.lastDelivery.at)
      : `failed ${age(one.lastDelivery.at)}: ${one.lastDelivery.error}`,
};

async function channels(api: HubApi): Promise<readonly NotificationChannelView[]> {
  return (await read(api.api.notifications.channels.$get())).items;
}

async function findChannel(api: HubApi, idOrName: string): Promise<NotificationChannelView> {
  const all = await channels(api);
  const found = all.find(({ id }) => id === idOrName) ?? all.find(({ name }) => name === idOrName);
  if (found !== undefined) return found;
  throw new CliError(
    `No notification channel has the id or name "${idOrName}".` +
      `${didYouMean(idOrName, all.map(({ name }) => name))} ` +
      "See `penstock notifications channels list`",
    EXIT_NOT_FOUND,
  );
}

const listChannels = buildCommand({
  docs: docs("List where alarms are told to", ["notifications channels list"]),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES },
  async func(flags: HubFlags) {
    const { api, out } = call(flags);
    out.rows(await channels(api), CHANNEL_COLUMNS, {
      path: (one) => one.path.join("/") || null,
      created: (one) => one.createdAt,
    });
  },
});

type CreateFlags = HubFlags & {
  readonly webhook?: string;
  readonly email?: readonly string[];
  readonly minPriority?: AlarmPriority;
  readonly path?: string;
};

const createChannel = buildCommand({
  docs: docs(
    "Tell alarms to a webhook or by e-mail",
    [
      "notifications channels create shift --webhook https://chat.example.org/hook --min-priority high",
      "notifications channels create duty --email duty@example.org --email lead@example.org --path site-1",
    ],
    "A webhook is signed with a secret that is shown this once. E-mail needs a hub that knows an SMTP server.",
  ),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      webhook: textFlag("URL that takes a signed POST", "URL"),
      email: { ...textFlag("Who gets it; repeatable", "ADDRESS"), variadic: true },
      minPriority: {
        kind: "enum",
        values: ["low", "medium", "high", "critical"],
        optional: true,
        brief: "Alarms below it are not told",
      },
      path: textFlag("Part of the plant it is for, such as site-1/line-2", "PATH"),
    },
    aliases: HUB_ALIASES,
    positional: args(argument("Name of the channel", "NAME")),
  },
  async func(flags: CreateFlags, name: string) {
    const { webhook, email, minPriority, path } = flags;
    if ((webhook === undefined) === (email === undefined)) {
      throw new CliError("Give either --webhook URL or --email ADDRESS", EXIT_USAGE);
    }
    const { api, out } = call(flags);
    const json = {
      name,
      ...(webhook === undefined
        ? { kind: "email" as const, recipients: [...email ?? []] }
        : { kind: "webhook" as const, url: webhook }),
      ...said({ minPriority, path: path?.split("/").filter((part) => part !== "") }),
    };
    const created = await read(api.api.notifications.channels.$post({ json }));
    out.one(created, CHANNEL_COLUMNS);
    if (!out.isForPeople || created.secret === null) return;
    out.text(`secret: ${created.secret}`);
    out.note("Its requests are signed with this secret; it is shown this once");
  },
});

const testChannel = buildCommand({
  docs: docs(
    "Send a trial message now",
    ["notifications channels test shift"],
    "Exit code 1, with what the other side said, when it did not arrive.",
  ),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES, positional: args(CHANNEL) },
  async func(flags: HubFlags, name: string) {
    const { api, out } = call(flags);
    const channel = await findChannel(api, name);
    const delivery = await read(
      api.api.notifications.channels[":id"].test.$post({ param: { id: channel.id } }),
    );
    if (!out.isForPeople) out.value(delivery);
    if (!delivery.isDelivered) {
      throw new CliError(
        `Channel "${channel.name}" did not take the message: ${
          delivery.error ?? "no reason given"
        }`,
        EXIT_FAILED,
      );
    }
    out.text(`Channel "${channel.name}" took the message`);
  },
});

const deleteChannel = buildCommand({
  docs: docs("Tell nothing more to a channel, and forget it", [
    "notifications channels delete shift --yes",
  ]),
  parameters: {
    flags: { ...HUB_FLAGS, yes: YES_FLAG },
    aliases: YES_ALIASES,
    positional: args(CHANNEL),
  },
  async func(flags: HubFlags & { readonly yes: boolean }, name: string) {
    const { api, out } = call(flags);
    const channel = await findChannel(api, name);
    consent({
      question: `Delete notification channel "${channel.name}"?`,
      isGiven: flags.yes,
      isLossy: false,
    });
    await api.api.notifications.channels[":id"].$delete({ param: { id: channel.id } });
    out.note(`Notification channel "${channel.name}" is deleted`);
  },
});

type ListFlags = HubFlags & {
  readonly status?: "pending" | "delivered" | "failed";
  readonly limit: number;
};

const list = buildCommand({
  docs: docs("List what was told, newest first", [
    "notifications list",
    "notifications list --status failed -o json",
  ]),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      status: {
        kind: "enum",
        values: ["pending", "delivered", "failed"],
        optional: true,
        brief: "Only these",
      },
      limit: countFlag("How many, at most 200", 50),
    },
    aliases: HUB_ALIASES,
  },
  async func(flags: ListFlags) {
    const { api, out } = call(flags);
    const { status, limit } = flags;
    const query = said({ status, limit: String(limit) });
    const { items } = await read(api.api.notifications.$get({ query }));
    out.rows(items, {
      at: (one) => one.createdAt,
      channel: (one) => one.channelName ?? one.channelId,
      what: (one) => one.alarmId === "" ? "trial" : one.kind,
      status: (one) => one.status,
      tries: (one) => one.tries,
      error: (one) => one.error,
    }, { alarm: (one) => one.alarmId || null });
  },
});

export const notifications = buildRouteMap({
  docs: { brief: "Where alarms are told to" },
  routes: {
    list,
    channels: buildRouteMap({
      docs: { brief: "Webhooks and e-mail" },
      routes: {
        list: listChannels,
        create: createChannel,
        test: testChannel,
        delete: deleteChannel,
      },
    }),
  },
});
