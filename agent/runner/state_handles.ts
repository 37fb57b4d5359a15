/**
 * What an author's function sees of its named states: `ctx.state.name`.
 *
 * Touches the operator's table. A handle is made once for each operator and works on the key of the call that
 * is running. Every change is a new value of the key's slot, so that captures and roll-backs hold for all kinds
 * of state alike; lists and maps share what did not change.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { StateSpec } from "@shared/sdk/state.ts";
import type {
  AggregatingStateHandle,
  ListStateHandle,
  MapKey,
  MapStateHandle,
  ReducingStateHandle,
  ValueStateHandle,
} from "@shared/sdk/state_handles.ts";
import { PersistentList } from "../state/persistent_list.ts";
import { PersistentMap } from "../state/persistent_map.ts";
import type { StateTable } from "../state/state_table.ts";

/** What is known of the call that is running. */
export interface StateAccess {
  readonly table: StateTable;
  /** Key of the call. @throws {Error} If no call is running. */
  key(): string;
  nowMs(): number;
}

/** Handles by name; state number `i` of `states` is slot `i` of the table. */
export function createStateHandles(
  states: readonly StateSpec[],
  access: StateAccess,
): Readonly<Record<string, unknown>> {
  const handles = states.map((state, slot) => {
    return [state.name, handleOf(state, new SlotOfKey(access, slot, state))];
  });
  return Object.freeze(Object.fromEntries(handles));
}

/** One slot of the key of the call. */
class SlotOfKey {
  readonly #access: StateAccess;
  readonly #slot: number;
  readonly #isKeptByReading: boolean;

  constructor(access: StateAccess, slot: number, { ttlRefresh }: StateSpec) {
    this.#access = access;
    this.#slot = slot;
    this.#isKeptByReading = ttlRefresh === "readAndWrite";
  }

  get(): unknown {
    const { table } = this.#access;
    const nowMs = this.#access.nowMs();
    const entry = table.find(this.#access.key(), nowMs);
    if (entry === undefined) return undefined;
    const value = table.read(entry, this.#slot, nowMs);
    if (this.#isKeptByReading && value !== undefined) table.touch(entry, this.#slot, nowMs);
    return value;
  }

  /** @param value Undefined clears the slot. */
  set(value: unknown): void {
    const { table } = this.#access;
    table.put(this.#access.key(), this.#slot, value, this.#access.nowMs());
  }
}

function handleOf(state: StateSpec, slot: SlotOfKey): object {
  switch (state.kind) {
    case "list":
      return listHandle(slot);
    case "map":
      return mapHandle(slot);
    case "reducing":
      return reducingHandle(state, slot);
    case "aggregating":
      return aggregatingHandle(state, slot);
    default:
      return valueHandle(slot);
  }
}

function valueHandle(slot: SlotOfKey): ValueStateHandle<unknown> {
  return {
    get: () => slot.get(),
    set: (value) => slot.set(value),
    clear: () => slot.set(undefined),
  };
}

function listHandle(slot: SlotOfKey): ListStateHandle<unknown> {
  const list = () => slot.get() as PersistentList | undefined ?? PersistentList.EMPTY;
  return {
    get: () => list().toArray(),
    add: (item) => slot.set(list().append(item)),
    addAll: (items) => {
      let longer = list();
      for (const item of items) longer = longer.append(item);
      if (longer.size > 0) slot.set(longer);
    },
    update: (items) => {
      const all = [...items];
      slot.set(all.length === 0 ? undefined : PersistentList.of(all));
    },
    clear: () => slot.set(undefined),
  };
}

function mapHandle(slot: SlotOfKey): MapStateHandle<MapKey, unknown> {
  const map = () => slot.get() as PersistentMap | undefined ?? PersistentMap.EMPTY;
  const remove = (key: MapKey) => {
    const before = map();
    const after = before.remove(key);
    if (after !== before) slot.set(after.size === 0 ? undefined : after);
  };
  return {
    get: (key) => map().get(key),
    contains: (key) => map().has(key),
    put: (key, value) => {
      checkMapKey(key);
      if (value === undefined) remove(key);
      else slot.set(map().put(key, value));
    },
    remove,
    entries: () => map()[Symbol.iterator](),
    keys: () => map()[Symbol.iterator]().map(([key]) => key),
    values: () => map()[Symbol.iterator]().map(([, value]) => value),
    get size() {
      return map().size;
    },
    get isEmpty() {
      return map().size === 0;
    },
    clear: () => slot.set(undefined),
  };
}

function checkMapKey(key: unknown): void {
  if (typeof key === "string" || typeof key === "boolean") return;
  if (typeof key === "number" && !Number.isNaN(key)) return;
  const found = key === null ? "null" : Number.isNaN(key) ? "NaN" : `of type ${typeof key}`;
  throw new TypeError(`The key of a map state is ${found}: want a text, a boolean or a number`);
}

function reducingHandle(state: StateSpec, slot: SlotOfKey): ReducingStateHandle<unknown> {
  assert(state.reduce !== undefined, `State "${state.name}" has no function to reduce by`);
  return {
    get: () => slot.get(),
    add: (value) => {
      const sum = slot.get();
      slot.set(sum === undefined ? value : state.reduce!(sum, value));
    },
    clear: () => slot.set(undefined),
  };
}

function aggregatingHandle(
  state: StateSpec,
  slot: SlotOfKey,
): AggregatingStateHandle<unknown, unknown> {
  const { aggregate } = state;
  assert(aggregate !== undefined, `State "${state.name}" has no functions to aggregate by`);
  return {
    get: () => {
      const acc = slot.get();
      return acc === undefined ? undefined : aggregate.result(acc);
    },
    add: (value) => {
      const acc = slot.get();
      slot.set(aggregate.add(acc === undefined ? aggregate.initial() : acc, value));
    },
    clear: () => slot.set(undefined),
  };
}
