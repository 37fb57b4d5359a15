/**
 * How well alarms do, made of when they rang: rates, floods, who rings most.
 *
 * Pure. Figures as EEMUA 191 and ISA-18.2 use them: ten alarms within ten minutes are more than a person
 * can deal with.
 *
 *   calm ──the 10th ring within 10 min──▶ flood ──fewer than 5 within 10 min──▶ calm
 *
 * @module
 */

export const TEN_MINUTES_MS = 600_000;
const FLOOD_BEGINS = 10;
const FLOOD_ENDS_BELOW = 5;

/** An alarm that began to sound. */
export interface Ring {
  readonly atMs: number;
  readonly alarmId: string;
  readonly jobId: string;
  readonly sinkUid: string;
  readonly equipment: string;
}

/** Rings in each span of ten minutes that touches the time from `fromMs` to `toMs`, oldest first. */
export function perTenMinutes(
  rings: readonly Ring[],
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): { readonly atMs: number; readonly count: number }[] {
  const first = Math.floor(fromMs / TEN_MINUTES_MS);
  const spans = Math.max(1, Math.ceil(toMs / TEN_MINUTES_MS) - first);
  const counts = new Array<number>(spans).fill(0);
  for (const { atMs } of rings) {
    const index = Math.floor(atMs / TEN_MINUTES_MS) - first;
    if (index >= 0 && index < spans) counts[index]!++;
  }
  return counts.map((count, i) => ({ atMs: (first + i) * TEN_MINUTES_MS, count }));
}

export interface Flood {
  readonly fromMs: number;
  /** Null while it goes on. */
  readonly toMs: number | null;
  /** Oldest first: the first is the first-out. */
  readonly rings: readonly Ring[];
}

/** @param rings Ascending in time. */
export function floodsOf(rings: readonly Ring[], nowMs: number): Flood[] {
  const floods: Flood[] = [];
  let first = 0;
  for (let i = FLOOD_BEGINS - 1; i < rings.length; i++) {
    const begin = i - FLOOD_BEGINS + 1;
    if (begin < first || rings[i]!.atMs - rings[begin]!.atMs >= TEN_MINUTES_MS) continue;
    const { end, toMs } = endOfFlood(rings, i, nowMs);
    floods.push({ fromMs: rings[begin]!.atMs, toMs, rings: rings.slice(begin, end) });
    first = end;
    i = end;
  }
  return floods;
}

/** From ring `i` on: the ring that is no longer in the flood, and when the flood was over. */
function endOfFlood(
  rings: readonly Ring[],
  i: number,
  nowMs: number,
): { end: number; toMs: number | null } {
  for (let last = i;; last++) {
    // The fifth newest ring leaves the last ten minutes then, and four are left.
    const endsMs = rings[last - FLOOD_ENDS_BELOW + 1]!.atMs + TEN_MINUTES_MS;
    const next = rings[last + 1];
    if (next !== undefined && next.atMs < endsMs) continue;
    return { end: last + 1, toMs: endsMs <= nowMs ? endsMs : null };
  }
}

/** Rings by what `keyOf` says, most first; ties by key. */
export function tally<T>(
  rings: readonly T[],
  keyOf: (ring: T) => string,
): { readonly key: string; readonly count: number; readonly first: T }[] {
  const counts = new Map<string, { count: number; first: T }>();
  for (const ring of rings) {
    const key = keyOf(ring);
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { count: 1, first: ring });
    else known.count++;
  }
  return [...counts].map(([key, one]) => ({ key, ...one }))
    .sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1));
}
