/**
 * Spans in which a condition held, as the edges of detectors tell it.
 *
 * Pure. A span has the id that its edges share. Which edges are known does not depend on the order or
 * repetition in which they came.
 *
 * @module
 */

export interface AlarmEdgeInput {
  readonly edgeId: string;
  readonly isActive: boolean;
  /** Time of the record behind the edge, ms since the epoch. */
  readonly atMs: number;
  /** When the hub took it in. */
  readonly heardAtMs: number;
}

export interface AlarmSpan {
  readonly id: string;
  readonly operatorUid: string;
  /** Null while only its end is known. */
  readonly fromMs: number | null;
  /** Null while it lasts. */
  readonly toMs: number | null;
  /** When the hub heard of the newest edge. */
  readonly heardAtMs: number;
  /** Alarm that it raised or continued; null while it did neither. */
  readonly alarmId: string | null;
}

/** The span that `edges` make; the newest decides whether it lasts. */
export function spanOf(
  edges: readonly AlarmEdgeInput[],
  about: Pick<AlarmSpan, "id" | "operatorUid" | "alarmId">,
): AlarmSpan | null {
  let newest: AlarmEdgeInput | null = null;
  let fromMs: number | null = null;
  for (const edge of edges) {
    if (newest === null || isNewer(edge, newest)) newest = edge;
    if (edge.isActive) fromMs = Math.min(fromMs ?? edge.atMs, edge.atMs);
  }
  if (newest === null) return null;
  return {
    ...about,
    fromMs,
    toMs: newest.isActive ? null : newest.atMs,
    heardAtMs: newest.heardAtMs,
  };
}

/** Total order of edges: by time, a clear behind a raise of the same instant, then by id. */
function isNewer(edge: AlarmEdgeInput, than: AlarmEdgeInput): boolean {
  if (edge.atMs !== than.atMs) return edge.atMs > than.atMs;
  if (edge.isActive !== than.isActive) return !edge.isActive;
  return edge.edgeId > than.edgeId;
}

/** A span whose beginning is known. */
export type BegunSpan = AlarmSpan & {
  readonly fromMs: number;
  /** Nobody told its end: it is over because the next one began. */
  readonly isEndGuessed: boolean;
};

/**
 * Spans that have begun, oldest first, of the same beginning the longest first. One that nobody ended is
 * over when the same operator raises the next one: a detector has one condition at a time.
 */
export function begunSpans(spans: readonly AlarmSpan[]): BegunSpan[] {
  const begun = spans
    .filter((span): span is AlarmSpan & { readonly fromMs: number } => span.fromMs !== null)
    .sort((a, b) => a.fromMs - b.fromMs || compareEnds(b, a) || (a.id < b.id ? -1 : 1));
  const nextOf = new Map<string, number>();
  const ended: BegunSpan[] = [];
  for (const span of begun.toReversed()) {
    const next = nextOf.get(span.operatorUid);
    const isEndGuessed = span.toMs === null && next !== undefined;
    ended.push({ ...span, toMs: isEndGuessed ? next : span.toMs, isEndGuessed });
    nextOf.set(span.operatorUid, span.fromMs);
  }
  return ended.reverse();
}

function compareEnds(a: AlarmSpan, b: AlarmSpan): number {
  if (a.toMs === b.toMs) return 0;
  if (a.toMs === null) return 1;
  return b.toMs === null ? -1 : a.toMs - b.toMs;
}
