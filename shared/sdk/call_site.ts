/**
 * Finds the line of the author's file from which a function of the SDK was called.
 *
 * Pure. It reads V8's stack text; where there is no file (a bundle evaluated from text) the answer is null.
 *
 * @module
 */

/**
 * Place of the call to `callee` that is now running.
 *
 * @param callee The SDK's function itself; it and everything it called are left out.
 * @returns `path:line`, or null when the caller has no file of its own.
 */
// deno-lint-ignore ban-types -- V8's own signature takes any function
export function callSiteOf(callee: Function): string | null {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, callee);
  return placeOfFrame(holder.stack?.split("\n").find((line) => /^\s*at /.test(line)) ?? "");
}

/** `path:line` of one line of a V8 stack; null for frames of evaluated or piped text and of the engine. */
export function placeOfFrame(frame: string): string | null {
  const found = /(?:^|[\s(])file:\/\/([^()]+):(\d+):\d+\)?$/.exec(frame);
  if (found === null || found[1]!.includes("/$deno$")) return null;
  return `${decoded(found[1]!)}:${found[2]}`;
}

/** A path out of a stack: percent-encoded or not, as the engine likes. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
