/**
 * Decides which alarms a view asks for: from the choices in its address to the hub's query and back.
 *
 * Pure.
 *
 * @module
 */
import type { AlarmPriority, AlarmView } from "@shared/plant_api.ts";
import { isPriority, PRIORITY_RANK } from "./health.ts";

export const ALARM_STATES = [
  { value: "attention", text: "Needs attention" },
  { value: "active", text: "Active" },
  { value: "unacknowledged", text: "Unacknowledged" },
  { value: "shelved", text: "Shelved" },
  { value: "suppressed", text: "Suppressed" },
  { value: "out-of-service", text: "Out of service" },
  { value: "all", text: "All" },
] as const;
export type AlarmStateChoice = typeof ALARM_STATES[number]["value"];

/** Answer of GET /alarms/count. */
export interface AlarmCounts {
  readonly total: number;
  readonly unacknowledged: number;
  readonly byPriority: Readonly<Record<AlarmPriority, number>>;
}

export interface AlarmFilter {
  readonly state: AlarmStateChoice;
  /** Most urgent first; empty: all of them. */
  readonly priorities: readonly AlarmPriority[];
  /** Names of the levels joined by `/`; empty: the whole plant. */
  readonly path: string;
  readonly equipment: string;
  readonly jobId: string;
  readonly search: string;
  /** ISO-8601, empty where open. */
  readonly from: string;
  readonly to: string;
}

export const PRIORITIES: readonly AlarmPriority[] = ["critical", "high", "medium", "low"];

/** What the address chooses; without a choice the list shows what needs attention. */
export function alarmFilterOf(query: Readonly<Record<string, string>>): AlarmFilter {
  const chosen = (query["priority"] ?? "").split(",").filter(isPriority);
  return {
    state: ALARM_STATES.find(({ value }) => value === query["state"])?.value ?? "attention",
    priorities: PRIORITIES.filter((one) => chosen.includes(one)),
    path: query["path"] ?? "",
    equipment: query["equipment"] ?? "",
    jobId: query["job"] ?? "",
    search: query["search"] ?? "",
    from: query["from"] ?? "",
    to: query["to"] ?? "",
  };
}

/** Whether anything beside the state is chosen. */
export function isNarrowed(filter: AlarmFilter): boolean {
  const { priorities, path, equipment, jobId, search, from, to } = filter;
  return priorities.length > 0 ||
    [path, equipment, jobId, search, from, to].some((one) => one !== "");
}

/** Names and values as GET /alarms takes them. */
export interface AlarmQuery {
  state: AlarmStateChoice;
  priority?: string;
  path?: string;
  equipment?: string;
  jobId?: string;
  search?: string;
  from?: string;
  to?: string;
}

/** What `filter` asks for; what is not chosen is left out. */
export function alarmQuery(filter: AlarmFilter): AlarmQuery {
  const { state, priorities, ...texts } = filter;
  const given = Object.entries(texts).filter(([, value]) => value !== "");
  return {
    state,
    ...(priorities.length === 0 ? {} : { priority: priorities.join(",") }),
    ...Object.fromEntries(given),
  };
}

/** Path and query of `noun` for what `filter` takes. */
export function alarmPath(
  noun: string,
  filter: AlarmFilter,
  more: Readonly<Record<string, string>> = {},
): string {
  return `${noun}?${new URLSearchParams({ ...alarmQuery(filter), ...more })}`;
}

/** The order of the list that is read from the most urgent alarm on: priority, then newest first. */
export function byUrgency(a: AlarmView, b: AlarmView): number {
  return PRIORITY_RANK[a.priority] - PRIORITY_RANK[b.priority] || byNewest(a, b);
}

export function byNewest(a: AlarmView, b: AlarmView): number {
  return Date.parse(b.raisedAt) - Date.parse(a.raisedAt);
}

/** What an alarm belongs to: equipment and sink ring, chatter and are shelved as one. */
export function sourceOf(alarm: Pick<AlarmView, "jobId" | "sinkUid" | "equipment">): string {
  return JSON.stringify([alarm.jobId, alarm.sinkUid, alarm.equipment]);
}

export interface AlarmRow {
  readonly alarm: AlarmView;
  /** Further occurrences of a chattering source that stand behind this row, hidden. */
  readonly folded: number;
  /** It is one of several of a chattering source, shown because somebody opened them. */
  readonly isUnfolded: boolean;
}

/**
 * The rows of a list in which a chattering source takes one place.
 *
 * @param open Sources whose occurrences are all shown.
 */
export function foldedRows(
  alarms: readonly AlarmView[],
  open: ReadonlySet<string>,
): readonly AlarmRow[] {
  const counts = new Map<string, number>();
  for (const alarm of alarms) {
    if (!alarm.isChattering) continue;
    const source = sourceOf(alarm);
    counts.set(source, (counts.get(source) ?? 0) + 1);
  }
  const seen = new Set<string>();
  const rows: AlarmRow[] = [];
  for (const alarm of alarms) {
    const source = sourceOf(alarm);
    const others = alarm.isChattering ? counts.get(source)! - 1 : 0;
    const isOpen = open.has(source);
    if (others > 0 && !isOpen && seen.has(source)) continue;
    seen.add(source);
    rows.push({ alarm, folded: isOpen ? 0 : others, isUnfolded: isOpen && others > 0 });
  }
  return rows;
}
