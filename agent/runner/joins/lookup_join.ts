/**
 * The lookup join: each record with the row that its key has in a table.
 *
 * Touches the keyed state it is given. The table is either a function of the author's with a cache in front,
 * or a second input: its latest row for each key is state.
 *
 * Invariants (agent/runner/joins/lookup_join_test.ts):
 *
 *   1. A record meets the row there is when it comes; rows that come later change nothing that was sent.
 *   2. Rows of the second input are in the snapshot (A5); what a function answered is not.
 *
 * @module
 */
import type { OperatorSpec } from "@shared/sdk/operator.ts";
import type { ChainParts, Emit, OperatorInputs, OperatorPlace } from "../chain.ts";
import { keyText } from "../keyed_operators.ts";
import { LookupCache } from "./lookup_cache.ts";

const ROW_SLOT = 0;

type LookupJoinSpec = OperatorSpec & { kind: "lookupJoin" };

export function compileLookupJoin(
  spec: LookupJoinSpec,
  place: OperatorPlace,
  parts: ChainParts,
): OperatorInputs {
  const { count, emit } = place;
  const { origin } = parts;
  const { join, orElse } = spec;
  const rowOf = compileRows(spec, parts);
  const records: Emit = (record) => {
    count.recordsIn++;
    let output: unknown;
    try {
      const key = keyText(spec.keyOf(record));
      const row = rowOf(key);
      const isMissing = row === undefined || row === null;
      if (isMissing && orElse === null) return;
      output = isMissing ? orElse!(record, key) : join(record, row, key);
    } catch (thrown) {
      place.setAside(record, thrown);
      return;
    }
    count.recordsOut++;
    emit(output);
  };
  const { table } = spec;
  if (table.from === "function") return [records];
  const rows: Emit = (row) => {
    count.recordsIn++;
    try {
      const isRemoval = table.isRemoval !== null && table.isRemoval(row);
      const key = keyText(table.keyOfRow(row));
      parts.state.table(spec.uid).put(key, ROW_SLOT, isRemoval ? undefined : row, origin.nowMs);
    } catch (thrown) {
      place.setAside(row, thrown);
    }
  };
  return [records, rows];
}

function compileRows(
  { uid, table }: LookupJoinSpec,
  { origin, state }: ChainParts,
): (key: string) => unknown {
  if (table.from === "stream") {
    const rows = state.table(uid);
    return (key) => rows.find(key, origin.nowMs)?.first;
  }
  const cache = new LookupCache({ ttlMs: table.cacheTtlMs, max: table.cacheMax });
  const { lookup } = table;
  return (key) => cache.get(key, origin.nowMs, lookup);
}
