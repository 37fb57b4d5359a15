/**
 * What an author's function sees of one named state: `ctx.state.name`.
 *
 * Touches the operator's table. A handle is made once for each operator and works on the key of the call that
 * is running.
 *
 * @module
 */
import type { StateDescriptor } from "@shared/job_graph.ts";
import { slotOf, type StateTable } from "../state/state_table.ts";

/** What is known of the call that is running. */
export interface StateAccess {
  readonly table: StateTable;
  /** Key of the call. @throws {Error} If no call is running. */
  key(): string;
  nowMs(): number;
}

/** The value of the key of the call. */
interface ValueHandle {
  get(): unknown;
  set(value: unknown): void;
  clear(): void;
}

/** Handles by name; state number `i` of `states` is slot `i` of the table. */
export function createStateHandles(
  states: readonly StateDescriptor[],
  access: StateAccess,
): Readonly<Record<string, unknown>> {
  const handles = states.map(({ name }, slot) => [name, valueHandle(slot, access)]);
  return Object.freeze(Object.fromEntries(handles));
}

function valueHandle(slot: number, { table, key, nowMs }: StateAccess): ValueHandle {
  return {
    get: () => {
      const entry = table.find(key(), nowMs());
      return entry === undefined ? undefined : slotOf(entry, slot);
    },
    set: (value) => table.put(key(), slot, value, nowMs()),
    clear: () => table.put(key(), slot, undefined, nowMs()),
  };
}
