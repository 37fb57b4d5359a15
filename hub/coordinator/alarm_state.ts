/**
 * What an alarm is, after ISA-18.2: separate fields, and the label made of them.
 *
 * Pure. Whether its condition holds, whether a person has seen it, and whether it is shelved, suppressed by
 * design or out of service do not depend on each other:
 *
 *              raise              acknowledge
 *   (none) ──────────▶ active,unseen ──────▶ active,seen ──▶ active,unseen
 *                        │ clear                │ clear   re-alarm
 *                        ▼      acknowledge     ▼
 *                     over,unseen ──────────▶ over,seen
 *
 * @module
 */
import type { AlarmStateLabel, AlarmTransitionKind } from "@shared/plant_api.ts";

/** The two fields of an alarm itself. */
export interface AlarmCondition {
  readonly isActive: boolean;
  readonly isAcknowledged: boolean;
}

/** What holds for sink and equipment together, over all their alarms. */
export interface AlarmPointState {
  /** Shelved while the clock is before it. */
  readonly shelvedUntilMs: number | null;
  /** Sink whose active alarm suppresses this one. */
  readonly suppressedBy: string | null;
  readonly isOutOfService: boolean;
}

export const OPEN_POINT: AlarmPointState = {
  shelvedUntilMs: null,
  suppressedBy: null,
  isOutOfService: false,
};

/** What people are shown: out of service beats suppressed, suppressed beats shelved. */
export function labelOf(
  { isActive, isAcknowledged }: AlarmCondition,
  point: AlarmPointState,
  nowMs: number,
): AlarmStateLabel {
  if (point.isOutOfService) return "out-of-service";
  if (point.suppressedBy !== null) return "suppressed";
  if (point.shelvedUntilMs !== null && point.shelvedUntilMs > nowMs) return "shelved";
  if (isActive) return isAcknowledged ? "acknowledged" : "unacknowledged";
  return isAcknowledged ? "normal" : "returned-unacknowledged";
}

/** Whether people are kept from hearing of it. */
export function isHidden(label: AlarmStateLabel | null): boolean {
  return label === "out-of-service" || label === "suppressed" || label === "shelved";
}

/** One step of an alarm's life, as it is logged and told. */
export interface AlarmStep {
  readonly alarmId: string;
  readonly kind: AlarmTransitionKind;
  readonly atMs: number;
  readonly cause: "edge" | "clock" | "no-data" | "person";
  readonly before: AlarmCondition | null;
  readonly after: AlarmCondition;
  /** Something to be told, unless it is hidden; what happens to an alarm that rings already is none. */
  readonly isNews: boolean;
}

/** Onsets that make a point chatter, and the spans that flag it and clear it again. */
const CHATTER_ONSETS = 3;
const CHATTER_WITHIN_MS = 60_000;
export const CHATTER_QUIET_MS = 600_000;

/**
 * Since when a point chatters, or null: three onsets within a minute flag it, ten minutes without one
 * take the flag away.
 *
 * @param onsetsMs Ascending.
 */
export function chatteringSince(
  onsetsMs: readonly number[],
  before: number | null,
  nowMs: number,
): number | null {
  const last = onsetsMs.at(-1);
  if (last === undefined || last <= nowMs - CHATTER_QUIET_MS) return null;
  if (before !== null) return before;
  for (let i = onsetsMs.length - 1; i >= CHATTER_ONSETS - 1; i--) {
    const first = onsetsMs[i - CHATTER_ONSETS + 1]!;
    if (onsetsMs[i]! - first <= CHATTER_WITHIN_MS && onsetsMs[i]! > nowMs - CHATTER_QUIET_MS) {
      return onsetsMs[i]!;
    }
  }
  return null;
}
