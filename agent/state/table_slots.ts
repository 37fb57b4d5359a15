/**
 * What is known of each state slot of a table, and how stored slots become slots of now.
 *
 * Pure. The judgement whether stored state fits at all is made before, by `shared/state_compatibility.ts`.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import { messageOf, UserError } from "@shared/errors.ts";
import type { OperatorNode, StateDescriptor } from "@shared/job_graph.ts";
import type { OperatorSnapshot } from "@shared/manifest.ts";
import { PersistentList } from "./persistent_list.ts";
import { PersistentMap } from "./persistent_map.ts";

/** Brings a value of one codec version to the next: index `v` of the record goes from `v` to `v + 1`. */
export type Migrations = Readonly<Record<number, (value: never) => unknown>>;

export interface TableSlot {
  readonly kind: StateDescriptor["kind"];
  readonly codecVersion: number;
  /** Values not written for this long are gone, ms; null keeps them for ever. */
  readonly ttlMs: number | null;
  readonly migrations: Migrations;
}

/** How the columns of a stored section lie in a table of now. */
export interface StoredLayout {
  /** For each stored slot the slot of the table; -1 where it is left behind. */
  readonly slots: readonly number[];
  /** For each stored slot the codec version of its values. */
  readonly versions: readonly number[];
  /** False when the operator has no timers any more. */
  readonly keepsTimers: boolean;
}

/** States of an operator that are slots of its table: timers and broadcast state are kept elsewhere. */
export function slotStates<State extends { readonly kind: string }>(
  states: readonly State[],
): State[] {
  return states.filter(({ kind }) => kind !== "timers" && kind !== "broadcast");
}

/** The layout of what `stored` says, for the operator `node` of now. */
export function layoutOf(
  stored: Pick<OperatorSnapshot, "states">,
  node: Pick<OperatorNode, "states">,
): StoredLayout {
  const own = slotStates(node.states);
  const states = slotStates(stored.states);
  const hadTimers = stored.states.some(({ kind }) => kind === "timers");
  const hasTimers = node.states.some(({ kind }) => kind === "timers");
  return {
    slots: states.map(({ name }) => own.findIndex((candidate) => candidate.name === name)),
    versions: states.map(({ codecVersion }) => codecVersion),
    keepsTimers: hasTimers || !hadTimers,
  };
}

/** The layout of a table that reads its own sections. */
export function sameLayout(slotCount: number): StoredLayout {
  return {
    slots: Array.from({ length: slotCount }, (_, slot) => slot),
    versions: [],
    keepsTimers: true,
  };
}

/**
 * A stored value of codec version `version` as a value of `slot`; an undefined one stays undefined. Migrations
 * get each item of a list, each value of a map, and the whole of any other value.
 *
 * @throws {UserError} `migration-failed` with what the author's function threw.
 */
export function migrated(
  value: unknown,
  version: number | undefined,
  slot: TableSlot | undefined,
): unknown {
  if (value === undefined || slot === undefined) return value;
  const step = (one: unknown) => migratedItem(one, version ?? slot.codecVersion, slot);
  if (slot.kind === "list" && Array.isArray(value)) return PersistentList.of(value.map(step));
  if (slot.kind === "map" && value instanceof Map) {
    return PersistentMap.from([...value].map(([key, item]) => [key, step(item)] as const));
  }
  return step(value);
}

function migratedItem(item: unknown, version: number, slot: TableSlot): unknown {
  let current = item;
  for (let from = version; from < slot.codecVersion; from++) {
    const migration = slot.migrations[from];
    assert(migration !== undefined, `No migration leads from version ${from}`);
    try {
      current = migration(current as never);
    } catch (cause) {
      throw new UserError(
        "migration-failed",
        `Cannot migrate state from version ${from} to ${from + 1}: ${messageOf(cause)}`,
        { cause },
      );
    }
  }
  return current;
}
