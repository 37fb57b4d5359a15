/**
 * What a restore would make of a table: its content of one moment, through the stored form.
 *
 * @module
 */
import { decodeSection, encodeSection } from "../../agent/state/snapshot_codec.ts";
import type { StateTable } from "../../agent/state/state_table.ts";

/**
 * Captures the content of `table`, which may be changed before it is read.
 *
 * @returns Stores what was captured and loads it into an empty table.
 */
export function captureTable(table: StateTable): (into: StateTable) => void {
  const groups = table.presentGroups();
  table.capture(groups);
  return (into) => {
    const slots = Array.from({ length: table.slotCount }, (_, slot) => slot);
    const layout = { slots, versions: slots.map(() => 1), keepsTimers: true };
    for (const group of groups) {
      const { kind, columns } = table.take(group, null);
      const stored = decodeSection(encodeSection(columns, table.uid), "test");
      into.load({ group, kind, columns: stored, interval: 0 }, layout);
    }
  };
}
