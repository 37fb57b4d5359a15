/**
 * The newest lines of the agent's log, kept until the hub takes them.
 *
 * Pure. Bounded: of more than `LINES_MAX` lines the oldest are left out, and a line says how many. What is
 * written to the agent's own log is not changed.
 *
 * @module
 */
import type { LogLine } from "@shared/messages.ts";

export const LINES_MAX = 500;
const MESSAGE_CHARS_MAX = 4_096;
const LINE_CHARS_MAX = 16_384;

export class LogLines {
  #lines: string[] = [];
  #leftOut = 0;

  /** @param line One JSON object, as the logger writes it. */
  push(line: string): void {
    if (line.length > LINE_CHARS_MAX) return void this.#leftOut++;
    this.#lines.push(line);
    if (this.#lines.length <= LINES_MAX) return;
    this.#lines.shift();
    this.#leftOut++;
  }

  /** Lines since the last call, oldest first. */
  take(): LogLine[] {
    if (this.#lines.length === 0) return [];
    const lines = this.#lines.map(lineOf);
    if (this.#leftOut > 0) {
      const { atMs } = lines[0]!;
      const fields = { lines: this.#leftOut };
      lines.unshift({ atMs, level: "warn", message: "Left lines of the log out", fields });
    }
    this.#lines = [];
    this.#leftOut = 0;
    return lines;
  }
}

function lineOf(line: string): LogLine {
  const { at, level, message, ...fields } = JSON.parse(line);
  return {
    atMs: Date.parse(at),
    level,
    message: String(message).slice(0, MESSAGE_CHARS_MAX),
    fields,
  };
}
