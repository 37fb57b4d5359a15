/** Writes one JSON object a line to standard error. @module */
import type { LogFields, Logger } from "@shared/logger.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/**
 * A logger that writes lines of `level` and above; each line has `at`, `level`, `message` and the fields. A
 * field of one of these names is left out.
 */
export function createLogger(
  level: LogLevel,
  write: (line: string) => void = writeLog,
): Logger {
  return loggerWith({}, LOG_LEVELS.indexOf(level), write);
}

function loggerWith(common: LogFields, lowest: number, write: (line: string) => void): Logger {
  const log = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (LOG_LEVELS.indexOf(level) < lowest) return;
    const own = { at: new Date().toISOString(), level, message };
    write(JSON.stringify({ ...own, ...common, ...fields, ...own }, plainly) + "\n");
  };
  return {
    debug: log("debug"),
    info: log("info"),
    warn: log("warn"),
    error: log("error"),
    with: (fields) => loggerWith({ ...common, ...fields }, lowest, write),
  };
}

/** Errors keep their message, code and cause; big integers become text. */
function plainly(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (!(value instanceof Error)) return value;
  const { name, message, cause } = value;
  const code = (value as { code?: unknown }).code;
  return {
    name,
    message,
    ...(code === undefined ? {} : { code }),
    ...(cause === undefined ? {} : { cause }),
    ...(name.includes("Assertion") || value instanceof TypeError ? { stack: value.stack } : {}),
  };
}

const encoder = new TextEncoder();

/** Writes to standard error. */
export function writeLog(line: string): void {
  Deno.stderr.writeSync(encoder.encode(line));
}
