/**
 * Decides what is normal, abnormal or unknown, and in which words and tone it is said.
 *
 * Pure. Calm by default: a tone other than `calm` means that somebody should look.
 *
 * 1. No news is its own state: agents without fresh news are never shown as normal.
 *
 * @module
 */
import type { AgentView } from "@shared/api.ts";
import type { JobStatus } from "@shared/job_api.ts";
import type { EquipmentSummary } from "@shared/plant_api.ts";

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

/** The signal of a piece of equipment that is furthest off; that none is off is not that none is watched. */
export function oddestText(
  { signals, worst }: Pick<EquipmentSummary, "signals" | "worst">,
): string {
  if (worst !== null) return worst.operatorUid;
  return signals === 0 ? "no signal" : "none is off";
}
