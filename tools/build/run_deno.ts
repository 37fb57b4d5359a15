/**
 * Runs this program's own `deno` to its end, for bundling and validating. Touches the process table.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

/** Root of the project, without a trailing slash. */
export const PROJECT_ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

export interface DenoOutcome {
  readonly isOk: boolean;
  readonly stdout: string;
  /** Without colours. */
  readonly stderr: string;
}

/**
 * @param stdin Text for the child; it has an empty stdin unless given.
 * @param options `timeoutMs`: the child is killed after it and the outcome is not ok.
 */
export async function runDeno(
  args: readonly string[],
  stdin: string | null,
  options: { timeoutMs: number },
): Promise<DenoOutcome> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: PROJECT_ROOT,
    stdin: stdin === null ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    signal,
  }).spawn();
  if (stdin !== null) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(stdin));
    await writer.close();
  }
  const { success, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => stripVTControlCharacters(new TextDecoder().decode(bytes));
  const late = signal.aborted ? `\nIt did not end within ${options.timeoutMs} ms.` : "";
  return { isOk: success, stdout: text(stdout), stderr: text(stderr) + late };
}
