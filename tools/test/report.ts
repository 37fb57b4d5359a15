/** Reads what `deno test` printed and puts the closing summary together. Pure. @module */

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const NONE: Counts = { passed: 0, failed: 0, skipped: 0 };

export function sum(a: Counts, b: Counts): Counts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  };
}

// deno-lint-ignore no-control-regex
const COLOUR = /\x1b\[[0-9;]*m/g;
const CLOSING = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed(?: \([^)]*\))?/m;
const IGNORED = /^(?:ok|FAILED) \|.*\| (\d+) ignored/m;

/**
 * Counts of one `deno test`.
 *
 * @param output All it printed.
 * @param exitCode A run that ended badly has at least one failure, whatever it printed.
 */
export function countsOf(output: string, exitCode: number): Counts {
  const plain = output.replace(COLOUR, "");
  const closing = CLOSING.exec(plain);
  const passed = Number(closing?.[1] ?? 0);
  const failed = Number(closing?.[2] ?? 0);
  const skipped = Number(IGNORED.exec(plain)?.[1] ?? 0);
  const isBad = exitCode !== 0 || closing === null;
  return { passed, failed: isBad ? Math.max(1, failed) : failed, skipped };
}

/** Distinct lines that tell of a missing service, in the order they came. */
export function missingServices(output: string, mark: string): string[] {
  const lines = output.replace(COLOUR, "").split("\n").filter((line) => line.startsWith(mark));
  return [...new Set(lines)];
}

/** The last line of a run: `12 passed, 0 failed`, and `, 3 skipped` when there are any. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}
