/**
 * Checks that sources, sinks and operators share, each with the author's place in its error.
 *
 * Pure.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import { NAME_PATTERN } from "@shared/ids.ts";
import type { ErrorPolicy } from "./operator.ts";

/** @throws {UserError} `bad-option` unless `value` is one of `allowed`. */
export function checkChoice<Choice extends string>(
  name: string,
  value: Choice,
  check: { allowed: readonly Choice[]; at: string | null },
): Choice {
  if (check.allowed.includes(value)) return value;
  throw badOption(name, value, `one of ${check.allowed.map((a) => `"${a}"`).join(", ")}`, check.at);
}

/** @throws {UserError} `bad-option` unless `value` is a whole number in `min..max`. */
export function checkWhole(
  name: string,
  value: number,
  check: { min: number; max: number; at: string | null },
): number {
  if (Number.isSafeInteger(value) && value >= check.min && value <= check.max) return value;
  throw badOption(name, value, `a whole number from ${check.min} to ${check.max}`, check.at);
}

/** @throws {UserError} `bad-option` unless `value` is a finite number above zero. */
export function checkPositive(name: string, value: number, at: string | null): number {
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  throw badOption(name, value, "a number above 0", at);
}

/** @throws {UserError} `bad-option` if `fn` is not a function. */
export function checkFunction<Fn>(name: string, fn: Fn, at: string | null): Fn {
  if (typeof fn === "function") return fn;
  throw badOption(name, fn, "a function", at);
}

/** @throws {UserError} `bad-broker-name` unless `name` has the form of a name the hub knows brokers by. */
export function checkBroker(name: string, at: string | null): string {
  if (typeof name === "string" && NAME_PATTERN.test(name)) return name;
  throw new UserError(
    "bad-broker-name",
    `Broker ${JSON.stringify(name)} is not a name: use the name that was given to the hub with ` +
      `--broker NAME=URL (lower-case letters, digits and "-"), not an address`,
    { at },
  );
}

/** What happens to a record on which the author's function throws; `fail` unless said. */
export function errorPolicyOf(
  options: { readonly onError?: ErrorPolicy | undefined },
  at: string | null,
): ErrorPolicy {
  return checkChoice("onError", options.onError ?? "fail", {
    allowed: ["fail", "dead-letter"],
    at,
  });
}

/**
 * @throws {UserError} `unknown-option` if `options` has a name outside `known`: a misspelt option would
 *   otherwise be passed over in silence.
 */
export function checkOptionNames(
  of: string,
  options: object,
  check: { known: readonly string[]; at: string | null },
): void {
  const unknown = Object.keys(options ?? {}).find((name) => !check.known.includes(name));
  if (unknown === undefined) return;
  throw new UserError(
    "unknown-option",
    `${of} has no option "${unknown}": it knows ${check.known.join(", ")}`,
    { at: check.at },
  );
}

/** An error that names the option, what was given, and what is wanted. */
export function badOption(
  name: string,
  value: unknown,
  wanted: string,
  at: string | null,
): UserError {
  const found = typeof value === "function" ? "a function" : JSON.stringify(value) ?? "undefined";
  return new UserError("bad-option", `${name} is ${found}: give ${wanted}`, { at });
}
