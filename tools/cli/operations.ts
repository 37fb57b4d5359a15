/**
 * Waiting for an operation of the hub: progress on stderr, the end as the command's end.
 *
 * Touches the network, stderr and SIGINT. Ctrl-C detaches: the operation goes on at the hub.
 *
 * @module
 */
import type { OperationView } from "@shared/api.ts";
import type { WaitFlags } from "./flags.ts";
import { CliError, EXIT_FAILED, EXIT_TIMED_OUT, type HubApi } from "./hub_api.ts";
import { note, print } from "./terminal.ts";

const POLL_SECONDS = 2;

/**
 * Waits for `operation` as the flags say.
 *
 * @returns The ended operation, or null with `--no-wait` and after Ctrl-C.
 * @throws {CliError} When it failed, or is still under way after the time limit (exit code 5).
 */
export async function follow(
  api: HubApi,
  operation: OperationView,
  flags: WaitFlags,
): Promise<OperationView | null> {
  if (!flags.wait) {
    print(operation.id);
    return null;
  }
  const detached = onInterrupt();
  const deadline = performance.now() + flags.timeout * 1000;
  let current = operation;
  let shown = "";
  try {
    while (current.status === "pending" || current.status === "running") {
      const { done, total, phase } = current.progress;
      const line = total > 0 ? `${phase} (${done}/${total})` : phase;
      if (line !== shown) note(`${current.kind}: ${line}`);
      shown = line;
      if (performance.now() > deadline) throw timedOut(current, flags);
      const next = await Promise.race([api.operation(current.id, POLL_SECONDS), detached.promise]);
      if (next === "interrupted") {
        note(`Detached. Operation ${current.id} goes on at the hub.`);
        return null;
      }
      current = next;
    }
  } finally {
    detached.dispose();
  }
  if (current.status === "failed") throw failed(current);
  return current;
}

function timedOut(operation: OperationView, flags: WaitFlags): CliError {
  return new CliError(
    `Operation ${operation.id} has not ended within ${flags.timeout} s. It goes on at the hub`,
    EXIT_TIMED_OUT,
  );
}

function failed(operation: OperationView): CliError {
  const error = operation.error;
  return new CliError(
    error?.detail ?? `Operation ${operation.id} failed without a reason`,
    error?.status === 409 ? 4 : EXIT_FAILED,
    error,
  );
}

function onInterrupt(): { promise: Promise<"interrupted">; dispose(): void } {
  const { promise, resolve } = Promise.withResolvers<"interrupted">();
  const listener = () => resolve("interrupted");
  Deno.addSignalListener("SIGINT", listener);
  return { promise, dispose: () => Deno.removeSignalListener("SIGINT", listener) };
}
