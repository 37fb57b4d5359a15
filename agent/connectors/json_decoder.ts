/**
 * JSON from strangers: parsed, with a bound on its depth and without keys that reach into prototypes.
 *
 * Pure.
 *
 * @module
 */
export const JSON_DEPTH_MAX = 64;

/** A shorter text cannot be nested deeper than the limit. */
export const SCAN_CHARS_MIN = 2 * (JSON_DEPTH_MAX + 1);

/**
 * What a text must hold before it can have a key that reaches into prototypes: the key, or an escape, which
 * may spell any key.
 */
export const SUSPECTS: readonly string[] = ["__proto__", "constructor", "\\u"];

/** Why a payload is not a record; the message goes to the dead letters. */
export class RecordRefused extends Error {
  override name = "RecordRefused";
}

/**
 * @throws {RecordRefused} If the text is not JSON, is nested deeper than `JSON_DEPTH_MAX`, or holds the key
 *   `__proto__` or a `constructor` with a `prototype`.
 */
export function decodeJson(text: string): unknown {
  if (text.length >= SCAN_CHARS_MIN && isTooDeep(text)) {
    throw new RecordRefused(`JSON is nested deeper than ${JSON_DEPTH_MAX}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RecordRefused("payload is not JSON");
  }
  const isSuspicious = text.includes("__proto__") || text.includes("constructor") ||
    text.includes("\\u");
  if (isSuspicious && hasPollutingKey(value)) {
    throw new RecordRefused("JSON has a key that reaches into prototypes");
  }
  return value;
}

function isTooDeep(text: string): boolean {
  let depth = 0;
  let isInText = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charCodeAt(i);
    if (char === 0x22) isInText = !isInText;
    else if (isInText) {
      if (char === 0x5c) i += 1;
    } else if (char === 0x7b || char === 0x5b) {
      depth += 1;
      if (depth > JSON_DEPTH_MAX) return true;
    } else if (char === 0x7d || char === 0x5d) depth -= 1;
  }
  return false;
}

function hasPollutingKey(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(hasPollutingKey);
  return Object.entries(value).some(([key, inner]) => {
    if (key === "__proto__") return true;
    const isObject = typeof inner === "object" && inner !== null;
    if (key === "constructor" && isObject && Object.hasOwn(inner, "prototype")) return true;
    return hasPollutingKey(inner);
  });
}
