/**
 * Shapes of the answers about the plant: equipment, its signals, its alarms and who is told of them, as zod schemas.
 *
 * Pure. `satisfies` breaks the build when a type of `shared/api.ts` and its schema part ways.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type {
  AlarmDetail,
  AlarmEvidence,
  AlarmFlood,
  AlarmHealth,
  AlarmSourceCount,
  AlarmTally,
  AlarmTransitionView,
  AlarmView,
  ChartMarker,
  EquipmentSummary,
  EquipmentView,
  NotificationChannelView,
  PlantNode,
  PlantView,
  SampleSeries,
} from "@shared/plant_api.ts";
import { count, list, maybeTime, priority, text, time } from "./schema_parts.ts";

const number = z.number();
const maybeNumber = number.nullable();
const path = list(text);

const stateLabel = z.enum([
  "unacknowledged",
  "acknowledged",
  "returned-unacknowledged",
  "normal",
  "shelved",
  "suppressed",
  "out-of-service",
]);

const alarmFields = {
  id: text,
  jobId: text,
  operatorUid: text,
  sinkUid: text,
  equipment: text,
  kind: z.enum(["condition", "no-data"]),
  priority,
  text,
  cause: text,
  consequence: text,
  response: text,
  state: stateLabel,
  isActive: z.boolean(),
  isAcknowledged: z.boolean(),
  acknowledgedBy: text.nullable(),
  acknowledgedAt: maybeTime,
  comment: text.nullable(),
  raisedAt: time,
  clearedAt: maybeTime,
  shelvedUntil: maybeTime,
  shelvedBy: text.nullable(),
  shelveReason: text.nullable(),
  suppressedBy: text.nullable(),
  outOfServiceBy: text.nullable(),
  outOfServiceReason: text.nullable(),
  isChattering: z.boolean(),
  occurrences: count,
  value: maybeNumber,
  score: maybeNumber,
  threshold: maybeNumber,
  low: maybeNumber,
  high: maybeNumber,
};
export const alarmSchema = z.object(alarmFields).openapi("Alarm") satisfies z.ZodType<AlarmView>;

export const alarmTransitionSchema = z.object({
  id: count,
  alarmId: text,
  at: time,
  kind: z.enum([
    "raised",
    "cleared",
    "acknowledged",
    "re-alarmed",
    "shelved",
    "unshelved",
    "suppressed",
    "unsuppressed",
    "out-of-service",
    "returned-to-service",
    "commented",
  ]),
  from: stateLabel.nullable(),
  to: stateLabel,
  cause: text,
  by: text.nullable(),
  comment: text.nullable(),
  value: maybeNumber,
  equipment: text,
  sinkUid: text,
  priority,
}).openapi("AlarmTransition") satisfies z.ZodType<AlarmTransitionView>;

export const alarmDetailSchema = z.object({
  ...alarmFields,
  jobName: text.nullable(),
  path,
  transitions: list(alarmTransitionSchema),
  similar: list(alarmSchema),
}).openapi("AlarmDetail") satisfies z.ZodType<AlarmDetail>;

const alarmSourceSchema = z.object({
  jobId: text,
  sinkUid: text,
  equipment: text,
  count,
  share: number,
}).openapi("AlarmSource") satisfies z.ZodType<AlarmSourceCount>;

const alarmFloodSchema = z.object({
  from: time,
  to: maybeTime,
  count,
  firstOut: alarmSchema,
  groups: list(z.object({ path, count })),
}).openapi("AlarmFlood") satisfies z.ZodType<AlarmFlood>;

export const alarmHealthSchema = z.object({
  from: time,
  to: time,
  perTenMinutes: list(z.object({ at: time, count })),
  averagePerTenMinutes: number,
  peakPerTenMinutes: number,
  floodRatio: number,
  byPriority: z.object({ low: count, medium: count, high: count, critical: count }),
  topTen: list(alarmSourceSchema),
  chattering: list(alarmSourceSchema),
  stale: list(alarmSchema),
  floods: list(alarmFloodSchema),
  shelved: count,
  suppressed: count,
  outOfService: count,
}).openapi("AlarmHealth") satisfies z.ZodType<AlarmHealth>;

export const alarmTallySchema = z.object({
  critical: count,
  high: count,
  medium: count,
  low: count,
  unacknowledged: count,
  shelved: count,
}).openapi("AlarmTally") satisfies z.ZodType<AlarmTally>;

const plantNodeSchema = z.object({
  path,
  equipment: count,
  good: count,
  stale: count,
  unknown: count,
  alarms: alarmTallySchema,
}).openapi("PlantNode") satisfies z.ZodType<PlantNode>;

export const plantSchema = z.object({
  at: time,
  levels: list(text),
  nodes: list(plantNodeSchema),
}).openapi("Plant") satisfies z.ZodType<PlantView>;

const freshness = z.enum(["good", "stale", "unknown"]);

export const equipmentSummarySchema = z.object({
  equipment: text,
  path,
  signals: count,
  freshness,
  lastAt: maybeTime,
  alarms: alarmTallySchema,
  highestPriority: priority.nullable(),
  worst: z.object({ jobId: text, operatorUid: text, score: number }).nullable(),
}).openapi("EquipmentSummary") satisfies z.ZodType<EquipmentSummary>;

export const equipmentSchema = z.object({
  equipment: text,
  jobId: text,
  operatorUid: text,
  lastAt: maybeTime,
  freshness,
  value: maybeNumber,
  score: maybeNumber,
  low: maybeNumber,
  high: maybeNumber,
  activeAlarms: count,
  unacknowledgedAlarms: count,
  highestPriority: text.nullable(),
}).openapi("Equipment") satisfies z.ZodType<EquipmentView>;

export const sampleSeriesSchema = z.object({
  jobId: text,
  operatorUid: text,
  equipment: text,
  at: list(number),
  value: list(maybeNumber),
  score: list(maybeNumber),
  low: list(maybeNumber),
  high: list(maybeNumber),
  resolutionMs: number,
}).openapi("SampleSeries") satisfies z.ZodType<SampleSeries>;

export const markerSchema = z.object({
  at: time,
  kind: z.enum([
    "alarm",
    "acknowledged",
    "cleared",
    "deploy",
    "savepoint",
    "restore",
    "rollback",
  ]),
  text,
  jobId: text.nullable(),
  alarmId: text.nullable(),
  priority: priority.nullable(),
  until: maybeTime,
}).openapi("ChartMarker") satisfies z.ZodType<ChartMarker>;

const range = z.object({ low: maybeNumber, high: maybeNumber });
export const alarmEvidenceSchema = z.object({
  alarmId: text,
  from: time,
  to: time,
  series: sampleSeriesSchema.nullable(),
  then: range,
  now: range,
}).openapi("AlarmEvidence") satisfies z.ZodType<AlarmEvidence>;

export const notificationChannelSchema = z.object({
  id: text,
  name: text,
  kind: z.enum(["webhook", "email"]),
  isEnabled: z.boolean(),
  minPriority: priority,
  path,
  url: text.nullable(),
  recipients: list(text),
  createdAt: time,
  createdBy: text,
  lastDelivery: z.object({ at: time, isDelivered: z.boolean(), error: text.nullable() }).nullable(),
}).openapi("NotificationChannel") satisfies z.ZodType<NotificationChannelView>;
