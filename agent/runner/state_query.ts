/**
 * Answers a person's question for the state of one key, from the live tables.
 *
 * Pure. It reads between two records and changes nothing. The values go through the stored form, so that a
 * key looks the same live and in a savepoint.
 *
 * @module
 */
import { type JsonValue, toJsonValue } from "@shared/json_value.ts";
import type { OperatorNode } from "@shared/job_graph.ts";
import type { KeyAnswer } from "@shared/messages.ts";
import type { KeyedState } from "../state/keyed_state.ts";
import { decodeSection, encodeSection } from "../state/snapshot_codec.ts";
import { mapKeyOf } from "../state/table_entry.ts";
import { slotStates } from "../state/table_slots.ts";

/** Longest answer, characters of its JSON: it goes to the hub in one control message. */
export const ANSWER_CHARACTERS_MAX = 1_000_000;

/**
 * @param question `nowMs`: what expiry is judged by, ms since the epoch.
 * @throws {UserError} `state-not-encodable`, for a value that the next snapshot fails on.
 */
export function answerKey(
  state: KeyedState,
  operators: readonly Pick<OperatorNode, "uid" | "isKeyed" | "states">[],
  question: { readonly operatorUid: string; readonly key: string; readonly nowMs: number },
): KeyAnswer {
  const { operatorUid, key, nowMs } = question;
  const node = operators.find(({ uid }) => uid === operatorUid);
  const table = [...state.tables].find(({ uid }) => uid === operatorUid);
  if (node === undefined || table === undefined) {
    return { kind: "refused", reason: "unknown-operator" };
  }
  const entry = table.find(mapKeyOf(key), nowMs);
  if (entry === undefined) return { kind: "absent", asOfMs: nowMs };
  const named = slotStates(node.states);
  const section = encodeSection({
    keys: [key],
    slots: named.map((_, slot) => [table.read(entry, slot, nowMs)]),
    times: named.map(() => null),
    timers: [entry.timers],
    eventTimers: [entry.eventTimers],
    removed: [],
  }, operatorUid);
  const { slots, timers, eventTimers } = decodeSection(section, `key "${key}"`);
  const states: Record<string, JsonValue> = {};
  for (const [slot, { name }] of named.entries()) {
    const value = slots[slot]?.[0];
    if (value !== undefined) states[name] = toJsonValue(value);
  }
  if (JSON.stringify(states).length > ANSWER_CHARACTERS_MAX) {
    return { kind: "refused", reason: "too-large" };
  }
  return {
    kind: "found",
    states,
    timers: [...timers[0] ?? []],
    eventTimers: [...eventTimers[0] ?? []],
    asOfMs: nowMs,
  };
}
