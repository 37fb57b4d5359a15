/**
 * Shapes of the answers about agents, brokers, logs, tokens, people, settings and the audit log, as zod schemas.
 *
 * Pure. `satisfies` breaks the build when a type of `shared/api.ts` and its schema part ways.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type {
  AgentView,
  ApiTokenView,
  AuditVerdict,
  AuditView,
  BrokerView,
  CreatedApiToken,
  CreatedJoinToken,
  Enrolment,
  JoinTokenView,
  LogView,
  SessionView,
  SettingsView,
} from "@shared/api.ts";
import { count, labels, list, maybeTime, role, text, time } from "./schema_parts.ts";

export const agentSchema = z.object({
  id: text,
  name: text,
  labels,
  status: z.enum([
    "online",
    "stale",
    "offline",
    "restoring",
    "autonomous",
    "draining",
    "removed",
  ]),
  uplink: z.object({
    roundTripMs: z.number().nullable(),
    unsentBytes: count,
    keptMessages: count,
  }).nullable(),
  lastCheckpointAt: maybeTime,
  version: text.nullable(),
  enrolledAt: time,
  lastSeenAt: maybeTime,
  remoteAddress: text.nullable(),
  regions: list(z.object({
    jobId: text,
    jobName: text,
    regionId: text,
    status: text,
    attempt: count,
  })),
}).openapi("Agent") satisfies z.ZodType<AgentView>;

const joinTokenFields = {
  id: text,
  labels,
  createdAt: time,
  createdBy: text,
  createdByName: text.nullable(),
  expiresAt: time,
  usedAt: maybeTime,
  usedByAgentId: text.nullable(),
  revokedAt: maybeTime,
};
export const joinTokenSchema = z.object(joinTokenFields).openapi("JoinToken") satisfies z.ZodType<
  JoinTokenView
>;
export const createdJoinTokenSchema = z.object({
  ...joinTokenFields,
  token: text,
  installCommand: text,
}).openapi("CreatedJoinToken") satisfies z.ZodType<CreatedJoinToken>;

const apiTokenFields = {
  id: text,
  name: text,
  role: z.enum(["viewer", "operator", "admin"]),
  createdAt: time,
  createdBy: text,
  createdByName: text.nullable(),
  expiresAt: maybeTime,
  lastUsedAt: maybeTime,
  revokedAt: maybeTime,
};
export const apiTokenSchema = z.object(apiTokenFields).openapi("ApiToken") satisfies z.ZodType<
  ApiTokenView
>;
export const createdApiTokenSchema = z.object({ ...apiTokenFields, token: text }).openapi(
  "CreatedApiToken",
) satisfies z.ZodType<CreatedApiToken>;

export const enrolmentSchema = z.object({ agentId: text, name: text, credential: text }).openapi(
  "Enrolment",
) satisfies z.ZodType<Enrolment>;

export const auditSchema = z.object({
  id: count,
  at: time,
  principal: text,
  principalName: text.nullable(),
  role: text,
  action: text,
  subject: text,
  reason: text.nullable(),
  outcome: text,
  remoteAddress: text,
  fields: z.record(z.string(), z.unknown()),
}).openapi("AuditRow") satisfies z.ZodType<AuditView>;

export const sessionSchema = z.object({
  name: text,
  role: role,
  expiresAt: maybeTime,
}).openapi("Session") satisfies z.ZodType<SessionView>;

export const auditVerdictSchema = z.object({
  rows: count,
  isIntact: z.boolean(),
  firstBrokenId: count.nullable(),
}).openapi("AuditVerdict") satisfies z.ZodType<AuditVerdict>;

export const settingsSchema = z.object({
  sampleRetentionMs: count,
  minuteRetentionMs: count,
  hourRetentionMs: count,
  eventRetentionMs: count,
  staleAfterMs: count,
  shelveMaxMs: count,
}).openapi("Settings") satisfies z.ZodType<SettingsView>;

export const brokerSchema = z.object({
  name: text,
  url: text,
  isReachable: z.boolean(),
  detail: text.nullable(),
  profiles: list(z.object({
    jobId: text,
    jobName: text.nullable(),
    split: text,
    detail: text,
    fields: z.record(z.string(), z.union([text, z.number(), z.boolean(), z.null()])),
  })),
}).openapi("Broker") satisfies z.ZodType<BrokerView>;

export const logSchema = z.object({
  at: time,
  source: text,
  level: z.enum(["debug", "info", "warn", "error"]),
  message: text,
  fields: z.record(z.string(), z.unknown()),
}).openapi("LogLine") satisfies z.ZodType<LogView>;
