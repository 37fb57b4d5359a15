/** Where the lines of a job's sinks go. Touches files and stdout. @module */
import { UserError } from "@shared/errors.ts";
import type { BuiltJob } from "@shared/sdk/operator.ts";

/** Text held back before it is written, characters. */
const HELD_CHARACTERS_MAX = 256 * 1024;

export interface Output {
  write(line: string): void;
  /** Writes what is held back. */
  flush(): void;
  close(): void;
}

/** Opens the file at `path`, replacing it; stdout when there is none. @throws {UserError} `output-failed`. */
export function openOutput(path: string | undefined): Output {
  const file = path === undefined ? Deno.stdout : createFile(path);
  const encoder = new TextEncoder();
  let held = "";
  const flush = () => {
    const bytes = encoder.encode(held);
    held = "";
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  };
  return {
    write(line) {
      held += line + "\n";
      if (held.length > HELD_CHARACTERS_MAX) flush();
    },
    flush,
    close: () => path === undefined ? undefined : file.close(),
  };
}

/**
 * Hands lines of sinks to `output`: as they are when one sink writes, else with the name of the sink.
 *
 * @param only The sink wanted; all of them unless given.
 * @throws {UserError} `sink-unknown`.
 */
export function lineWriter(
  job: BuiltJob,
  only: string | undefined,
  output: Output,
): (sinkUid: string, line: string) => void {
  const uids = job.graph.operators.filter(({ kind }) => kind === "sink").map(({ uid }) => uid);
  if (only !== undefined && !uids.includes(only)) {
    throw new UserError("sink-unknown", `The job has no sink "${only}": it has ${uids.join(", ")}`);
  }
  if (uids.length === 1) return (_uid, line) => output.write(line);
  if (only !== undefined) return (uid, line) => uid === only ? output.write(line) : undefined;
  return (uid, line) => output.write(`{"sink":${JSON.stringify(uid)},"output":${asJson(line)}}`);
}

/** The line if it is JSON, else a text that holds it. */
function asJson(line: string): string {
  try {
    JSON.parse(line);
    return line;
  } catch {
    return JSON.stringify(line);
  }
}

function createFile(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { write: true, create: true, truncate: true });
  } catch (cause) {
    throw new UserError("output-failed", `Cannot write ${path}`, { cause });
  }
}
