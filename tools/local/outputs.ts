/** Where the lines of a job's sinks go. Touches files and stdout. @module */
import { UserError } from "@shared/errors.ts";
import type { BuiltJob } from "@shared/sdk/operator.ts";

/** Text held back before it is written, characters. */
const HELD_CHARACTERS_MAX = 256 * 1024;

interface Output {
  write(line: string): void;
  /** Writes what is held back. */
  flush(): void;
  close(): void;
}

/** Opens the file at `path`, replacing it; stdout when there is none. @throws {UserError} `output-failed`. */
function openOutput(path: string | undefined): Output {
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

/** Takes the lines of all sinks of a job. */
export interface Outputs extends Omit<Output, "write"> {
  readonly line: (sinkUid: string, line: string) => void;
}

/**
 * Opens where the sinks of `job` write: `path` for all of them; without it a file sink writes its own file, and
 * the others stdout. What several sinks share gets lines with the name of the sink.
 *
 * @param options `only`: the sink wanted; all of them unless given.
 * @throws {UserError} `sink-unknown`, `output-failed`.
 */
export function openOutputs(
  job: BuiltJob,
  { path, only }: { path?: string | undefined; only?: string | undefined },
): Outputs {
  const sinks = job.graph.operators.filter(({ kind }) => kind === "sink");
  const uids = sinks.map(({ uid }) => uid);
  if (only !== undefined && !uids.includes(only)) {
    throw new UserError("sink-unknown", `The job has no sink "${only}": it has ${uids.join(", ")}`);
  }
  const wanted = sinks.filter(({ uid }) => only === undefined || uid === only);
  const own = wanted.filter(({ sink }) => path === undefined && sink?.connector === "file");
  const outputs = new Map(
    own.map(({ uid, sink }) => [uid, openOutput(sink?.connector === "file" ? sink.path : path)]),
  );
  const sharing = wanted.filter((node) => !own.includes(node));
  const shared = openOutput(path);
  for (const { uid } of sharing) {
    const name = `{"sink":${JSON.stringify(uid)},"output":`;
    const named: Output = { ...shared, write: (line) => shared.write(`${name}${asJson(line)}}`) };
    outputs.set(uid, sharing.length === 1 ? shared : named);
  }
  const opened = [shared, ...own.map(({ uid }) => outputs.get(uid)!)];
  return {
    line: wanted.length === 1 && uids.length === 1
      ? onlyOutput(outputs)
      : (uid, line) => outputs.get(uid)?.write(line),
    flush: () => opened.forEach((output) => output.flush()),
    close: () => opened.forEach((output) => output.close()),
  };
}

function onlyOutput(outputs: ReadonlyMap<string, Output>): Outputs["line"] {
  const [[, output] = []] = [...outputs];
  return (_uid, line) => output!.write(line);
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
