import { deepStrictEqual as equal } from "node:assert/strict";
import { KeyedState } from "../state/keyed_state.ts";
import { StateTable } from "../state/state_table.ts";
import { ANSWER_CHARACTERS_MAX, answerKey } from "./state_query.ts";

const OPERATORS = [{
  uid: "count",
  isKeyed: true,
  states: [
    { name: "total", kind: "value", codecVersion: 1 },
    { name: "seen", kind: "value", codecVersion: 1 },
  ],
}] as const;

function stateWith(ttlMs: number | null = null): { state: KeyedState; table: StateTable } {
  const table = new StateTable({ uid: "count", slotCount: 2, ttlMs, isMutable: false });
  return { state: new KeyedState([table]), table };
}

Deno.test("state query: names the states of a key, with its timers", () => {
  const { state, table } = stateWith();
  table.put("pump-1", 0, 3n, 10);
  table.put("7", 0, 1, 10);
  table.put("7", 1, new Set(["a"]), 10);
  table.addTimer("7", "processing", 50, 10);
  table.addTimer("7", "event", 60, 10);
  equal(answerKey(state, OPERATORS, { operatorUid: "count", key: "pump-1", nowMs: 20 }), {
    kind: "found",
    states: { total: { $type: "bigint", value: "3" } },
    timers: [],
    eventTimers: [],
    asOfMs: 20,
  });
  equal(answerKey(state, OPERATORS, { operatorUid: "count", key: "7", nowMs: 20 }), {
    kind: "found",
    states: { total: 1, seen: { $type: "set", values: ["a"] } },
    timers: [50],
    eventTimers: [60],
    asOfMs: 20,
  });
});

Deno.test("state query: a key without state, or whose state has expired, is absent (S4)", () => {
  const { state, table } = stateWith(100);
  table.put("a", 0, 1, 10);
  const kindOf = (key: string, nowMs: number) =>
    answerKey(state, OPERATORS, { operatorUid: "count", key, nowMs }).kind;
  equal([kindOf("a", 50), kindOf("b", 50), kindOf("a", 500)], ["found", "absent", "absent"]);
});

Deno.test("state query: an unknown operator and an answer that is too large are refused", () => {
  const { state, table } = stateWith();
  table.put("a", 0, "x".repeat(ANSWER_CHARACTERS_MAX), 10);
  const reasonOf = (uid: string) => {
    const answer = answerKey(state, OPERATORS, { operatorUid: uid, key: "a", nowMs: 10 });
    return answer.kind === "refused" ? answer.reason : answer.kind;
  };
  equal([reasonOf("other"), reasonOf("count")], ["unknown-operator", "too-large"]);
});
