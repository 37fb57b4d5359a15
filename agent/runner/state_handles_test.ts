import { deepEqual, equal, throws } from "node:assert/strict";
import {
  aggregatingState,
  listState,
  mapState,
  reducingState,
  specifyStates,
  type StateDeclarations,
  type StateHandles,
  valueState,
} from "@shared/sdk/state.ts";
import { StateTable } from "../state/state_table.ts";
import { createStateHandles } from "./state_handles.ts";

/** Handles on one table, with the key and the clock of the call as fields. */
class Rig<States extends StateDeclarations> {
  key = "k";
  nowMs = 1_000;
  readonly table: StateTable;
  readonly state: StateHandles<States>;

  constructor(states: States) {
    const specs = specifyStates("op", states, null);
    const slots = specs.map(({ kind, codecVersion, ttlMs = null, migrations = {} }) => ({
      kind,
      codecVersion,
      ttlMs,
      migrations,
    }));
    const slotCount = slots.length;
    this.table = new StateTable({ uid: "op", slotCount, ttlMs: null, isMutable: false, slots });
    this.state = createStateHandles(specs, {
      table: this.table,
      key: () => this.key,
      nowMs: () => this.nowMs,
    }) as StateHandles<States>;
  }
}

Deno.test("state: a value is of its key, until it is cleared", () => {
  const rig = new Rig({ last: valueState<number>() });
  rig.state.last.set(5);
  rig.key = "other";
  equal(rig.state.last.get(), undefined);
  rig.key = "k";
  equal(rig.state.last.get(), 5);
  rig.state.last.clear();
  equal(rig.table.size, 0);
});

Deno.test("state: a list grows, is replaced and cleared; what was read of it stays as it was", () => {
  const { state } = new Rig({ items: listState<number>() });
  deepEqual(state.items.get(), []);
  state.items.add(1);
  state.items.addAll([2, 3]);
  const read = state.items.get();
  state.items.add(4);
  deepEqual([read, state.items.get()], [[1, 2, 3], [1, 2, 3, 4]]);
  state.items.update([9]);
  deepEqual(state.items.get(), [9]);
  state.items.update([]);
  deepEqual(state.items.get(), []);
});

Deno.test("state: a map holds values by text, number and boolean, and knows them apart", () => {
  const { state, table } = new Rig({ map: mapState<string | number | boolean, string>() });
  state.map.put("1", "text");
  state.map.put(1, "number");
  state.map.put(true, "boolean");
  state.map.put("true", "text true");
  deepEqual([state.map.get("1"), state.map.get(1), state.map.get(true)], [
    "text",
    "number",
    "boolean",
  ]);
  deepEqual([state.map.size, state.map.contains(2), state.map.isEmpty], [4, false, false]);
  state.map.remove("1");
  deepEqual(new Set(state.map.keys()), new Set([1, true, "true"]));
  deepEqual([...state.map.values()].sort(), ["boolean", "number", "text true"]);
  for (const [key] of state.map.entries()) state.map.remove(key);
  deepEqual([state.map.isEmpty, table.size], [true, 0]);
  throws(() => state.map.put(NaN, "x"), /is NaN: want a text, a boolean or a number/);
});

Deno.test("state: reducing and aggregating states fold what is added", () => {
  const { state } = new Rig({
    highest: reducingState<number>((a, b) => Math.max(a, b)),
    mean: aggregatingState({
      initial: () => ({ n: 0, sum: 0 }),
      add: (acc, value: number) => ({ n: acc.n + 1, sum: acc.sum + value }),
      result: (acc) => acc.sum / acc.n,
    }),
  });
  deepEqual([state.highest.get(), state.mean.get()], [undefined, undefined]);
  for (const value of [3, 9, 6]) {
    state.highest.add(value);
    state.mean.add(value);
  }
  deepEqual([state.highest.get(), state.mean.get()], [9, 6]);
  state.mean.clear();
  equal(state.mean.get(), undefined);
});

Deno.test("state: each state expires by its own time, refreshed by writing or by reading too (S4)", () => {
  const rig = new Rig({
    kept: valueState<number>(),
    written: valueState<number>({ ttl: 100 }),
    read: valueState<number>({ ttl: 100, ttlRefresh: "readAndWrite" }),
  });
  rig.state.kept.set(1);
  rig.state.written.set(2);
  rig.state.read.set(3);
  const all = () => [rig.state.kept.get(), rig.state.written.get(), rig.state.read.get()];
  rig.nowMs = 1_090;
  deepEqual(all(), [1, 2, 3]);
  rig.nowMs = 1_110;
  deepEqual(all(), [1, undefined, 3]);
  rig.nowMs = 900;
  deepEqual(all(), [1, undefined, 3], "a clock that goes back revives nothing");
  rig.nowMs = 1_300;
  rig.table.sweep(1_300, 1_000);
  deepEqual(all(), [1, undefined, undefined]);
  rig.state.kept.clear();
  equal(rig.table.size, 0);
});

Deno.test("state: a throw takes back what was done to lists and maps too", () => {
  const { state, table } = new Rig({ items: listState<number>(), map: mapState<string, number>() });
  state.items.add(1);
  state.map.put("a", 1);
  const before = table.snapshotOf("k");
  state.items.add(2);
  state.map.put("b", 2);
  table.rollBack("k", before);
  state.items.add(3);
  deepEqual([state.items.get(), [...state.map.keys()]], [[1, 3], ["a"]]);
});
