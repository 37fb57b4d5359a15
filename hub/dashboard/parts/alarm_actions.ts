/// <reference lib="dom" />
/**
 * What a person does to alarms: each call says what came of it, in the hub's words where it was refused.
 *
 * Touches the API and the messages of the services in context.
 *
 * @module
 */
import type { AlarmView } from "@shared/plant_api.ts";
import { plural } from "../format.ts";
import { failureText } from "../state/api_client.ts";
import { useServices } from "../state/services.ts";
import { type AlarmFilter, alarmQuery } from "./alarm_filter.ts";

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
  const { api, toasts } = useServices();
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
  const each = async <K extends string>(
    noun: string,
    target: AlarmTarget,
    body: Readonly<Record<string, string>>,
    counted: K,
  ): Promise<number> => {
    let count = 0;
    for (const which of callsOf(target)) {
      const answer = await api.post<Record<K, number>>(noun, { ...which, ...body });
      count += answer[counted];
    }
    return count;
  };
  const one = (alarm: AlarmView, verb: string, body: unknown, said: string) =>
    attempt(async () => {
      await api.post(`/alarms/${encodeURIComponent(alarm.id)}/${verb}`, body);
      return `${alarm.equipment}: ${said}.`;
    });
  return {
    acknowledge: (target, comment = "") =>
      attempt(async () => {
        const body: Record<string, string> = comment === "" ? {} : { comment };
        const count = await each("/alarms/ack", target, body, "acknowledged");
        return `${plural(count, "alarm")} acknowledged.`;
      }),
    shelve: (target, shelving) =>
      attempt(async () => {
        const count = await each("/alarms/shelve", target, { ...shelving }, "shelved");
        return `${plural(count, "alarm")} shelved.`;
      }),
    unshelve: (alarm) => one(alarm, "unshelve", {}, "back from the shelf"),
    takeOutOfService: (alarm, reason) =>
      one(alarm, "out-of-service", { reason }, "alarm taken out of service"),
    returnToService: (alarm) => one(alarm, "return-to-service", {}, "alarm back in service"),
    comment: (alarm, comment) => one(alarm, "comments", { comment }, "comment added"),
  };
}

/** The bodies that say which alarms are meant, as many as the hub needs. */
export function callsOf(target: AlarmTarget): readonly Readonly<Record<string, unknown>>[] {
  if (target.kind === "filter") return [{ filter: alarmQuery(target.filter) }];
  const calls: { ids: readonly string[] }[] = [];
  for (let from = 0; from < target.ids.length; from += IDS_PER_CALL) {
    calls.push({ ids: target.ids.slice(from, from + IDS_PER_CALL) });
  }
  return calls;
}
