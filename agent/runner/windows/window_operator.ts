/**
 * The `window` operator: gathers the records of each key in windows, and sends a result for each that fires.
 *
 * Touches the keyed state, clocks and timers it is given.
 *
 * @module
 */
import type { StatefulSpec } from "@shared/sdk/operator.ts";
import { cloneValue } from "../../state/value_clone.ts";
import type { ChainParts, Emit, OperatorPlace } from "../chain.ts";
import { keyText } from "../keyed_operators.ts";
import { hostWindows } from "./window_host.ts";

export function compileWindow(
  spec: StatefulSpec & { kind: "window" },
  place: OperatorPlace,
  parts: ChainParts,
): Emit {
  const { keyOf, aggregate } = spec;
  const { count } = place;
  // An accumulator that is the result itself may go on changing in the window.
  const resultOf = aggregate.result ?? cloneValue;
  const take = hostWindows(
    {
      ...spec,
      keyClock: spec.keyClock ?? null,
      keepsSums: true,
      resultsOf: (acc, w) => [resultOf(acc, w)],
    },
    place,
    parts,
  );
  return (record) => {
    count.recordsIn++;
    let key: string;
    try {
      key = keyText(keyOf(record));
    } catch (thrown) {
      place.setAside(record, thrown);
      return;
    }
    take(record, key, record);
  };
}
