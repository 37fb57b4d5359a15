/**
 * Names for the completion of a shell: quick, or none at all.
 *
 * Touches the configuration and the network, for two seconds at most. Says nothing when anything is not as it
 * should be: a person in the middle of a line is not told about it there.
 *
 * @module
 */
import { configPath, effectiveConfig, readConfigFile } from "./config.ts";
import { HubApi } from "./hub_api.ts";
import { print } from "./terminal.ts";

const TIMEOUT_MS = 2_000;

export type NameKind =
  | "jobs"
  | "agents"
  | "savepoints"
  | "operations"
  | "alarms"
  | "channels"
  | "tokens"
  | "contexts"
  | "file"
  | "none";

/** What the placeholder of an argument or a flag stands for. */
export function kindOf(placeholder: string): NameKind {
  switch (placeholder.replace(/[12]$/, "")) {
    case "JOB":
      return "jobs";
    case "AGENT":
    case "SELECTOR":
      return "agents";
    case "SAVEPOINT":
      return "savepoints";
    case "OPERATION":
      return "operations";
    case "ALARM":
      return "alarms";
    case "CHANNEL":
      return "channels";
    case "TOKEN_ID":
      return "tokens";
    case "CONTEXT":
      return "contexts";
    case "FILE":
    case "FILE.ts":
    case "FILE.zip":
    case "DIR":
      return "file";
    default:
      return "none";
  }
}

type Named = Readonly<Record<string, unknown>>;

const LISTS: Readonly<Record<string, readonly [path: string, fields: readonly string[]]>> = {
  jobs: ["/jobs?limit=200", ["name"]],
  agents: ["/agents?limit=200", ["name"]],
  savepoints: ["/savepoints?limit=100", ["id"]],
  operations: ["/operations?limit=20", ["id"]],
  alarms: ["/alarms?limit=100&state=attention", ["id"]],
  channels: ["/notifications/channels", ["name"]],
  tokens: ["/tokens?limit=100", ["id"]],
};

/** Prints the names of a kind, one a line; `words` is the command line so far. */
export async function printNames(kind: string, words: readonly string[]): Promise<void> {
  try {
    for (const name of await namesOf(kind, words)) print(name);
  } catch {
    // A shell that completes shows no errors.
  }
}

async function namesOf(kind: string, words: readonly string[]): Promise<readonly string[]> {
  const env = Deno.env.toObject();
  if (kind === "contexts") {
    return Object.keys(readConfigFile(configPath(env).value).contexts).sort();
  }
  const list = LISTS[kind];
  if (list === undefined) return [];
  const { hub, token } = effectiveConfig(flagsIn(words), env);
  if (token.value === null) return [];
  const api = new HubApi({ hubUrl: hub.value, token: token.value, timeoutMs: TIMEOUT_MS });
  const [path, fields] = list;
  const { items } = await api.get<{ items: readonly Named[] }>(path);
  const names = items.flatMap((item) => fields.map((field) => item[field]));
  return [...new Set(names.filter((name) => typeof name === "string"))].sort();
}

/** `--hub`, `--token` and `--context` of a line that is not finished. */
function flagsIn(words: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of ["hub", "token", "context"]) {
    const at = words.indexOf(`--${name}`);
    const value = at < 0 ? undefined : words[at + 1];
    if (value !== undefined && value !== "") found[name] = value;
  }
  return found;
}
