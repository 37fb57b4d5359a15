/**
 * Copies a value of a detector, which may be changed in place while its copy is being stored.
 *
 * Pure. Copies plain objects, arrays and typed arrays in depth; anything else is kept as it is, because
 * detectors hold nothing else.
 *
 * @module
 */

/** A value that no later change of `value` reaches. */
export function cloneValue(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(cloneValue);
  if (value instanceof Float64Array || value instanceof Uint8Array) return value.slice();
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const copy: Record<string, unknown> = { ...value };
  for (const name in copy) {
    const field = copy[name];
    if (typeof field === "object" && field !== null) copy[name] = cloneValue(field);
  }
  return copy;
}
