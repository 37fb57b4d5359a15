/**
 * Waiting for an operation of the hub: progress on stderr, the end as the command's end.
 *
 * Touches the network, stderr and SIGINT. Ctrl-C detaches: the operation goes on at the hub, and the exit
 * code is 130. A hub that is away or starts anew goes on with the operation, and so does the wait.
 *
 * @module
 */
import type { OperationView } from "@shared/api.ts";
import { type Call, type WaitFlags, waitSeconds } from "./flags.ts";
import {
  CliError,
  EXIT_CONFLICT,
  EXIT_DETACHED,
  EXIT_FAILED,
  EXIT_TIMED_OUT,
  type HubApi,
  HubAway,
} from "./hub_api.ts";
import { openProgress } from "./progress.ts";
import { print } from "./terminal.ts";

const POLL_SECONDS = 2;
/** From one try to reach a hub that is away to the next. */
const RETRY_MS = 500;

/** The person left; not an error, and the operation goes on. */
export class Detached extends CliError {
  override name = "Detached";

  constructor(message: string) {
    super(message, EXIT_DETACHED);
  }
}

/**
 * Waits for `operation` as the flags say.
 *
 * @returns The ended operation, or null with `--no-wait`.
 * @throws {CliError} When it failed, or is still under way after the time limit (exit code 5).
 * @throws {Detached} After Ctrl-C.
 */
export async function follow(
  { api, out }: Call,
  operation: OperationView,
  flags: WaitFlags,
): Promise<OperationView | null> {
  if (!flags.wait) {
    print(out.isForPeople ? operation.id : JSON.stringify(operation, null, 2));
    return null;
  }
  const interrupt = onInterrupt();
  const limitSeconds = waitSeconds(flags);
  const deadline = performance.now() + limitSeconds * 1000;
  const progress = openProgress(operation.kind, { isQuiet: out.isQuiet });
  let current = operation;
  let isAway = false;
  try {
    while (current.status === "pending" || current.status === "running") {
      progress.show(current.progress);
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw timedOut(current, limitSeconds);
      const seconds = Math.min(POLL_SECONDS, Math.max(1, Math.ceil(leftMs / 1000)));
      const next = await Promise.race([
        stateOf(api, current.id, seconds),
        interrupt.promise,
        pause(leftMs),
      ]);
      if (next === "interrupted") throw detached(current.id);
      if (next === "away") {
        if (!isAway) out.note(`The hub is away: operation ${current.id} goes on when it is back`);
        isAway = true;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      } else if (next !== "late") {
        isAway = false;
        current = next;
      }
    }
  } finally {
    progress.close();
    interrupt.dispose();
  }
  if (current.status === "succeeded") return current;
  throw failed(current);
}

async function stateOf(
  api: Pick<HubApi, "operation">,
  id: string,
  seconds: number,
): Promise<OperationView | "away"> {
  try {
    return await api.operation(id, seconds);
  } catch (thrown) {
    const isStarting = thrown instanceof CliError && thrown.problem?.status === 503;
    if (thrown instanceof HubAway || isStarting) return "away";
    throw thrown;
  }
}

function detached(id: string): Detached {
  return new Detached(
    `Detached: operation ${id} goes on at the hub. Watch it with\n  penstock operations wait ${id}`,
  );
}

function timedOut(operation: OperationView, limitSeconds: number): CliError {
  return new CliError(
    `Operation ${operation.id} has not ended within ${limitSeconds} s. It goes on at the hub: watch it with\n` +
      `  penstock operations wait ${operation.id}`,
    EXIT_TIMED_OUT,
  );
}

function failed(operation: OperationView): CliError {
  const error = operation.error;
  return new CliError(
    error?.detail ?? `Operation ${operation.id} ended as ${operation.status}, without a reason`,
    error?.status === 409 ? EXIT_CONFLICT : EXIT_FAILED,
    error,
  );
}

function pause(ms: number): Promise<"late"> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve("late"), ms);
    Deno.unrefTimer(timer);
  });
}

export interface Interrupt {
  readonly promise: Promise<"interrupted">;
  dispose(): void;
}

/** Ctrl-C as a value, until disposed of. */
export function onInterrupt(): Interrupt {
  const { promise, resolve } = Promise.withResolvers<"interrupted">();
  const listener = () => resolve("interrupted");
  Deno.addSignalListener("SIGINT", listener);
  return { promise, dispose: () => Deno.removeSignalListener("SIGINT", listener) };
}
