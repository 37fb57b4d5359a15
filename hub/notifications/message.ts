/**
 * What channels are told: the same facts as JSON for programs and as a text for people.
 *
 * Pure.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { AlarmBrief } from "../db/alarm_views.ts";

/** Alarms that the text of one message describes. */
const DESCRIBED_MAX = 20;
const URGENCY = ["critical", "high", "medium", "low"];

/** One thing to tell. */
export interface Notice {
  /** Kind of the alarm's step: raised, re-alarmed, cleared, …; `test` for a trial. */
  readonly kind: string;
  readonly at: string;
  /** Null for a trial. */
  readonly alarm: AlarmBrief | null;
}

export interface Message {
  /** Made of what it tells: the same when the same is sent again. */
  readonly deliveryId: string;
  readonly subject: string;
  readonly text: string;
  readonly json: string;
}

/**
 * @param channel Its id and name.
 * @param dashboardUrl Of the hub, without a slash at the end.
 */
export function messageOfNotices(
  notices: readonly Notice[],
  channel: { readonly id: string; readonly name: string },
  dashboardUrl: string,
): Message {
  const events = notices.map((notice) => ({
    id: idOf(channel.id, notice),
    kind: notice.kind,
    at: notice.at,
    url: linkTo(notice, dashboardUrl),
    alarm: notice.alarm,
  }));
  const deliveryId = hash(events.map(({ id }) => id).join(" "));
  return {
    deliveryId,
    subject: subjectOf(notices),
    text: textOf(notices, dashboardUrl),
    json: JSON.stringify({ id: deliveryId, channel, events }),
  };
}

function idOf(channelId: string, { kind, at, alarm }: Notice): string {
  return hash(JSON.stringify([channelId, alarm?.id ?? "", kind, at]));
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

function linkTo({ alarm }: Notice, dashboardUrl: string): string {
  if (alarm === null) return dashboardUrl;
  return `${dashboardUrl}/alarms?state=all&alarm=${encodeURIComponent(alarm.id)}`;
}

function subjectOf(notices: readonly Notice[]): string {
  const [first] = notices;
  if (first === undefined || first.alarm === null) return "Penstock: trial of a channel";
  if (notices.length === 1) {
    return oneLine(
      `${headOf(first.kind, first.alarm)} ${first.alarm.equipment}: ${first.alarm.text}`,
    );
  }
  const begun = notices.filter(({ kind }) => kind !== "cleared").length;
  const worst = URGENCY.find((one) => notices.some(({ alarm }) => alarm?.priority === one));
  const parts = [
    ...(begun > 0 ? [`${begun} alarm${begun === 1 ? "" : "s"}`] : []),
    ...(begun < notices.length ? [`${notices.length - begun} over`] : []),
  ];
  return oneLine(`[${(worst ?? "low").toUpperCase()}] ${parts.join(", ")}`);
}

function headOf(kind: string, { priority }: { readonly priority: string }): string {
  if (kind === "cleared") return "[OVER]";
  return kind === "re-alarmed"
    ? `[${priority.toUpperCase()}, again]`
    : `[${priority.toUpperCase()}]`;
}

function textOf(notices: readonly Notice[], dashboardUrl: string): string {
  const told = notices.slice(0, DESCRIBED_MAX).map((notice) => paragraphOf(notice, dashboardUrl));
  const more = notices.length - told.length;
  if (more > 0) told.push(`And ${more} more: ${dashboardUrl}/alarms`);
  return `${told.join("\n\n")}\n`;
}

function paragraphOf(notice: Notice, dashboardUrl: string): string {
  const { kind, alarm } = notice;
  if (alarm === null) {
    return `This is a trial: alarms will come this way.\n${dashboardUrl}`;
  }
  const lines = [
    `${headOf(kind, alarm)} ${alarm.equipment}: ${alarm.text}`,
    ...factLine("Where", [...alarm.path, alarm.equipment].join(" / ")),
    ...factLine("Priority", alarm.priority),
    ...factLine("Since", alarm.raisedAt),
    ...factLine("Over", alarm.clearedAt ?? ""),
    ...factLine("Value", valueText(alarm)),
    ...factLine("Cause", alarm.cause),
    ...factLine("Consequence", alarm.consequence),
    ...factLine("Response", alarm.response),
    linkTo(notice, dashboardUrl),
  ];
  return lines.map(oneLine).join("\n");
}

function factLine(name: string, value: string): string[] {
  return value === "" ? [] : [`${name}: ${value}`];
}

function valueText({ value, low, high }: NonNullable<Notice["alarm"]>): string {
  if (value === null) return "";
  if (low === null && high === null) return String(value);
  return `${value}, expected ${low ?? "…"} to ${high ?? "…"}`;
}

/** Texts come from jobs: no line break of theirs makes a header or a line of ours. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f\u2028\u2029]+/g, " ").slice(0, 1_000);
}
