/** Answers of the routes for checkpoint summaries, logs and the fleet. Pure. @module */
import { z } from "@hono/zod-openapi";
import type { AgentMovePlan, AgentReplacement, LogView } from "@shared/api.ts";
import type { CheckpointSummary } from "@shared/job_api.ts";
import { checkpointSchema } from "./schemas.ts";

const percentiles = z.object({
  min: z.number(),
  average: z.number(),
  p50: z.number(),
  p95: z.number(),
  p99: z.number(),
  max: z.number(),
}).openapi("Percentiles");
const spread = percentiles.nullable();
const latest = checkpointSchema.nullable();

export const checkpointSummarySchema = z.object({
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  counts: z.record(z.string(), z.number().int()),
  durationMs: spread,
  startDelayMs: spread,
  alignmentMs: spread,
  syncMs: spread,
  asyncMs: spread,
  fullBytes: spread,
  uploadedBytes: spread,
  latest: z.object({
    completed: latest,
    failed: latest,
    savepoint: latest,
    restored: z.object({ at: z.iso.datetime(), checkpointId: z.number().int() }).nullable(),
  }),
  config: z.object({
    intervalMs: z.number().int(),
    timeoutMs: z.number().int(),
    retained: z.number().int(),
  }),
}).openapi("CheckpointSummary") satisfies z.ZodType<CheckpointSummary>;

export const movePlanSchema = z.object({
  agentId: z.string(),
  agentName: z.string(),
  action: z.enum(["drain", "remove"]),
  regions: z.array(z.object({
    jobId: z.string(),
    jobName: z.string(),
    regionId: z.string(),
    attempt: z.number().int(),
    moves: z.array(z.object({
      subtaskId: z.string(),
      agentId: z.string(),
      agentName: z.string().nullable(),
    })).nullable().openapi({ description: "Null: nobody is there to take it, and it waits" }),
  })).readonly(),
}).openapi("AgentMovePlan") satisfies z.ZodType<AgentMovePlan>;

export const replacementSchema = z.object({
  agentId: z.string(),
  agentName: z.string(),
  token: z.string(),
  expiresAt: z.iso.datetime(),
  installCommand: z.string(),
}).openapi("AgentReplacement") satisfies z.ZodType<AgentReplacement>;

export const logSchema = z.object({
  at: z.iso.datetime(),
  source: z.string().openapi({ description: "`hub`, or the agent's name" }),
  level: z.enum(["debug", "info", "warn", "error"]),
  message: z.string(),
  fields: z.record(z.string(), z.unknown()),
}).openapi("LogLine") satisfies z.ZodType<LogView>;
