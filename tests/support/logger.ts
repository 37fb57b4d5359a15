/** Loggers for tests: one that says nothing, one that remembers. */
import type { LogFields, Logger } from "@shared/logger.ts";

export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLogger,
};

export interface LoggedLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger and the lines it was given, oldest first. */
export function recordingLogger(): { logger: Logger; lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const loggerWith = (common: LogFields): Logger => {
    const log = (level: LoggedLine["level"]) => (message: string, fields: LogFields = {}) => {
      lines.push({ level, message, fields: { ...common, ...fields } });
    };
    return {
      debug: log("debug"),
      info: log("info"),
      warn: log("warn"),
      error: log("error"),
      with: (fields) => loggerWith({ ...common, ...fields }),
    };
  };
  return { logger: loggerWith({}), lines };
}
