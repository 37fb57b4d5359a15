/**
 * Answers of the REST API about the plant: equipment, signals, alarms and whom they are told to.
 *
 * Pure types, as in `api.ts`: times are ISO-8601 UTC texts, durations ms.
 *
 * @module
 */

export type AlarmPriority = "low" | "medium" | "high" | "critical";

/**
 * One occurrence of an alarm after ISA-18.2. Whether it is active, acknowledged, shelved, suppressed or
 * out of service are separate fields; `state` is the label made of them.
 */
export interface AlarmView {
  readonly id: string;
  readonly jobId: string;
  readonly operatorUid: string;
  readonly sinkUid: string;
  readonly equipment: string;
  /** `condition`: what a job noticed. `no-data`: a signal fell silent. */
  readonly kind: "condition" | "no-data";
  readonly priority: AlarmPriority;
  readonly text: string;
  /** What brings it about, what comes of it when nobody acts, what to do; empty when the author said nothing. */
  readonly cause: string;
  readonly consequence: string;
  readonly response: string;
  readonly state: AlarmStateLabel;
  readonly isActive: boolean;
  readonly isAcknowledged: boolean;
  readonly acknowledgedBy: string | null;
  readonly acknowledgedAt: string | null;
  /** Of the acknowledgement; null without one. */
  readonly comment: string | null;
  readonly raisedAt: string;
  readonly clearedAt: string | null;
  /** Shelving belongs to equipment and alarm sink together: later occurrences do not ring either. */
  readonly shelvedUntil: string | null;
  readonly shelvedBy: string | null;
  readonly shelveReason: string | null;
  /** Sink whose active alarm suppresses this one by design; null when none does. */
  readonly suppressedBy: string | null;
  readonly outOfServiceBy: string | null;
  readonly outOfServiceReason: string | null;
  readonly isChattering: boolean;
  /** Times its condition came again, or it rang again, while nobody had acknowledged it; 1 at first. */
  readonly occurrences: number;
  readonly value: number | null;
  readonly score: number | null;
  readonly threshold: number | null;
  /** Range expected at the onset, in units of the signal. */
  readonly low: number | null;
  readonly high: number | null;
}

export type AlarmStateLabel =
  | "unacknowledged"
  | "acknowledged"
  /** Over, and nobody has seen it. */
  | "returned-unacknowledged"
  | "normal"
  | "shelved"
  | "suppressed"
  | "out-of-service";

/** One step of an alarm's life; written once, never changed. */
export interface AlarmTransitionView {
  readonly id: number;
  readonly alarmId: string;
  readonly at: string;
  readonly kind: AlarmTransitionKind;
  readonly from: AlarmStateLabel | null;
  readonly to: AlarmStateLabel;
  /** edge (a record), person, clock, no-data. */
  readonly cause: string;
  /** Name of the person; null when none acted. */
  readonly by: string | null;
  readonly comment: string | null;
  readonly value: number | null;
  readonly equipment: string;
  readonly sinkUid: string;
  readonly priority: AlarmPriority;
}

export type AlarmTransitionKind =
  | "raised"
  | "cleared"
  | "acknowledged"
  | "re-alarmed"
  | "shelved"
  | "unshelved"
  | "suppressed"
  | "unsuppressed"
  | "out-of-service"
  | "returned-to-service"
  | "commented";

/** GET /alarms/{id}. */
export interface AlarmDetail extends AlarmView {
  readonly jobName: string | null;
  readonly path: readonly string[];
  /** Newest first, at most 200. */
  readonly transitions: readonly AlarmTransitionView[];
  /** Earlier occurrences of the same equipment and sink, newest first, at most 10. */
  readonly similar: readonly AlarmView[];
}

/** GET /alarms/health: how well the alarms themselves do, after ISA-18.2 and EEMUA 191. */
export interface AlarmHealth {
  readonly from: string;
  readonly to: string;
  /** Alarms that rang, in each span of ten minutes, oldest first. */
  readonly perTenMinutes: readonly { readonly at: string; readonly count: number }[];
  readonly averagePerTenMinutes: number;
  readonly peakPerTenMinutes: number;
  /** Share of the ten-minute spans that held ten or more. */
  readonly floodRatio: number;
  readonly byPriority: Readonly<Record<AlarmPriority, number>>;
  /** Equipment and sink that rang most. */
  readonly topTen: readonly AlarmSourceCount[];
  readonly chattering: readonly AlarmSourceCount[];
  /** Active for more than 24 h. */
  readonly stale: readonly AlarmView[];
  readonly floods: readonly AlarmFlood[];
  readonly shelved: number;
  readonly suppressed: number;
  readonly outOfService: number;
}

export interface AlarmSourceCount {
  readonly jobId: string;
  readonly sinkUid: string;
  readonly equipment: string;
  readonly count: number;
  /** Part of all that rang, 0..1. */
  readonly share: number;
}

/** Ten alarms or more within ten minutes, until fewer than five came in ten. */
export interface AlarmFlood {
  readonly from: string;
  /** Null while it goes on. */
  readonly to: string | null;
  readonly count: number;
  /** The alarm that came first. */
  readonly firstOut: AlarmView;
  /** What followed, by the part of the plant it came from, most first. */
  readonly groups: readonly { readonly path: readonly string[]; readonly count: number }[];
}

/** Whether what is shown is of now: `stale` when the signal is late, `unknown` when nothing was heard. */
export type Freshness = "good" | "stale" | "unknown";

/** Open alarms; shelved, suppressed and out-of-service ones count only in `shelved`. */
export interface AlarmTally {
  readonly critical: number;
  readonly high: number;
  readonly medium: number;
  readonly low: number;
  /** Of all priorities, active or not. */
  readonly unacknowledged: number;
  readonly shelved: number;
}

/** GET /plant: the equipment tree with everything below rolled up. */
export interface PlantView {
  readonly at: string;
  /** Names of the levels, outermost first; as many as the deepest path has, "level 1" where nobody named it. */
  readonly levels: readonly string[];
  /** The whole plant first (`path` empty), parents before children, siblings by name. */
  readonly nodes: readonly PlantNode[];
}

export interface PlantNode {
  readonly path: readonly string[];
  readonly equipment: number;
  /** Equipment below by freshness of its freshest signal. */
  readonly good: number;
  readonly stale: number;
  readonly unknown: number;
  readonly alarms: AlarmTally;
}

/** GET /plant/equipment: one row for each piece of equipment. */
export interface EquipmentSummary {
  readonly equipment: string;
  readonly path: readonly string[];
  readonly signals: number;
  readonly freshness: Freshness;
  readonly lastAt: string | null;
  readonly alarms: AlarmTally;
  readonly highestPriority: AlarmPriority | null;
  /** The signal furthest off what is usual for it; null when none is off. */
  readonly worst: {
    readonly jobId: string;
    readonly operatorUid: string;
    readonly score: number;
  } | null;
}

/** GET /equipment: one row for each signal that telemetry names, with its newest value. */
export interface EquipmentView {
  readonly equipment: string;
  readonly jobId: string;
  readonly operatorUid: string;
  readonly lastAt: string | null;
  readonly freshness: Freshness;
  readonly value: number | null;
  readonly score: number | null;
  /** Range the detector expects now. */
  readonly low: number | null;
  readonly high: number | null;
  readonly activeAlarms: number;
  readonly unacknowledgedAlarms: number;
  readonly highestPriority: string | null;
}

/**
 * GET /equipment/{equipment}/samples: columns, oldest first. A null value is a gap: nothing was heard for
 * longer than the signal's own rhythm.
 */
export interface SampleSeries {
  readonly jobId: string;
  readonly operatorUid: string;
  readonly equipment: string;
  /** Epoch ms. */
  readonly at: readonly number[];
  readonly value: readonly (number | null)[];
  readonly score: readonly (number | null)[];
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
  /** Span that one roll-up stands for; 0: single samples. */
  readonly resolutionMs: number;
}

/** GET /equipment/{equipment}/markers: what happened, to be drawn into charts. */
export interface ChartMarker {
  readonly at: string;
  readonly kind:
    | "alarm"
    | "acknowledged"
    | "cleared"
    | "deploy"
    | "savepoint"
    | "restore"
    | "rollback";
  readonly text: string;
  readonly jobId: string | null;
  readonly alarmId: string | null;
  readonly priority: AlarmPriority | null;
  /** End of what lasts, such as an alarm; null for an instant, or while it lasts. */
  readonly until: string | null;
}

/** GET /alarms/{id}/evidence: what the detector saw. */
export interface AlarmEvidence {
  readonly alarmId: string;
  readonly from: string;
  readonly to: string;
  /** The signal with score and expected range, from before the onset to behind the end. */
  readonly series: SampleSeries | null;
  /** Range expected at the onset, and now. */
  readonly then: { readonly low: number | null; readonly high: number | null };
  readonly now: { readonly low: number | null; readonly high: number | null };
}

/** A place that alarms are told to. */
export interface NotificationChannelView {
  readonly id: string;
  readonly name: string;
  readonly kind: "webhook" | "email";
  readonly isEnabled: boolean;
  /** Alarms below it are not told. */
  readonly minPriority: AlarmPriority;
  /** Part of the plant it is for; empty: all of it. */
  readonly path: readonly string[];
  /** webhook: its URL, whole for admins alone; the signing secret is never shown again. */
  readonly url: string | null;
  /** email: who gets it. */
  readonly recipients: readonly string[];
  readonly createdAt: string;
  readonly createdBy: string;
  readonly lastDelivery: {
    readonly at: string;
    readonly isDelivered: boolean;
    readonly error: string | null;
  } | null;
}
