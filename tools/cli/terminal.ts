/** Lines for the person at the terminal. Touches stdout and stderr. @module */

export function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}

/** Progress and hints: stderr, so that stdout stays what was asked for. */
export function note(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(line + "\n"));
}
