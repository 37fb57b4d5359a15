/**
 * Gets the graph of a job from its bundle, without letting the bundle at the hub.
 *
 * Starts a child process with no permissions per bundle, bounds its time, memory and output, and checks
 * what it answers. One bundle at a time: a hub under many deployments stays a hub.
 *
 * Invariants:
 *   1. The hub's process evaluates nothing of the bundle (P8).
 *   2. The child is dead when the call ends, however it ends.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import * as z from "zod/mini";
import type { ChildExit, ChildProcess, SpawnChild } from "@shared/child_process.ts";
import type { Clock } from "@shared/clock.ts";
import { PenstockError, UserError } from "@shared/errors.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import { decodeJobGraph } from "./job_graph_schema.ts";

/** Longest bundle accepted, bytes. */
export const BUNDLE_BYTES_MAX = 8 * 1024 * 1024;
const EXTRACTION_TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const STDERR_BYTES_MAX = 8 * 1024;
const HEAP_MB = 128;
/** Resident memory of the child beyond which it is killed: buffers live outside the heap. */
const RESIDENT_KB_MAX = 512 * 1024;
const MEMORY_CHECK_INTERVAL_MS = 20;
/** Deployments that may wait for the one in hand. */
const WAITING_MAX = 16;

/**
 * @param bundle CommonJS text whose `module.exports.default` is a job.
 * @param params Params of the deployment.
 * @throws {UserError} If the bundle cannot be evaluated, misuses the SDK, reaches for what it may not
 *   have, or answers something that is no graph. `at` is null: a bundle has no author's lines.
 * @throws {PenstockError} `extractor-busy`, retryable.
 */
export type ExtractGraph = (
  bundle: string,
  params: Readonly<Record<string, string>>,
) => Promise<JobGraph>;

export interface GraphExtractorOptions {
  readonly spawn: SpawnChild;
  readonly clock: Clock;
  /** Wall-clock limit of one bundle, ms; default 10,000. */
  readonly timeoutMs?: number;
}

/** Makes the function that the hub's routes call; see `ExtractGraph`. */
export function createGraphExtractor(options: GraphExtractorOptions): ExtractGraph {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return async (bundle, params) => {
    const bytes = new TextEncoder().encode(JSON.stringify({ bundle, params }));
    if (bytes.length > BUNDLE_BYTES_MAX) {
      throw new UserError(
        "bundle-too-large",
        `The bundle has ${bytes.length} bytes: the limit is ${BUNDLE_BYTES_MAX}`,
      );
    }
    if (waiting >= WAITING_MAX) {
      throw new PenstockError(`${waiting} bundles wait to be looked at: try again`, {
        code: "extractor-busy",
        domain: "internal",
        isRetryable: true,
      });
    }
    waiting++;
    const mine = last.then(() => extract(bytes, options));
    last = mine.catch(() => {}).finally(() => waiting--);
    return await mine;
  };
}

type Ended = "by-itself" | "too-slow" | "too-much-memory" | "too-much-output";

async function extract(question: Uint8Array, options: GraphExtractorOptions): Promise<JobGraph> {
  const { spawn, clock, timeoutMs = EXTRACTION_TIMEOUT_MS } = options;
  const child = spawn(childArgs());
  let ended: Ended = "by-itself";
  const end = (why: Ended) => {
    if (ended === "by-itself") ended = why;
    child.kill();
  };
  const cancelTimeout = clock.after(timeoutMs, () => end("too-slow"));
  const stopWatching = watchMemory(child, clock, () => end("too-much-memory"));
  try {
    const [stdout, stderr, exit] = await Promise.all([
      readBounded(child.stdout, ANSWER_BYTES_MAX, () => end("too-much-output")),
      readBounded(child.stderr, STDERR_BYTES_MAX, () => {}),
      child.exited,
      send(child.stdin, question),
    ]);
    return graphOf({ ended, exit, stdout, stderr, timeoutMs });
  } finally {
    cancelTimeout();
    stopWatching();
    child.kill();
  }
}

function childArgs(): string[] {
  return [
    "run",
    "--quiet",
    "--no-prompt",
    "--no-config",
    "--no-lock",
    "--no-remote",
    "--no-npm",
    "--deny-import",
    "--no-code-cache",
    `--v8-flags=--max-old-space-size=${HEAP_MB}`,
    fileURLToPath(new URL("./main.ts", import.meta.url)),
  ];
}

async function send(stdin: WritableStream<Uint8Array>, bytes: Uint8Array): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(bytes);
    await writer.close();
  } catch {
    // The child ended before it had read everything; its exit says why.
  }
}

/** Text of `stream`, of which at most `bytesMax` are kept; the rest is read and dropped. */
async function readBounded(
  stream: ReadableStream<Uint8Array>,
  bytesMax: number,
  onTooMuch: () => void,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let byteCount = 0;
  for await (const chunk of stream) {
    const room = bytesMax - byteCount;
    byteCount += chunk.length;
    if (room > 0) text += decoder.decode(chunk.subarray(0, room), { stream: true });
    if (byteCount > bytesMax) onTooMuch();
  }
  return text;
}

/** Calls `onTooMuch` when the child's resident memory is over the limit; where the system does not tell, the heap limit alone holds. */
function watchMemory(child: ChildProcess, clock: Clock, onTooMuch: () => void): () => void {
  let isStopped = false;
  let cancel = () => {};
  const check = async () => {
    const residentKb = await residentKbOf(child.pid);
    if (isStopped || residentKb === null) return;
    if (residentKb > RESIDENT_KB_MAX) return onTooMuch();
    cancel = clock.after(MEMORY_CHECK_INTERVAL_MS, check);
  };
  cancel = clock.after(MEMORY_CHECK_INTERVAL_MS, check);
  return () => {
    isStopped = true;
    cancel();
  };
}

async function residentKbOf(pid: number): Promise<number | null> {
  try {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    const found = /^VmRSS:\s+(\d+) kB$/m.exec(status);
    return found === null ? null : Number(found[1]);
  } catch {
    return null;
  }
}

const answerSchema = z.union([
  z.object({ graph: z.unknown() }),
  z.object({
    error: z.object({
      code: z.string().check(z.regex(/^[a-z0-9-]{1,64}$/)),
      message: z.string(),
    }),
  }),
]);
const MESSAGE_LENGTH_MAX = 2_000;

function graphOf(
  outcome: { ended: Ended; exit: ChildExit; stdout: string; stderr: string; timeoutMs: number },
): JobGraph {
  const { ended, exit, stdout, stderr } = outcome;
  switch (ended) {
    case "too-slow":
      throw new UserError(
        "bundle-too-slow",
        `The bundle did not build its job within ${outcome.timeoutMs} ms: look for a loop without end`,
      );
    case "too-much-memory":
      throw new UserError(
        "bundle-too-much-memory",
        `The bundle took more than ${RESIDENT_KB_MAX / 1024} MB to build its job`,
      );
    case "too-much-output":
      throw new UserError(
        "bundle-too-much-output",
        `The bundle answered more than ${ANSWER_BYTES_MAX} bytes`,
      );
    case "by-itself":
      return graphOfAnswer(stdout, exit, stderr);
  }
}

function graphOfAnswer(stdout: string, exit: ChildExit, stderr: string): JobGraph {
  if (exit.code !== 0 && /out of memory|heap limit/i.test(stderr)) {
    throw new UserError(
      "bundle-too-much-memory",
      `The bundle took more than ${HEAP_MB} MB of heap to build its job`,
    );
  }
  const parsed = z.safeParse(answerSchema, jsonOf(stdout));
  if (exit.code !== 0 || !parsed.success) {
    const said = shown(stderr).trim();
    throw new UserError(
      "bundle-no-answer",
      `The bundle ended with exit code ${exit.code} and no job${said === "" ? "" : `: ${said}`}`,
    );
  }
  if ("error" in parsed.data) {
    const { code, message } = parsed.data.error;
    throw new UserError(code, shown(message));
  }
  return decodeJobGraph(parsed.data.graph);
}

/** What the bundle said, without colours and of a bounded length. */
function shown(text: string): string {
  return stripVTControlCharacters(text).slice(0, MESSAGE_LENGTH_MAX);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
