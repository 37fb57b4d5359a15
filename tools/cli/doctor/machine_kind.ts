/** Whether this is the machine of a hub, of an agent, or another. Touches files. @module */
import { DEFAULT_DATA_DIR } from "../../../agent/config.ts";
import { CliError, EXIT_USAGE } from "../hub_api.ts";

const HUB_DATA_DIR = "./penstock-data";
/** Where the installer puts an agent's data. */
const INSTALLED_DATA_DIR = "/var/lib/penstock-agent/data";

export interface AgentCredential {
  readonly hubUrl: string;
  readonly name: string;
  readonly credential: string;
}

export type MachineKind =
  | {
    readonly kind: "hub";
    readonly directory: string;
    readonly adminToken: string | null;
    readonly secrets: readonly string[];
    readonly text: string;
  }
  | {
    readonly kind: "agent";
    readonly directory: string;
    /** Null: not enrolled. */
    readonly credential: AgentCredential | null;
    readonly secrets: readonly string[];
    readonly text: string;
  }
  | { readonly kind: "other"; readonly text: string };

/** By what is named, else by what lies in the usual places. @throws {CliError} When both are named. */
export async function machineKind(
  flags: { readonly dataDir?: string; readonly agentDir?: string },
): Promise<MachineKind> {
  if (flags.dataDir !== undefined && flags.agentDir !== undefined) {
    throw new CliError("Give --data-dir (a hub) or --agent-dir (an agent), not both", EXIT_USAGE);
  }
  if (flags.agentDir !== undefined) return await agentMachine(flags.agentDir);
  if (flags.dataDir !== undefined) return await hubMachine(flags.dataDir);
  for (const directory of [DEFAULT_DATA_DIR, INSTALLED_DATA_DIR]) {
    if (await read(`${directory}/credential.json`) !== null) return await agentMachine(directory);
  }
  if (await read(`${HUB_DATA_DIR}/admin-token`) !== null) return await hubMachine(HUB_DATA_DIR);
  return {
    kind: "other",
    text: "Neither a hub nor an agent was found here: checking the way to the hub. " +
      "Name a directory with --data-dir (hub) or --agent-dir (agent)",
  };
}

async function agentMachine(directory: string): Promise<MachineKind> {
  const text = await read(`${directory}/credential.json`);
  const credential = text === null ? null : credentialOf(text);
  return {
    kind: "agent",
    directory,
    credential,
    secrets: ["credential.json"],
    text: credential === null
      ? `Agent in ${directory}, not enrolled`
      : `Agent "${credential.name}" of ${credential.hubUrl}, in ${directory}`,
  };
}

async function hubMachine(directory: string): Promise<MachineKind> {
  const token = (await read(`${directory}/admin-token`))?.trim() ?? "";
  return {
    kind: "hub",
    directory,
    adminToken: token === "" ? null : token,
    secrets: ["admin-token"],
    text: `Hub in ${directory}`,
  };
}

function credentialOf(text: string): AgentCredential | null {
  try {
    const { hubUrl, name, credential } = JSON.parse(text) as Partial<AgentCredential>;
    const isWhole = [hubUrl, name, credential].every((field) => typeof field === "string");
    return isWhole ? { hubUrl: hubUrl!, name: name!, credential: credential! } : null;
  } catch {
    return null;
  }
}

async function read(path: string): Promise<string | null> {
  return await Deno.readTextFile(path).catch(() => null);
}
