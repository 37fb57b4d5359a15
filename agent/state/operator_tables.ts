/**
 * The state of a subtask's operators, as the job's graph and bundle say.
 *
 * Pure.
 *
 * @module
 */
import type { OperatorNode, StateDescriptor } from "@shared/job_graph.ts";
import type { OperatorSpec } from "@shared/sdk/operator.ts";
import { createBroadcastStates } from "./broadcast_state.ts";
import { KeyedState } from "./keyed_state.ts";
import { StateTable } from "./state_table.ts";
import { slotStates, type TableSlot } from "./table_slots.ts";
import { changesInPlace } from "./value_clone.ts";

/** The state of operators `operators`, empty. */
export function createKeyedState(
  operators: readonly OperatorNode[],
  specs: ReadonlyMap<string, OperatorSpec>,
): KeyedState {
  return new KeyedState(createTables(operators, specs), createBroadcastStates(operators));
}

/** A table for each operator of `operators` that keeps state per key, in their order. */
export function createTables(
  operators: readonly OperatorNode[],
  specs: ReadonlyMap<string, OperatorSpec>,
): StateTable[] {
  return operators.filter((node) => node.isKeyed).map((node) => {
    const slots = slotsOf(node.states, specs.get(node.uid));
    const isMutable = changesInPlace(node.kind);
    const { uid } = node;
    return new StateTable({ uid, slotCount: slots.length, ttlMs: null, isMutable, slots });
  });
}

function slotsOf(states: readonly StateDescriptor[], spec: OperatorSpec | undefined): TableSlot[] {
  return slotStates(states).map(({ name, kind, codecVersion }) => {
    const plain = { kind, codecVersion, ttlMs: null, migrations: {} };
    switch (spec?.kind) {
      case "mapWithState":
      case "flatMapWithState":
        return { ...plain, ttlMs: spec.ttlMs, migrations: spec.migrations ?? {} };
      case "process": {
        const own = spec.states.find((state) => state.name === name);
        return { ...plain, ttlMs: own?.ttlMs ?? null, migrations: own?.migrations ?? {} };
      }
      default:
        return plain;
    }
  });
}
