/**
 * The records of one side of one key that may still meet one of the other side, by event time.
 *
 * Pure.
 *
 * @module
 */

/** Plain, since it is state. */
export interface IntervalBuffer {
  /** Event times, ascending; equal ones in the order of arrival. */
  readonly times: number[];
  readonly records: unknown[];
}

export function createBuffer(): IntervalBuffer {
  return { times: [], records: [] };
}

/** Puts a record behind all that are not later. */
export function addToBuffer(
  { times, records }: IntervalBuffer,
  record: unknown,
  atMs: number,
): void {
  let at = times.length;
  while (at > 0 && times[at - 1]! > atMs) at--;
  times.splice(at, 0, atMs);
  records.splice(at, 0, record);
}

/** Drops what is not later than `untilMs`. */
export function dropUntil({ times, records }: IntervalBuffer, untilMs: number): void {
  let over = 0;
  while (over < times.length && times[over]! <= untilMs) over++;
  if (over === 0) return;
  times.splice(0, over);
  records.splice(0, over);
}
