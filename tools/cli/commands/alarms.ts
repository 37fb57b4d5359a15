/** `penstock alarms …`, after ISA-18.2. Touches the network and the terminal. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { AlarmDetail, AlarmTransitionView, AlarmView } from "@shared/plant_api.ts";
import { read } from "@shared/hub_client.ts";
import { args, argument, call, docs, HUB_ALIASES, HUB_FLAGS, type HubFlags } from "../flags.ts";
import type { HubApi } from "../hub_api.ts";
import { age } from "../output.ts";
import { print } from "../terminal.ts";
import { ALARM_FILTER_FLAGS, type AlarmFilterFlags, filterOf } from "./alarm_filter.ts";
import { acknowledge, shelve } from "./alarms_bulk.ts";
import { health, history } from "./alarms_history.ts";

const ALARM = argument("Alarm id", "ALARM");

const ALARM_COLUMNS = {
  id: (alarm: AlarmView) => alarm.id,
  priority: (alarm: AlarmView) => alarm.priority,
  state: (alarm: AlarmView) => alarm.state,
  equipment: (alarm: AlarmView) => alarm.equipment,
  raised: (alarm: AlarmView) => age(alarm.raisedAt),
  text: (alarm: AlarmView) => alarm.text,
};
const ALARM_WIDE = {
  value: (alarm: AlarmView) => figure(alarm.value),
  score: (alarm: AlarmView) => figure(alarm.score),
  times: (alarm: AlarmView) => alarm.occurrences,
  sink: (alarm: AlarmView) => alarm.sinkUid,
  cleared: (alarm: AlarmView) => alarm.clearedAt,
  "acknowledged by": (alarm: AlarmView) => alarm.acknowledgedBy,
  "shelved until": (alarm: AlarmView) => alarm.shelvedUntil,
};

const list = buildCommand({
  docs: docs(
    "List alarms, newest first: those that need attention, unless --state says otherwise",
    [
      "alarms list",
      "alarms list --priority critical,high --path site-1/line-2",
      "alarms list --state all --from 24h --equipment pump-7 -o wide",
    ],
    "Attention: active or unacknowledged, and neither shelved nor suppressed nor out of service.",
  ),
  parameters: { flags: { ...HUB_FLAGS, ...ALARM_FILTER_FLAGS }, aliases: HUB_ALIASES },
  async func(flags: HubFlags & AlarmFilterFlags) {
    const { api, out } = call(flags);
    const filter = await filterOf(api, flags);
    const found: AlarmView[] = await api.all((query) =>
      api.api.alarms.$get({ query: { state: "attention", ...filter, ...query } })
    );
    out.rows(found, ALARM_COLUMNS, ALARM_WIDE);
  },
});

const show = buildCommand({
  docs: docs("Show one alarm: what it means, what to do, and its life so far", [
    "alarms show ALARM",
    "alarms show ALARM -o json",
  ]),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES, positional: args(ALARM) },
  async func(flags: HubFlags, id: string) {
    const { api, out } = call(flags);
    const alarm: AlarmDetail = await read(api.api.alarms[":id"].$get({ param: { id } }));
    if (!out.isForPeople) return out.value(alarm);
    out.one(alarm, {
      ...ALARM_COLUMNS,
      job: () => alarm.jobName ?? alarm.jobId,
      place: () => alarm.path.join(" / ") || null,
      value: () => figure(alarm.value),
      expected: () => expectedOf(alarm),
      score: () => figure(alarm.score),
      cause: () => alarm.cause || null,
      consequence: () => alarm.consequence || null,
      "what to do": () => alarm.response || null,
      "raised at": () => alarm.raisedAt,
      "cleared at": () => alarm.clearedAt,
      acknowledged: () => byWhom(alarm.acknowledgedBy, alarm.acknowledgedAt, alarm.comment),
      shelved: () => byWhom(alarm.shelvedBy, alarm.shelvedUntil, alarm.shelveReason),
      "suppressed by": () => alarm.suppressedBy,
      "out of service": () => byWhom(alarm.outOfServiceBy, null, alarm.outOfServiceReason),
    });
    print("");
    out.rows(alarm.transitions, TRANSITION_COLUMNS);
  },
});

const TRANSITION_COLUMNS = {
  at: (one: AlarmTransitionView) => one.at,
  what: (one: AlarmTransitionView) => one.kind,
  to: (one: AlarmTransitionView) => one.to,
  by: (one: AlarmTransitionView) => one.by ?? one.cause,
  comment: (one: AlarmTransitionView) => one.comment,
};

function expectedOf({ low, high }: AlarmView): string | null {
  return low === null && high === null ? null : `${figure(low) ?? "…"} to ${figure(high) ?? "…"}`;
}

/** As many digits as a person reads. */
function figure(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(5));
}

function byWhom(who: string | null, at: string | null, why: string | null): string | null {
  if (who === null) return null;
  return [who, at, why === null ? null : `"${why}"`].filter((part) => part !== null).join(", ");
}

type OneAlarm = HubApi["api"]["alarms"][":id"];

/** Does one thing to one alarm. */
async function act(
  flags: HubFlags,
  id: string,
  what: {
    readonly ask: (alarm: OneAlarm) => Promise<{ json(): Promise<unknown> }>;
    readonly done: string;
  },
): Promise<void> {
  const { api, out } = call(flags);
  const alarm = await read(what.ask(api.api.alarms[":id"]));
  if (!out.isForPeople) return out.value(alarm);
  out.note(`Alarm ${id} ${what.done}`);
}

const NEEDED_TEXT = { kind: "parsed", parse: String, placeholder: "TEXT" } as const;

const unshelve = buildCommand({
  docs: docs("Let an alarm ring again before its time on the shelf is over", [
    "alarms unshelve ALARM",
  ]),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES, positional: args(ALARM) },
  func: (flags: HubFlags, id: string) =>
    act(flags, id, {
      ask: (alarm) => alarm.unshelve.$post({ param: { id }, json: {} }),
      done: "is off the shelf",
    }),
});

const comment = buildCommand({
  docs: docs("Write something into an alarm's history", [
    'alarms comment ALARM --comment "the fitter is on the way"',
  ]),
  parameters: {
    flags: { ...HUB_FLAGS, comment: { ...NEEDED_TEXT, brief: "What is to be remembered" } },
    aliases: HUB_ALIASES,
    positional: args(ALARM),
  },
  func: ({ comment, ...flags }: HubFlags & { readonly comment: string }, id: string) =>
    act(flags, id, {
      ask: (alarm) => alarm.comments.$post({ param: { id }, json: { comment } }),
      done: "has the comment",
    }),
});

const outOfService = buildCommand({
  docs: docs("Take an alarm out of service, until somebody returns it", [
    'alarms out-of-service ALARM --reason "sensor is being replaced"',
  ]),
  parameters: {
    flags: { ...HUB_FLAGS, reason: { ...NEEDED_TEXT, brief: "Why; kept in its history" } },
    aliases: HUB_ALIASES,
    positional: args(ALARM),
  },
  func: ({ reason, ...flags }: HubFlags & { readonly reason: string }, id: string) =>
    act(flags, id, {
      ask: (alarm) => alarm["out-of-service"].$post({ param: { id }, json: { reason } }),
      done: "is out of service",
    }),
});

const returnToService = buildCommand({
  docs: docs("Return an alarm to service", ["alarms return-to-service ALARM"]),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES, positional: args(ALARM) },
  func: (flags: HubFlags, id: string) =>
    act(flags, id, {
      ask: (alarm) => alarm["return-to-service"].$post({ param: { id }, json: {} }),
      done: "is in service again",
    }),
});

export const alarms = buildRouteMap({
  docs: { brief: "What needs somebody's attention" },
  routes: {
    list,
    show,
    ack: acknowledge,
    shelve,
    unshelve,
    comment,
    outOfService,
    returnToService,
    history,
    health,
  },
});
