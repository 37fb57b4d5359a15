/** Lines for the person at the terminal, and what kind of terminal it is. Touches stdout, stderr and stdin. @module */

const encoder = new TextEncoder();

export function print(line: string): void {
  writeAll(Deno.stdout, line + "\n");
}

/** Progress and hints: stderr, so that stdout stays what was asked for. */
export function note(line: string): void {
  writeAll(Deno.stderr, line + "\n");
}

/** To stderr, without an end of line: a bar that is drawn over. */
export function draw(text: string): void {
  writeAll(Deno.stderr, text);
}

/** 128 + SIGPIPE, as shells say it. */
const EXIT_PIPE_CLOSED = 141;

/** A pipe takes a part of what is written at a time; one that nobody reads any more ends the command. */
function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = encoder.encode(text);
  let offset = 0;
  try {
    while (offset < bytes.length) offset += stream.writeSync(bytes.subarray(offset));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(EXIT_PIPE_CLOSED);
    throw error;
  }
}

/** Whether a person sees stdout: tables are then cut to its width and may have colour. */
export function isOutputTerminal(): boolean {
  return Deno.stdout.isTerminal();
}

/** Whether a person sees stderr: progress is then drawn as a bar. */
export function isProgressTerminal(): boolean {
  return Deno.stderr.isTerminal();
}

/** Whether a person can be asked. */
export function isInputTerminal(): boolean {
  return Deno.stdin.isTerminal() && Deno.stderr.isTerminal();
}

/** Columns of the terminal; null when stdout is none. */
export function terminalWidth(): number | null {
  if (!isOutputTerminal()) return null;
  try {
    const { columns } = Deno.consoleSize();
    return columns > 0 ? columns : null;
  } catch {
    return null;
  }
}

/**
 * Text that came from elsewhere, without what a terminal would obey: an alarm's text, say, is written by
 * whoever may publish telemetry. Lines and tabs stay. Pure.
 */
export function harmless(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd");
}

export type Paint = "red" | "yellow" | "green" | "dim" | "bold";

const CODES: Readonly<Record<Paint, readonly [on: number, off: number]>> = {
  red: [31, 39],
  yellow: [33, 39],
  green: [32, 39],
  dim: [2, 22],
  bold: [1, 22],
};

/** `text` in a colour, on a terminal whose owner has not said NO_COLOR. */
export function painted(text: string, paint: Paint): string {
  if (!isOutputTerminal() || (Deno.env.get("NO_COLOR") ?? "") !== "") return text;
  const [on, off] = CODES[paint];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

/** Asks for yes or no on stderr. @returns True for `y` and `yes` alone. */
export function askYes(question: string): boolean {
  draw(`${question} [y/N] `);
  const buffer = new Uint8Array(256);
  const count = Deno.stdin.readSync(buffer) ?? 0;
  const answer = new TextDecoder().decode(buffer.subarray(0, count)).trim().toLowerCase();
  return answer === "y" || answer === "yes";
}
