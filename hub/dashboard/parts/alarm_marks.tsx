/// <reference lib="dom" />
/**
 * What a person reads about one alarm: its state, how long it is shelved, where it is.
 *
 * @module
 */
import type { AlarmStateLabel, AlarmView } from "@shared/plant_api.ts";
import { ageOf, durationText, timeText } from "../format.ts";
import { useServices } from "../state/services.ts";
import type { Mark } from "./health.ts";
import { Badge } from "./marks.tsx";

export const STATE_TEXT: Readonly<Record<AlarmStateLabel, string>> = {
  "unacknowledged": "unacknowledged",
  "acknowledged": "acknowledged",
  "returned-unacknowledged": "over, unacknowledged",
  "normal": "normal",
  "shelved": "shelved",
  "suppressed": "suppressed",
  "out-of-service": "out of service",
};
export const ALARM_STATE_LABELS = Object.keys(STATE_TEXT) as readonly AlarmStateLabel[];

/** Active and unacknowledged is abnormal; over but unseen asks for a look; the rest is calm. */
export function stateMark(state: AlarmStateLabel): Mark {
  const text = STATE_TEXT[state];
  switch (state) {
    case "unacknowledged":
      return { tone: "bad", text };
    case "returned-unacknowledged":
      return { tone: "warn", text };
    case "acknowledged":
    case "shelved":
    case "suppressed":
    case "out-of-service":
      return { tone: "active", text };
    case "normal":
      return { tone: "calm", text };
  }
}

/** The state, and for a shelved one the time that is left. */
export function AlarmStateMark(props: { readonly alarm: AlarmView }) {
  const { now } = useServices();
  const { state, shelvedUntil } = props.alarm;
  const mark = stateMark(state);
  if (state !== "shelved" || shelvedUntil === null) return <Badge mark={mark} />;
  const leftMs = Math.max(0, Date.parse(shelvedUntil) - now.value);
  return <Badge mark={{ ...mark, text: `shelved, ${durationText(wholeMinutes(leftMs))} left` }} />;
}

/** How long ago, without seconds once there are minutes: a list of many stays still. */
export function Since(props: { readonly at: string }) {
  const { now } = useServices();
  const ageMs = ageOf(props.at, now.value) ?? 0;
  const unit = ageMs < 60_000 ? 1_000 : 60_000;
  return (
    <time dateTime={props.at} title={timeText(props.at)}>
      {ageMs < 1_000 ? "now" : `${durationText(Math.floor(ageMs / unit) * unit)} ago`}
    </time>
  );
}

/** Seconds would only flicker while there are minutes. */
function wholeMinutes(ms: number): number {
  const unit = ms < 60_000 ? 1_000 : 60_000;
  return Math.ceil(ms / unit) * unit;
}

/** Edge of a table row: stands out while nobody has acknowledged it. */
export function alarmRowClass(alarm: AlarmView): string {
  switch (alarm.state) {
    case "unacknowledged":
      return "row-bad is-unacknowledged";
    case "returned-unacknowledged":
      return "row-warn is-unacknowledged";
    default:
      return "";
  }
}

/** What is shelved, suppressed or out of service does not ring and is not acknowledged. */
export function canAcknowledge(alarm: AlarmView): boolean {
  return !alarm.isAcknowledged;
}
