/**
 * State of one operator that is the same in all its subtasks: values by name, as a broadcast stream wrote them.
 *
 * Pure. It is in every subtask's snapshot whole, and is restored from any of them: all subtasks took the same
 * broadcast records before their barriers. A capture is a reference, for the map is persistent.
 *
 * Section version 1: u8 version, then the map as a value.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { OperatorNode } from "@shared/job_graph.ts";
import { ByteReader, ByteWriter } from "./byte_stream.ts";
import { PersistentMap } from "./persistent_map.ts";
import { readValue, UnsupportedValueError, writeValue } from "./value_codec.ts";

const BROADCAST_VERSION = 1;

export class BroadcastState {
  #values = PersistentMap.EMPTY;

  get size(): number {
    return this.#values.size;
  }

  get(name: string): unknown {
    return this.#values.get(name);
  }

  /** @param value Not undefined; taken as immutable. */
  set(name: string, value: unknown): void {
    this.#values = this.#values.put(name, value);
  }

  delete(name: string): void {
    this.#values = this.#values.remove(name);
  }

  /** In the order of their names. */
  entries(): [name: string, value: unknown][] {
    return sortedEntries(this.#values);
  }

  /** The state of this moment, to be encoded later. */
  capture(): PersistentMap {
    return this.#values;
  }

  /** Takes over what another subtask, or this one, had stored. */
  restore(values: PersistentMap): void {
    this.#values = values;
  }
}

/** States of the operators that have one, by uid. */
export function createBroadcastStates(
  operators: readonly OperatorNode[],
): Map<string, BroadcastState> {
  const having = operators.filter(({ states }) => states.some(({ kind }) => kind === "broadcast"));
  return new Map(having.map(({ uid }) => [uid, new BroadcastState()]));
}

/**
 * Equal states give equal bytes.
 *
 * @throws {UserError} `state-not-encodable` naming operator and place.
 */
export function encodeBroadcast(values: PersistentMap, uid: string): Uint8Array {
  const to = new ByteWriter();
  to.u8(BROADCAST_VERSION);
  try {
    writeValue(to, new Map(sortedEntries(values)));
  } catch (thrown) {
    if (!(thrown instanceof UnsupportedValueError)) throw thrown;
    throw new UserError(
      "state-not-encodable",
      `Cannot store the broadcast state of operator "${uid}": found ${thrown.message}`,
      { cause: thrown },
    );
  }
  return to.take();
}

/** @throws {CorruptStateError} If the bytes are not such a section. */
export function decodeBroadcast(bytes: Uint8Array, uid: string): PersistentMap {
  const from = new ByteReader(bytes, `broadcast state of operator "${uid}"`);
  const version = from.u8();
  if (version !== BROADCAST_VERSION) {
    throw from.corrupt(`broadcast version ${BROADCAST_VERSION}`, String(version));
  }
  const values = readValue(from);
  if (!(values instanceof Map)) throw from.corrupt("a map", typeof values);
  from.end();
  return PersistentMap.from(values);
}

function sortedEntries(values: PersistentMap): [name: string, value: unknown][] {
  const entries = [...values] as [name: string, value: unknown][];
  return entries.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
}
