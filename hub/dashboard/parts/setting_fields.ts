/**
 * Spans of time as people write them in a field: a number and a unit.
 *
 * Pure.
 *
 * @module
 */

export const UNITS = [
  { name: "s", text: "seconds", ms: 1_000 },
  { name: "min", text: "minutes", ms: 60_000 },
  { name: "h", text: "hours", ms: 3_600_000 },
  { name: "d", text: "days", ms: 86_400_000 },
] as const;
export type UnitName = typeof UNITS[number]["name"];

export interface SpanText {
  readonly count: string;
  readonly unit: UnitName;
}

/** The largest unit that says `ms` with a whole number. */
export function spanTextOf(ms: number): SpanText {
  const unit = UNITS.findLast((one) => ms % one.ms === 0 && ms >= one.ms) ?? UNITS[0];
  return { count: String(ms / unit.ms), unit: unit.name };
}

/** Whole milliseconds, or null when the text is no span. */
export function msOf(text: SpanText): number | null {
  const count = Number(text.count);
  const unit = UNITS.find((one) => one.name === text.unit)!;
  if (text.count.trim() === "" || !Number.isFinite(count) || count <= 0) return null;
  return Math.round(count * unit.ms);
}
