/**
 * The window join: every pair of a left and a right record that are in the same window of the same key.
 *
 * Touches the keyed state, clocks and timers it is given. A window of the join is a window whose
 * accumulator holds the records of both sides; it fires, is late and ends like any other.
 *
 * Invariants (tests/property/joins_test.ts):
 *
 *   1. Pairs come in the order of the left records, then of the right ones: as they arrived, where windows
 *      overlap pane by pane.
 *   2. A late record that is still allowed gives all pairs of its window again.
 *
 * @module
 */
import type { StatefulSpec } from "@shared/sdk/operator.ts";
import type { AggregateSpec } from "@shared/sdk/window_spec.ts";
import type { ChainParts, Emit, OperatorInputs, OperatorPlace } from "../chain.ts";
import { keyText } from "../keyed_operators.ts";
import { hostWindows } from "../windows/window_host.ts";

/** What a window holds. */
interface Sides {
  readonly left: unknown[];
  readonly right: unknown[];
}

export function compileWindowJoin(
  spec: StatefulSpec & { kind: "windowJoin" },
  place: OperatorPlace,
  parts: ChainParts,
): OperatorInputs {
  const { count } = place;
  /** Side of the record that is being added. */
  let side: keyof Sides = "left";
  const aggregate: AggregateSpec = {
    initial: (): Sides => ({ left: [], right: [] }),
    add: (sides: Sides, record) => {
      sides[side].push(record);
      return sides;
    },
    merge: (a: Sides, b: Sides): Sides => ({
      left: [...a.left, ...b.left],
      right: [...a.right, ...b.right],
    }),
    result: null,
  };
  const take = hostWindows(
    {
      ...spec,
      aggregate,
      keyClock: spec.keyClock ?? null,
      keepsSums: false,
      resultsOf: (acc, w) => {
        const { left, right } = acc as Sides;
        return left.flatMap((one) => right.map((other) => spec.join(one, other, w.key, w)));
      },
    },
    place,
    parts,
  );
  const input = (of: keyof Sides, keyOf: (record: unknown) => string): Emit => (record) => {
    count.recordsIn++;
    let key: string;
    try {
      key = keyText(keyOf(record));
    } catch (thrown) {
      place.setAside(record, thrown);
      return;
    }
    side = of;
    take(record, key, record);
  };
  return [input("left", spec.keyOf), input("right", spec.keyOfRight)];
}
