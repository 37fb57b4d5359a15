/**
 * Which alarms the spans of one point (sink and equipment) make, and when the clock has to look again.
 *
 * Pure. A span rings when it held for the on-delay. It continues an alarm instead of raising one when that
 * alarm's condition still held, or was gone for less than the off-delay, as the span began; or when nobody
 * has acknowledged the last alarm yet.
 *
 *   span ──held for on-delay──▶ raises an alarm ──▶ active ──gone for off-delay──▶ over
 *     └──an alarm holds, or nobody saw the last──▶ continues it (occurrences + 1 while unseen)
 *
 * Invariants (tests/property/alarm_settlement_test.ts):
 *
 *   1  Settling again with the same spans at the same time changes nothing and tells nothing.
 *   2  Without acts of people, the order and the cut of deliveries do not change the outcome.
 *   3  A span belongs to one alarm for good, and each alarm is raised once.
 *   4  Late delivery counts as record time does: a span that ended before its on-delay never rings.
 *
 * @module
 */
import type { AlarmRules } from "./alarm_rules.ts";
import { type AlarmSpan, type BegunSpan, begunSpans } from "./alarm_spans.ts";
import type { AlarmCondition, AlarmStep } from "./alarm_state.ts";

/** An onset that came behind its on-delay waits this much for the end that may be on its way. */
export const LATE_GRACE_MS = 2_000;

export interface Alarm extends AlarmCondition {
  readonly id: string;
  readonly raisedAtMs: number;
  /** Null while active. */
  readonly clearedAtMs: number | null;
  readonly acknowledgedAtMs: number | null;
  readonly occurrences: number;
  /** When the clock next decides something about it. */
  readonly dueAtMs: number | null;
}

export interface Settlement {
  /** Every alarm that was given and every one that was raised. */
  readonly alarms: readonly Alarm[];
  /** Span -> alarm, for those that had none. */
  readonly joined: ReadonlyMap<string, string>;
  /** Span that waits for its on-delay -> when that has passed. */
  readonly pending: ReadonlyMap<string, number>;
  readonly steps: readonly AlarmStep[];
}

export interface PointHistory {
  readonly spans: readonly AlarmSpan[];
  /** Newest last. */
  readonly alarms: readonly Alarm[];
}

/** Decides what became of the point by `nowMs`. */
export function settlePoint(
  history: PointHistory,
  rules: AlarmRules,
  nowMs: number,
  cause: "edge" | "clock" | "no-data",
): Settlement {
  const alarms = new Map(history.alarms.map((alarm) => [alarm.id, alarm]));
  const spans = begunSpans(history.spans);
  const members = new Map<string, BegunSpan[]>();
  for (const span of spans) if (span.alarmId !== null) addTo(members, span.alarmId, span);
  const joined = new Map<string, string>();
  const pending = new Map<string, number>();
  const steps: AlarmStep[] = [];
  for (const span of spans) {
    if (span.alarmId !== null) continue;
    const holding = holderOf(span, alarms, members, rules.offDelayMs);
    const dueMs = ringsAtMs(span, rules);
    if (holding === null && dueMs === null) continue;
    if (holding === null && dueMs! > nowMs) {
      pending.set(span.id, dueMs!);
      continue;
    }
    const alarm = holding ?? [...alarms.values()].findLast((one) => !one.isAcknowledged) ?? null;
    const id = alarm?.id ?? span.id;
    addTo(members, id, span);
    joined.set(span.id, id);
    if (alarm === null) {
      const raised = raisedBy(span);
      alarms.set(id, raised);
      const atMs = span.fromMs + rules.onDelayMs;
      steps.push(stepOf("raised", atMs, cause, { before: null, after: raised, isNews: true }));
    } else {
      alarms.set(id, continued(alarm, span));
    }
  }
  for (const alarm of alarms.values()) {
    const of = members.get(alarm.id);
    const moved = moveOn(alarm, of ?? [], rules, { nowMs, cause });
    alarms.set(alarm.id, moved.alarm);
    steps.push(...moved.steps);
  }
  return { alarms: [...alarms.values()], joined, pending, steps };
}

/** When a span that nothing holds rings by itself, long ago if it did: null when it was too short. */
function ringsAtMs(span: BegunSpan, { onDelayMs }: AlarmRules): number | null {
  if (span.toMs !== null && span.toMs - span.fromMs < onDelayMs) return null;
  if (onDelayMs === 0 || (span.toMs !== null && !span.isEndGuessed)) return -Infinity;
  // A clock at the edge that is fast delays nothing beyond the on-delay.
  const heldMs = Math.min(span.fromMs, span.heardAtMs) + onDelayMs;
  return Math.max(heldMs, span.heardAtMs + Math.min(LATE_GRACE_MS, onDelayMs));
}

/** The alarm whose condition held, or was not gone long enough, as `span` began. */
function holderOf(
  span: BegunSpan,
  alarms: ReadonlyMap<string, Alarm>,
  members: ReadonlyMap<string, readonly BegunSpan[]>,
  offDelayMs: number,
): Alarm | null {
  for (const [id, alarm] of alarms) {
    const holds = (members.get(id) ?? []).some(({ fromMs, toMs, isEndGuessed }) =>
      !isEndGuessed && fromMs <= span.fromMs &&
      (toMs === null || span.fromMs < toMs + offDelayMs)
    );
    if (holds) return alarm;
  }
  return null;
}

function raisedBy(span: BegunSpan): Alarm {
  return {
    id: span.id,
    raisedAtMs: span.fromMs,
    isActive: true,
    clearedAtMs: null,
    isAcknowledged: false,
    acknowledgedAtMs: null,
    occurrences: 1,
    dueAtMs: null,
  };
}

function continued(alarm: Alarm, span: BegunSpan): Alarm {
  return {
    ...alarm,
    raisedAtMs: Math.min(alarm.raisedAtMs, span.fromMs),
    occurrences: alarm.occurrences + (alarm.isAcknowledged ? 0 : 1),
  };
}

/** What its spans and the clock make of an alarm: active again, over, ringing again. */
function moveOn(
  before: Alarm,
  spans: readonly BegunSpan[],
  { offDelayMs, reAlarmMs }: AlarmRules,
  { nowMs, cause }: { readonly nowMs: number; readonly cause: "edge" | "clock" | "no-data" },
): { alarm: Alarm; steps: AlarmStep[] } {
  const steps: AlarmStep[] = [];
  let alarm = before;
  const go = (kind: AlarmStep["kind"], atMs: number, next: Alarm, isNews: boolean) => {
    const why = kind === "re-alarmed" ? "clock" : cause;
    steps.push(stepOf(kind, atMs, why, { before: alarm, after: next, isNews }));
    alarm = next;
  };
  // Edges that were forgotten leave an alarm as it is.
  const endMs = spans.length === 0 ? alarm.clearedAtMs : endOf(spans);
  const overAtMs = spans.length === 0 ? null : overAt(spans, offDelayMs);
  const isActive = spans.length === 0 ? alarm.isActive : overAtMs === null || overAtMs > nowMs;
  if (isActive && !alarm.isActive) {
    const last = spans.at(-1)!;
    go("raised", last.fromMs, { ...alarm, isActive: true, clearedAtMs: null }, false);
  } else if (!isActive && alarm.isActive) {
    go("cleared", endMs!, { ...alarm, isActive: false, clearedAtMs: endMs }, true);
  } else if (!isActive && spans.length > 0) {
    alarm = { ...alarm, clearedAtMs: endMs };
  }
  const reAlarmAtMs = reAlarmDue(alarm, reAlarmMs);
  if (reAlarmAtMs !== null && reAlarmAtMs <= nowMs) {
    const again = { isAcknowledged: false, acknowledgedAtMs: null };
    go("re-alarmed", reAlarmAtMs, { ...alarm, ...again, occurrences: alarm.occurrences + 1 }, true);
  }
  const waits = [
    isActive ? overAtMs : null,
    reAlarmDue(alarm, reAlarmMs),
  ].filter((ms) => ms !== null);
  return { alarm: { ...alarm, dueAtMs: waits.length === 0 ? null : Math.min(...waits) }, steps };
}

/** When an acknowledged alarm rings again; null when it does not. */
export function reAlarmDue(
  alarm: AlarmCondition & Pick<Alarm, "acknowledgedAtMs">,
  reAlarmMs: number | null,
): number | null {
  const { isActive, isAcknowledged, acknowledgedAtMs } = alarm;
  if (reAlarmMs === null || !isActive || !isAcknowledged) return null;
  return acknowledgedAtMs === null ? null : acknowledgedAtMs + reAlarmMs;
}

/** When the off-delay has passed, long ago without one; null while the condition holds. */
function overAt(spans: readonly BegunSpan[], offDelayMs: number): number | null {
  if (endOf(spans) === null) return null;
  if (offDelayMs === 0) return -Infinity;
  return Math.max(...spans.map(({ toMs, heardAtMs }) => Math.min(toMs!, heardAtMs) + offDelayMs));
}

function endOf(spans: readonly BegunSpan[]): number | null {
  let endMs = -Infinity;
  for (const { toMs } of spans) {
    if (toMs === null) return null;
    endMs = Math.max(endMs, toMs);
  }
  return endMs;
}

function stepOf(
  kind: AlarmStep["kind"],
  atMs: number,
  cause: AlarmStep["cause"],
  { before, after, isNews }: { before: Alarm | null; after: Alarm; isNews: boolean },
): AlarmStep {
  return {
    alarmId: after.id,
    kind,
    atMs,
    cause,
    before: before === null ? null : conditionOf(before),
    after: conditionOf(after),
    isNews,
  };
}

function conditionOf({ isActive, isAcknowledged }: AlarmCondition): AlarmCondition {
  return { isActive, isAcknowledged };
}

function addTo(members: Map<string, BegunSpan[]>, id: string, span: BegunSpan): void {
  const known = members.get(id);
  if (known === undefined) members.set(id, [span]);
  else known.push(span);
}
