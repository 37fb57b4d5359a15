/// <reference lib="dom" />
/**
 * What a person does to alarms: each call says what came of it, in the hub's words where it was refused.
 *
 * Touches the API and the messages of the services in context.
 *
 * @module
 */
import type { AlarmView } from "@shared/plant_api.ts";
import { read } from "@shared/hub_client.ts";
import { plural } from "../format.ts";
import { failureText } from "../state/api_client.ts";
import { useServices } from "../state/services.ts";
import { type AlarmFilter, type AlarmQuery, alarmQuery } from "./alarm_filter.ts";

/** The hub takes no more ids in one call. */
const IDS_PER_CALL = 1000;

/** Some alarms by name, or all that a filter takes at the hub. */
export type AlarmTarget =
  | { readonly kind: "ids"; readonly ids: readonly string[] }
  | { readonly kind: "filter"; readonly filter: AlarmFilter };

export interface Shelving {
  /** `30m`, `2h`. */
  readonly for: string;
  readonly reason: string;
}

export interface AlarmActions {
  /** Each of them is true when it was done. */
  acknowledge(target: AlarmTarget, comment?: string): Promise<boolean>;
  shelve(target: AlarmTarget, shelving: Shelving): Promise<boolean>;
  unshelve(alarm: AlarmView): Promise<boolean>;
  takeOutOfService(alarm: AlarmView, reason: string): Promise<boolean>;
  returnToService(alarm: AlarmView): Promise<boolean>;
  comment(alarm: AlarmView, comment: string): Promise<boolean>;
}

/** @param done Runs behind each call, whatever came of it. */
export function useAlarmActions(done: () => void): AlarmActions {
  const { hub, toasts } = useServices();
  const alarmOf = hub.alarms[":id"];
  const attempt = async (run: () => Promise<string>): Promise<boolean> => {
    try {
      toasts.done(await run());
      return true;
    } catch (thrown) {
      toasts.failed(failureText(thrown));
      return false;
    } finally {
      done();
    }
  };
  const each = async (target: AlarmTarget, run: (which: Which) => Promise<number>) => {
    let count = 0;
    for (const which of callsOf(target)) count += await run(which);
    return plural(count, "alarm");
  };
  const one = (alarm: AlarmView, said: string, run: (param: { id: string }) => Promise<unknown>) =>
    attempt(async () => {
      await run({ id: alarm.id });
      return `${alarm.equipment}: ${said}.`;
    });
  return {
    acknowledge: (target, comment = "") =>
      attempt(async () => {
        const said = comment === "" ? {} : { comment };
        const count = await each(target, async (which) =>
          (await read(hub.alarms.ack.$post({ json: { ...which, ...said } }))).acknowledged);
        return `${count} acknowledged.`;
      }),
    shelve: (target, shelving) =>
      attempt(async () => {
        const count = await each(target, async (which) =>
          (await read(hub.alarms.shelve.$post({ json: { ...which, ...shelving } }))).shelved);
        return `${count} shelved.`;
      }),
    unshelve: (alarm) =>
      one(alarm, "back from the shelf", (param) => alarmOf.unshelve.$post({ param })),
    takeOutOfService: (alarm, reason) =>
      one(
        alarm,
        "alarm taken out of service",
        (param) => alarmOf["out-of-service"].$post({ param, json: { reason } }),
      ),
    returnToService: (alarm) =>
      one(alarm, "alarm back in service", (param) => alarmOf["return-to-service"].$post({ param })),
    comment: (alarm, comment) =>
      one(alarm, "comment added", (param) => alarmOf.comments.$post({ param, json: { comment } })),
  };
}

/** Which alarms a call means. */
type Which = { readonly ids: string[] } | { readonly filter: AlarmQuery };

/** The bodies that say which alarms are meant, as many as the hub needs. */
export function callsOf(target: AlarmTarget): readonly Which[] {
  if (target.kind === "filter") return [{ filter: alarmQuery(target.filter) }];
  const calls: Which[] = [];
  for (let from = 0; from < target.ids.length; from += IDS_PER_CALL) {
    calls.push({ ids: target.ids.slice(from, from + IDS_PER_CALL) });
  }
  return calls;
}
