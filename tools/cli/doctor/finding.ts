/** What a check found, and what to do about it. Pure. @module */

export type Verdict = "ok" | "warn" | "fail";

export interface Finding {
  /** `clock`, `data directory: space`. */
  readonly check: string;
  readonly verdict: Verdict;
  readonly found: string;
  /** What to do; null when all is well. */
  readonly fix: string | null;
}

export const ok = (check: string, found: string): Finding => ({
  check,
  verdict: "ok",
  found,
  fix: null,
});

export const warn = (check: string, found: string, fix: string): Finding => ({
  check,
  verdict: "warn",
  found,
  fix,
});

export const fail = (check: string, found: string, fix: string): Finding => ({
  check,
  verdict: "fail",
  found,
  fix,
});

/** The finding, or a failed one with what was thrown. */
export async function attempted(
  check: string,
  fix: string,
  run: () => Promise<Finding>,
): Promise<Finding> {
  try {
    return await run();
  } catch (thrown) {
    return fail(check, thrown instanceof Error ? thrown.message : String(thrown), fix);
  }
}

/** `value` as ok below `warnFrom`, as a warning below `failFrom`, else as a failure. Pure. */
export function graded(
  check: string,
  value: number,
  options: {
    readonly warnFrom: number;
    readonly failFrom: number;
    readonly found: string;
    readonly fix: string;
  },
): Finding {
  const { warnFrom, failFrom, found, fix } = options;
  if (value < warnFrom) return ok(check, found);
  return value < failFrom ? warn(check, found, fix) : fail(check, found, fix);
}
