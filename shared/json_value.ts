/**
 * State values as JSON, for answers that people read: what JSON has no word for gets one.
 *
 * Pure. A plain JSON value stays what it is. Everything else is an object with a `$type`:
 *
 *   undefined          {"$type":"undefined"}
 *   -0, NaN, ±Infinity {"$type":"number","value":"-0"}      and so on
 *   bigint             {"$type":"bigint","value":"12"}
 *   Date               {"$type":"date","value":"2026-01-01T00:00:00.000Z"}, or "invalid"
 *   Map                {"$type":"map","entries":[[key,value],…]}
 *   Set                {"$type":"set","values":[…]}
 *   Uint8Array         {"$type":"bytes","base64":"…"}
 *   Float64Array       {"$type":"floats","values":[…]}
 *   object with $type  {"$type":"object","entries":[["$type",…],…]}
 *   anything deeper    {"$type":"cut"}                      behind 100 levels
 *
 * Every value that a state can hold has exactly one form, so two values are the same if their forms are.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** What JSON can hold. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

const DEPTH_MAX = 100;

/** The form of `value` in JSON; names of plain objects in ascending order. */
export function toJsonValue(value: unknown, depth = 0): JsonValue {
  switch (typeof value) {
    case "undefined":
      return { $type: "undefined" };
    case "boolean":
    case "string":
      return value;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $type: "number", value: Object.is(value, -0) ? "-0" : String(value) };
    case "bigint":
      return { $type: "bigint", value: String(value) };
    case "object":
      if (value === null) return null;
      return depth >= DEPTH_MAX ? { $type: "cut" } : formOfObject(value, depth + 1);
    default:
      return { $type: typeof value };
  }
}

function formOfObject(value: object, depth: number): JsonValue {
  const form = (item: unknown) => toJsonValue(item, depth);
  if (Array.isArray(value)) return Array.from(value, form);
  if (value instanceof Date) {
    const isValid = Number.isFinite(value.getTime());
    return { $type: "date", value: isValid ? value.toISOString() : "invalid" };
  }
  if (value instanceof Map) {
    return { $type: "map", entries: Array.from(value, ([key, item]) => [form(key), form(item)]) };
  }
  if (value instanceof Set) return { $type: "set", values: Array.from(value, form) };
  if (value instanceof Uint8Array) {
    return { $type: "bytes", base64: Buffer.from(value).toString("base64") };
  }
  if (value instanceof Float64Array) return { $type: "floats", values: Array.from(value, form) };
  const names = Object.keys(value).sort();
  const fields = value as Record<string, unknown>;
  if (names.includes("$type")) {
    return { $type: "object", entries: names.map((name) => [name, form(fields[name])]) };
  }
  return Object.fromEntries(names.map((name) => [name, form(fields[name])]));
}
