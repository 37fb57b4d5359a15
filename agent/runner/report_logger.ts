/** A logger whose lines go to the agent as reports: standard output belongs to the frames. @module */
import type { LogFields, Logger } from "@shared/logger.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type WriteLog = (level: LogLevel, message: string, fields: LogFields) => void;

/** A logger that adds `common` to every line. */
export function createReportLogger(write: WriteLog, common: LogFields = {}): Logger {
  const log = (level: LogLevel) => (message: string, fields?: LogFields) =>
    write(level, message, { ...common, ...fields });
  return {
    debug: log("debug"),
    info: log("info"),
    warn: log("warn"),
    error: log("error"),
    with: (fields) => createReportLogger(write, { ...common, ...fields }),
  };
}
