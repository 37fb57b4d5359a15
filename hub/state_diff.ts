/**
 * What differs between two savepoints, key by key.
 *
 * Touches the object store through `SavedState`. Goes through operators and key groups in order and holds
 * one group of each side at a time; so the parallelism of the two may differ, and so may their pieces.
 *
 * @module
 */
import { KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import { type JsonValue, toJsonValue } from "@shared/json_value.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import type { SavedEntry, SavedState } from "./saved_state.ts";

export type DifferenceKind = "added" | "removed" | "changed";

export interface Difference {
  readonly operator: string;
  readonly key: string;
  readonly keyGroup: number;
  readonly kind: DifferenceKind;
  /** State in the one and in the other savepoint; null where the key is not there. */
  readonly before: JsonValue;
  readonly after: JsonValue;
}

export interface OperatorDifference {
  readonly operator: string;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  readonly unchanged: number;
}

/** Last difference of the page before. */
export interface DiffPosition {
  readonly operator: string;
  readonly group: number;
  readonly key: string;
}

export interface DiffQuestion {
  readonly before: readonly SubtaskSnapshot[];
  readonly after: readonly SubtaskSnapshot[];
  /** Null: all operators. */
  readonly operator: string | null;
  /** Null: all kinds. */
  readonly kind: DifferenceKind | null;
  readonly from: DiffPosition | null;
  /** Differences listed. */
  readonly limit: number;
  /** Goes on to the end, so that the counts are those of everything. */
  readonly isCounting: boolean;
  readonly signal: AbortSignal;
  /** Lets heartbeats and other requests have their turn; called before every key group. */
  readonly yieldTurn: () => Promise<void>;
}

export interface StateDiff {
  /** Per operator, sorted; of everything when counting, else of what was looked at. */
  readonly operators: readonly OperatorDifference[];
  readonly items: readonly Difference[];
  readonly hasMore: boolean;
}

/** Compares; stops early when `signal` is aborted. */
export async function diffState(state: SavedState, question: DiffQuestion): Promise<StateDiff> {
  const { before, after, from, limit, kind, isCounting } = question;
  const operators: OperatorDifference[] = [];
  const items: Difference[] = [];
  let hasMore = false;
  for (const uid of operatorsOf(question)) {
    if (from !== null && uid < from.operator) continue;
    const counts = { operator: uid, added: 0, removed: 0, changed: 0, unchanged: 0 };
    operators.push(counts);
    for (let group = 0; group < KEY_GROUP_COUNT; group++) {
      if (question.signal.aborted || (hasMore && !isCounting)) break;
      if (from !== null && uid === from.operator && group < from.group) continue;
      await question.yieldTurn();
      const left = await state.entries(before, uid, group);
      const right = await state.entries(after, uid, group);
      for (const key of [...new Set([...left.keys(), ...right.keys()])].sort()) {
        const difference = compare(left.get(key), right.get(key));
        counts[difference.kind]++;
        if (difference.kind === "unchanged" || (kind !== null && kind !== difference.kind)) {
          continue;
        }
        if (isBehind(from, { operator: uid, group, key })) continue;
        if (items.length >= limit) hasMore = true;
        else items.push({ operator: uid, key, keyGroup: group, ...difference } as Difference);
      }
    }
  }
  return { operators, items, hasMore };
}

/** Uids with keyed state on either side. */
function operatorsOf({ before, after, operator }: DiffQuestion): string[] {
  const uids = new Set<string>();
  for (const { pieces } of [...before, ...after]) {
    for (const { sections } of pieces) {
      for (const { kind, uid } of sections) {
        if ((kind === "keyed" || kind === "delta") && (operator === null || operator === uid)) {
          uids.add(uid);
        }
      }
    }
  }
  return [...uids].sort();
}

/** Whether `at` is on a page before: at or in front of `from`. */
function isBehind(from: DiffPosition | null, at: DiffPosition): boolean {
  if (from === null || at.operator !== from.operator) return false;
  return at.group < from.group || (at.group === from.group && at.key <= from.key);
}

function compare(before: SavedEntry[] | undefined, after: SavedEntry[] | undefined) {
  const left = formOf(before);
  const right = formOf(after);
  const kind = left === null
    ? "added"
    : right === null
    ? "removed"
    : JSON.stringify(left) === JSON.stringify(right)
    ? "unchanged"
    : "changed";
  return { kind, before: left, after: right } as const;
}

/** States and timers of a key, of more than one subtask where its state is local to splits. */
function formOf(entries: readonly SavedEntry[] | undefined): JsonValue {
  if (entries === undefined) return null;
  const forms = entries.map(({ states, timers, eventTimers }) => ({
    states: toJsonValue(states),
    timers: [...timers],
    eventTimers: [...eventTimers],
  }));
  return forms.length === 1 ? forms[0]! : forms;
}
