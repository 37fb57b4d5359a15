/** Logging as a port: one JSON object a line, constant message in the past tense, values in fields. @module */

export type LogFields = Readonly<Record<string, unknown>>;

/** `error` means that a person must act. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  with(fields: LogFields): Logger;
}
