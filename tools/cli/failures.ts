/** What a person is told when a command fails, and the exit code. Pure. @module */
import { PenstockError } from "@shared/errors.ts";
import { CliError, EXIT_DETACHED, EXIT_FAILED, EXIT_USAGE } from "./hub_api.ts";
import { harmless } from "./terminal.ts";

export function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof CliError) return thrown.exitCode;
  if (thrown instanceof PenstockError && thrown.domain === "user") return EXIT_USAGE;
  return EXIT_FAILED;
}

/** The message; a stack only for what nobody foresaw. */
export function textOf(thrown: unknown): string {
  if (thrown instanceof CliError && thrown.exitCode === EXIT_DETACHED) return thrown.message;
  if (thrown instanceof CliError || thrown instanceof PenstockError) {
    return harmless(`Error: ${thrown.message}`);
  }
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
