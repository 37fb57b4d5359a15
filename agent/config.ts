/** The command line of an agent as a value. Pure. @module */
import { UserError } from "@shared/errors.ts";
import { NAME_PATTERN } from "@shared/ids.ts";
import { parseRate } from "./checkpoint/upload_budget.ts";

export interface AgentConfig {
  /** Base address of the hub, http or https, without a trailing slash. */
  readonly hubUrl: string;
  /** Where the one-off join token lies; read only while the agent is not enrolled. */
  readonly joinTokenFile: string | null;
  /** Enrols anew although the data directory holds a credential, which is replaced. */
  readonly isForced: boolean;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Without a trailing slash. */
  readonly dataDir: string;
  /** The bundled runner; null: the one beside the agent, or made from source. */
  readonly runnerBundle: string | null;
  /** Most bytes per second that all uploads together may take; null: no limit. */
  readonly uploadLimit: number | null;
  /** Tests only: `name:nth`, the point at which to stop dead. */
  readonly failPoint: string | null;
}

export const DEFAULT_DATA_DIR = "./penstock-data/agent";

export const AGENT_USAGE = `penstock agent start --hub URL [flags]

  --hub URL               Address of the hub, such as https://hub.example.org
  --join-token-file F     File with the one-off join token; needed until the agent is enrolled
  --force                 Enrol anew although this machine is enrolled; needs a new join token
  --name N                Name of the agent; default: name of this machine
  --label k=v             A label, for placing splits near their equipment; may be repeated
  --data-dir DIR          Where credential and local pieces are kept; default: ${DEFAULT_DATA_DIR}
  --runner-bundle F       The bundled runner program; default: made by itself
  --upload-limit RATE     Most that uploads of snapshots take of the line: 256kbit, 10mbit, 64kB, 1MB
`;

const FLAGS = [
  "--hub",
  "--join-token-file",
  "--name",
  "--label",
  "--data-dir",
  "--runner-bundle",
  "--upload-limit",
] as const;
const FORCE = "--force";

/**
 * Reads `args`, each flag as `--flag value` or `--flag=value`.
 *
 * @param surroundings What the machine and the environment say: its name, and `FP` for tests.
 * @throws {UserError} `bad-flag` naming the flag and what it wants.
 */
export function parseAgentConfig(
  args: readonly string[],
  surroundings: { machineName: string; failPoint: string | null },
): AgentConfig {
  const values = flagValues(args.filter((arg) => arg !== FORCE));
  const last = (flag: string) => values.get(flag)?.at(-1) ?? null;
  const name = last("--name") ?? nameOfMachine(surroundings.machineName);
  if (!NAME_PATTERN.test(name)) {
    throw bad(`--name "${name}"`, "lower-case letters, digits and dashes, at most 64");
  }
  return {
    hubUrl: hubUrlOf(last("--hub")),
    joinTokenFile: last("--join-token-file"),
    isForced: args.includes(FORCE),
    name,
    labels: Object.fromEntries((values.get("--label") ?? []).map(labelOf)),
    dataDir: (last("--data-dir") ?? DEFAULT_DATA_DIR).replace(/(?<=.)\/+$/, ""),
    runnerBundle: last("--runner-bundle"),
    uploadLimit: rateOf(last("--upload-limit")),
    failPoint: surroundings.failPoint,
  };
}

function flagValues(args: readonly string[]): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    const equals = arg.indexOf("=");
    const flag = equals < 0 ? arg : arg.slice(0, equals);
    if (!FLAGS.some((known) => known === flag)) {
      throw bad(`"${arg}"`, `one of ${[...FLAGS, FORCE].join(", ")}`);
    }
    const value = equals < 0 ? args[++index] : arg.slice(equals + 1);
    if (value === undefined || value === "") throw bad(flag, "a value");
    values.set(flag, [...values.get(flag) ?? [], value]);
  }
  return values;
}

function hubUrlOf(text: string | null): string {
  if (text === null) throw bad("--hub", "the address of the hub");
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    throw bad(`--hub "${text}"`, "an address such as https://hub.example.org");
  }
  return text.replace(/\/+$/, "");
}

function rateOf(text: string | null): number | null {
  return text === null ? null : parseRate(text);
}

function labelOf(text: string): [string, string] {
  const equals = text.indexOf("=");
  if (equals < 1 || equals === text.length - 1) throw bad(`--label "${text}"`, "key=value");
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/** A machine's name made fit for an agent's. */
function nameOfMachine(machineName: string): string {
  const plain = machineName.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").slice(0, 64);
  return plain.replaceAll(/^-+|-+$/g, "") || "agent";
}

function bad(found: string, wanted: string): UserError {
  return new UserError("bad-flag", `Cannot start the agent: ${found}: want ${wanted}`);
}
