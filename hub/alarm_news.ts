/**
 * Tells listeners of the event stream what happened to alarms.
 *
 * Touches the feed alone. Few steps are one event each; many of a kind at once are one event with their
 * number, so that a flood of alarms is no flood of events.
 *
 * @module
 */
import type { EventType } from "@shared/api.ts";
import type { LoggedStep } from "./db/alarm_log.ts";
import type { AlarmNews } from "./db/alarm_store.ts";
import type { EventFeed } from "./ports.ts";

/** Steps of one kind that are told one by one. */
const SINGLE_EVENTS_MAX = 100;
/** Alarms that an event about many names. */
const NAMED_ALARMS_MAX = 1_000;

/** @param who Name of the person who acted; left out: none did. */
export function publishNews(
  events: EventFeed,
  { steps, chattering }: AlarmNews,
  about: { readonly agentId?: string; readonly who?: string } = {},
): void {
  const byKind = new Map<EventType, LoggedStep[]>();
  for (const step of steps) {
    const type = `alarm.${step.kind}` as const;
    const known = byKind.get(type);
    if (known === undefined) byKind.set(type, [step]);
    else known.push(step);
  }
  const by = about.who === undefined ? {} : { by: about.who };
  const agent = about.agentId === undefined ? {} : { agentId: about.agentId };
  for (const [type, all] of byKind) {
    if (all.length > SINGLE_EVENTS_MAX) {
      const alarmIds = all.slice(0, NAMED_ALARMS_MAX).map(({ alarm }) => alarm.id);
      events.publish(type, agent, { alarmIds, count: all.length, ...by });
      continue;
    }
    for (const step of all) {
      events.publish(type, { jobId: step.alarm.jobId, ...agent }, { ...bodyOf(step), ...by });
    }
  }
  for (const point of chattering) {
    const { jobId, sinkUid, equipment } = point;
    events.publish("alarm.chattering", { jobId }, { sinkUid, equipment });
  }
}

function bodyOf({ alarm, atMs, from, to, comment }: LoggedStep): Record<string, unknown> {
  const { id: alarmId, jobId: _jobId, ...rest } = alarm;
  return { alarmId, ...rest, atMs, from, to, ...(typeof comment === "string" ? { comment } : {}) };
}
