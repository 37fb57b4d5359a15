/**
 * Copies a value of a detector or a window, which may be changed in place while its copy is being stored.
 *
 * Pure. Copies plain objects, arrays, typed arrays, maps and sets in depth; anything else is kept as it is.
 *
 * @module
 */
import type { OperatorKind } from "@shared/job_graph.ts";

/** Whether operators of this kind change the values of their state in place, rather than replace them. */
export function changesInPlace(kind: OperatorKind): boolean {
  return kind === "detect" || kind === "window" || kind === "windowJoin" || kind === "intervalJoin";
}

/** A value that no later change of `value` reaches. */
export function cloneValue(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(cloneValue);
  if (value instanceof Float64Array || value instanceof Uint8Array) return value.slice();
  if (value instanceof Map) {
    return new Map([...value].map(([key, of]) => [cloneValue(key), cloneValue(of)]));
  }
  if (value instanceof Set) return new Set([...value].map(cloneValue));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const copy: Record<string, unknown> = { ...value };
  for (const name in copy) {
    const field = copy[name];
    if (typeof field === "object" && field !== null) copy[name] = cloneValue(field);
  }
  return copy;
}
