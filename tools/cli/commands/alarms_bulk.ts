/**
 * `penstock alarms ack` and `shelve`: one alarm, several, or all that a filter takes.
 *
 * Touches the network and the terminal. What a filter takes is counted first, and asked for at a terminal.
 *
 * @module
 */
import { buildCommand } from "@stricli/core";
import { read } from "@shared/hub_client.ts";
import {
  argument,
  type Call,
  call,
  consent,
  docs,
  durationSeconds,
  HUB_FLAGS,
  type HubFlags,
  switchFlag,
  textFlag,
  YES_ALIASES,
  YES_FLAG,
} from "../flags.ts";
import { CliError, EXIT_USAGE } from "../hub_api.ts";
import { counted } from "../output.ts";
import {
  ALARM_FILTER_FLAGS,
  type AlarmFilter,
  type AlarmFilterFlags,
  filterOf,
} from "./alarm_filter.ts";

type BulkFlags = HubFlags & AlarmFilterFlags & { readonly all: boolean; readonly yes: boolean };

const BULK_FLAGS = {
  ...HUB_FLAGS,
  ...ALARM_FILTER_FLAGS,
  all: switchFlag("All that need attention, without a further filter"),
  yes: YES_FLAG,
} as const;

const ALARM_IDS = {
  kind: "array",
  parameter: argument("Alarm ids; none: all that the filter takes", "ALARM"),
} as const;

type Which = { readonly ids: string[] } | { readonly filter: AlarmFilter };

export const acknowledge = buildCommand({
  docs: docs("Acknowledge alarms: somebody has seen them", [
    "alarms ack ALARM",
    'alarms ack --priority low,medium --path site-1/line-2 --comment "known, planned stop"',
    "alarms ack --all --yes",
  ]),
  parameters: {
    flags: { ...BULK_FLAGS, comment: textFlag("Kept in the history of each", "TEXT") },
    aliases: YES_ALIASES,
    positional: ALARM_IDS,
  },
  async func(flags: BulkFlags & { readonly comment?: string }, ...ids: string[]) {
    const { api, out } = call(flags);
    const which = await whichOf({ api, out }, flags, { ids, verb: "Acknowledge" });
    const comment = flags.comment === undefined ? {} : { comment: flags.comment };
    if ("ids" in which && which.ids.length === 1) {
      const id = which.ids[0]!;
      const alarm = await read(
        api.api.alarms[":id"].ack.$post({ param: { id }, json: comment }),
      );
      return out.isForPeople ? out.note(`Alarm ${id} is acknowledged`) : out.value(alarm);
    }
    const answer = await read(api.api.alarms.ack.$post({ json: { ...which, ...comment } }));
    if (!out.isForPeople) return out.value(answer);
    out.text(`${counted(answer.acknowledged, "alarm")} acknowledged`);
  },
});

type ShelveFlags = BulkFlags & { readonly for: string; readonly reason: string };

export const shelve = buildCommand({
  docs: docs(
    "Keep alarms quiet for a while, with a reason",
    [
      'alarms shelve ALARM --for 2h --reason "pump is being serviced"',
      'alarms shelve --equipment pump-7 --for 8h --reason "planned stop"',
    ],
    "Shelving belongs to equipment and alarm sink together: later occurrences do not ring either. It ends by itself.",
  ),
  parameters: {
    flags: {
      ...BULK_FLAGS,
      for: {
        kind: "parsed",
        parse: durationText,
        brief: "How long, such as 30m or 2h",
        placeholder: "2h",
      },
      reason: {
        kind: "parsed",
        parse: String,
        brief: "Why; kept in the history of each",
        placeholder: "TEXT",
      },
    },
    aliases: YES_ALIASES,
    positional: ALARM_IDS,
  },
  async func(flags: ShelveFlags, ...ids: string[]) {
    const { api, out } = call(flags);
    const which = await whichOf({ api, out }, flags, { ids, verb: "Shelve" });
    const body = { for: flags.for, reason: flags.reason };
    if ("ids" in which && which.ids.length === 1) {
      const id = which.ids[0]!;
      const alarm = await read(
        api.api.alarms[":id"].shelve.$post({ param: { id }, json: body }),
      );
      return out.isForPeople
        ? out.note(`Alarm ${id} is on the shelf for ${flags.for}`)
        : out.value(alarm);
    }
    const answer = await read(api.api.alarms.shelve.$post({ json: { ...which, ...body } }));
    if (!out.isForPeople) return out.value(answer);
    out.text(`${counted(answer.shelved, "alarm")} on the shelf for ${flags.for}`);
  },
});

/** Ids as given, or the filter once the person agreed to how many it takes. */
async function whichOf(
  { api }: Call,
  flags: BulkFlags,
  { ids, verb }: { readonly ids: string[]; readonly verb: string },
): Promise<Which> {
  const filter = await filterOf(api, flags);
  const hasFilter = Object.keys(filter).length > 0 || flags.all;
  if (ids.length > 0) {
    if (!hasFilter) return { ids };
    throw new CliError("Name alarms by id or by a filter, not by both", EXIT_USAGE);
  }
  if (!hasFilter) {
    throw new CliError(
      "Name the alarms: by id, by a filter such as --priority or --path, or with --all",
      EXIT_USAGE,
    );
  }
  const asked: AlarmFilter = { state: "attention", ...filter };
  const { total } = await read(api.api.alarms.count.$get({ query: asked }));
  const question = `${verb} ${counted(total, "alarm")}?`;
  consent({ question, isGiven: flags.yes, isLossy: false });
  return { filter: asked };
}

function durationText(text: string): string {
  durationSeconds(text);
  return text;
}
