/**
 * Decides what is normal, abnormal or unknown, and in which words and tone it is said.
 *
 * Pure. Calm by default: a tone other than `calm` means that somebody should look.
 *
 * 1. No news is its own state: equipment and agents without fresh news are never shown as normal.
 *
 * @module
 */
import type { AgentView, AlarmView, EquipmentView, JobStatus } from "@shared/api.ts";
import { ageOf } from "../format.ts";

/** `calm` grey, `active` emphasised grey, `warn` amber, `bad` red, `unknown` hatched. */
export type Tone = "calm" | "active" | "warn" | "bad" | "unknown";

export interface Mark {
  readonly tone: Tone;
  readonly text: string;
}

/** Class of a table row whose state is `mark`: abnormal rows have an edge in its colour. */
export function rowClass(mark: Mark): string {
  return mark.tone === "bad" || mark.tone === "warn" ? `row-${mark.tone}` : "";
}

/** Signals come about once a second; this long without one, the value shown is old. */
export const STALE_AFTER_MS = 15_000;

export type Freshness = "fresh" | "stale" | "unknown";

/** @param lastAt Time of the newest sample, ISO-8601, or null when there never was one. */
export function freshnessOf(lastAt: string | null, nowMs: number): Freshness {
  const ageMs = ageOf(lastAt, nowMs);
  if (ageMs === null) return "unknown";
  return ageMs > STALE_AFTER_MS ? "stale" : "fresh";
}

/** Health of one equipment: an active alarm first, then whether anything is known at all. */
export function equipmentMark(
  equipment: Pick<EquipmentView, "activeAlarms" | "lastAt">,
  nowMs: number,
): Mark {
  const freshness = freshnessOf(equipment.lastAt, nowMs);
  if (equipment.activeAlarms > 0) {
    return { tone: "bad", text: freshness === "fresh" ? "alarm" : "alarm, no fresh signal" };
  }
  switch (freshness) {
    case "fresh":
      return { tone: "calm", text: "normal" };
    case "stale":
      return { tone: "unknown", text: "stale" };
    case "unknown":
      return { tone: "unknown", text: "unknown" };
  }
}

export function jobMark(status: JobStatus): Mark {
  switch (status) {
    case "running":
      return { tone: "calm", text: "running" };
    case "starting":
    case "stopping":
      return { tone: "active", text: status };
    case "degraded":
    case "restarting":
      return { tone: "warn", text: status };
    case "stopped":
    case "cancelled":
      return { tone: "unknown", text: status };
  }
}

export function agentMark(status: AgentView["status"]): Mark {
  switch (status) {
    case "online":
      return { tone: "calm", text: "online" };
    case "draining":
    case "restoring":
      return { tone: "active", text: status };
    case "stale":
    case "autonomous":
      return { tone: "warn", text: status };
    case "offline":
      return { tone: "bad", text: "offline" };
    case "removed":
      return { tone: "unknown", text: "removed" };
  }
}

/** Regions, checkpoints, savepoints and operations: words of the protocol, an open set. */
export function statusMark(status: string): Mark {
  return { tone: STATUS_TONE[status] ?? "active", text: status };
}

const STATUS_TONE: Readonly<Record<string, Tone>> = {
  running: "calm",
  restored: "calm",
  completed: "calm",
  succeeded: "calm",
  subsumed: "calm",
  pending: "active",
  restoring: "active",
  assigning: "active",
  waiting: "warn",
  unassigned: "warn",
  degraded: "warn",
  declined: "warn",
  abandoned: "unknown",
  stopped: "unknown",
  cancelled: "unknown",
  aborted: "bad",
  failed: "bad",
  lost: "bad",
};

/** Alarms sort by priority, then newest first; the number is shown beside colour and shape. */
export const PRIORITY_RANK = { critical: 1, high: 2, medium: 3, low: 4 } as const;
export type Priority = keyof typeof PRIORITY_RANK;

export function isPriority(text: string | null): text is Priority {
  return text !== null && Object.hasOwn(PRIORITY_RANK, text);
}

/** Derived label of the ISA-18.2 state: active and acknowledged are separate facts. */
export function alarmStateText(alarm: Pick<AlarmView, "isActive" | "isAcknowledged">): string {
  if (alarm.isActive) {
    return alarm.isAcknowledged ? "active, acknowledged" : "active, unacknowledged";
  }
  return alarm.isAcknowledged ? "cleared" : "cleared, unacknowledged";
}
