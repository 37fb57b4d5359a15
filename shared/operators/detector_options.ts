/**
 * Checks of options that detectors share, with the error that all of them give.
 *
 * Pure.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import { isCount, type VerdictRule } from "./baseline.ts";

/** @throws {UserError} `bad-detector-option` with the first fault that is one. */
export function checkDetector(
  detector: string,
  faults: readonly (string | null)[],
  at: string | null,
): void {
  const fault = faults.find((found) => found !== null);
  if (fault === undefined) return;
  throw new UserError("bad-detector-option", `${detector}: ${fault}`, { at });
}

/** What is wrong with a function of the record, or null. */
export function functionFault(name: string, fn: unknown): string | null {
  return typeof fn === "function" ? null : `${name} must be a function of the record`;
}

/** What is wrong with a whole number in `min..max`, or null. */
export function countFault(name: string, value: number, min: number, max: number): string | null {
  return isCount(value) && value >= min && value <= max
    ? null
    : `${name} must be a whole number from ${min} to ${max}`;
}

/** What is wrong with a finite number above 0, or null. */
export function positiveFault(name: string, value: number): string | null {
  return value > 0 && value < Infinity ? null : `${name} must be a number above 0`;
}

/** What is wrong with a number above 0 and at most 1, or null. */
export function weightFault(name: string, value: number): string | null {
  return value > 0 && value <= 1 ? null : `${name} must be above 0 and at most 1`;
}

/** What is wrong with one of a few words, or null. */
export function wordFault(name: string, value: string, words: readonly string[]): string | null {
  return words.includes(value)
    ? null
    : `${name} must be one of ${words.map((word) => `"${word}"`).join(", ")}`;
}

/** When a score turns into an anomaly and back. */
export interface VerdictOptions {
  /** Score that is not normal. */
  readonly threshold?: number;
  /** Score below which an anomaly ends; default half the threshold. */
  readonly clearBelow?: number;
  /** Values in a row that it takes to begin or to end an anomaly. */
  readonly minConsecutive?: number;
}

/** The rule of `options`, with what they do not say. */
export function verdictRuleOf(
  options: VerdictOptions,
  defaults: { readonly threshold: number; readonly minConsecutive: number },
): VerdictRule {
  const threshold = options.threshold ?? defaults.threshold;
  return {
    threshold,
    clearBelow: options.clearBelow ?? threshold / 2,
    minConsecutive: options.minConsecutive ?? defaults.minConsecutive,
  };
}

/** Which side of normal is not normal. */
export type Direction = "both" | "up" | "down";

export const DIRECTIONS: readonly Direction[] = ["both", "up", "down"];

/** How a chart learns what is normal, and to which side it looks. */
export interface ChartRule {
  readonly warmUp: number;
  readonly memory: number;
  readonly direction: Direction;
  readonly minStdDev: number;
}

/** The rule of `options`, with what they do not say; it remembers never less than `warmUp` values. */
export function chartRuleOf(options: Partial<ChartRule>): ChartRule {
  const warmUp = options.warmUp ?? 100;
  return {
    warmUp,
    memory: Math.max(options.memory ?? 1_000, warmUp),
    direction: options.direction ?? "both",
    minStdDev: options.minStdDev ?? 1e-9,
  };
}

/** What is wrong with each part of a rule, or null. */
export function chartFaults(rule: ChartRule): (string | null)[] {
  return [
    countFault("warmUp", rule.warmUp, 2, 1e9),
    countFault("memory", rule.memory, 2, 1e9),
    wordFault("direction", rule.direction, DIRECTIONS),
    positiveFault("minStdDev", rule.minStdDev),
  ];
}

/** How far a signed distance goes to the side that is watched. */
export function sidedDistance(distance: number, direction: Direction): number {
  switch (direction) {
    case "both":
      return Math.abs(distance);
    case "up":
      return distance;
    case "down":
      return -distance;
  }
}

/** The sum of the side that is watched; the larger of two. */
export function sidedSum(up: number, down: number, direction: Direction): number {
  switch (direction) {
    case "both":
      return Math.max(up, down);
    case "up":
      return up;
    case "down":
      return down;
  }
}
