/**
 * The exact command line of a runner process: what user code may and may not do.
 *
 * Pure. P8: no read, write, run, env, sys or ffi permission, no import of anything, net only to the
 * brokers the job names, and a heap limit.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { BrokerConfig } from "@shared/messages.ts";

const DEFAULT_PORT: Readonly<Record<string, number>> = { "mqtt:": 1883, "mqtts:": 8883 };

/**
 * A small young generation, and an old one that is collected before it has doubled: gateways are small. Marking
 * goes on beside the work, but not as a task of the event loop: such a task takes 20 to 40 ms in one go, and
 * a batch of records never more than a few.
 */
export const RUNNER_HEAP_FLAGS = [
  "--max-semi-space-size=1",
  "--heap-growing-percent=40",
  "--optimize-for-size",
  "--no-incremental-marking-task",
].join(",");

/**
 * Arguments for this program's own executable.
 *
 * @throws {UserError} `bad-broker-url` naming the broker.
 */
export function runnerArguments(options: {
  /** The bundled runner, one file. */
  readonly runnerBundle: string;
  readonly brokers: readonly BrokerConfig[];
  /** Limit of the old generation, MB. */
  readonly heapMb: number;
}): string[] {
  const hosts = [...new Set(options.brokers.map(hostAndPort))].sort();
  return [
    "run",
    "--quiet",
    "--no-prompt",
    "--no-config",
    "--no-lock",
    "--no-remote",
    "--no-npm",
    "--cached-only",
    "--no-code-cache",
    "--deny-import",
    "--deny-read",
    "--deny-write",
    "--deny-run",
    "--deny-sys",
    "--deny-ffi",
    // Reading a variable gives nothing instead of failing: libraries probe for debug switches.
    "--ignore-env",
    ...(hosts.length === 0 ? ["--deny-net"] : [`--allow-net=${hosts.join(",")}`]),
    `--v8-flags=--max-old-space-size=${
      Math.max(1, Math.floor(options.heapMb))
    },${RUNNER_HEAP_FLAGS}`,
    options.runnerBundle,
  ];
}

function hostAndPort(broker: BrokerConfig): string {
  const url = URL.canParse(broker.url) ? new URL(broker.url) : null;
  const port = url === null ? undefined : url.port || DEFAULT_PORT[url.protocol];
  // A comma would widen the permission to another host.
  if (url === null || port === undefined || url.hostname === "" || url.hostname.includes(",")) {
    throw new UserError(
      "bad-broker-url",
      `Broker "${broker.name}" has the address ${JSON.stringify(broker.url)}: ` +
        `want mqtt://host:port or mqtts://host:port`,
    );
  }
  return `${url.hostname}:${port}`;
}
