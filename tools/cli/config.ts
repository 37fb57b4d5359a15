/**
 * Where each setting of the command line comes from: flag, environment, file, default, in this order.
 *
 * Touches the environment and the configuration file, `~/.config/penstock/config.yaml` or what
 * PENSTOCK_CONFIG names. Invariants:
 *  1. A token of the file goes to the hub it stands beside there, and to no other.
 *  2. The file is mode 600, and replaced as a whole.
 *
 * @module
 */
import { dirname } from "node:path";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { CliError, EXIT_NOT_FOUND, EXIT_USAGE } from "./hub_api.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "./output.ts";
import { didYouMean } from "./suggest.ts";

export const DEFAULT_HUB = "http://127.0.0.1:8080";
export const DEFAULT_TIMEOUT = "120s";
const DURATION_PATTERN = /^\d+[smhd]$/;

const contextSchema = z.strictObject({
  hub: z.url({ protocol: /^https?$/ }),
  token: z.string().min(1).optional(),
  tokenFile: z.string().min(1).optional(),
});
const fileSchema = z.strictObject({
  current: z.string().optional(),
  output: z.enum(OUTPUT_FORMATS).optional(),
  timeout: z.string().regex(DURATION_PATTERN).optional(),
  contexts: z.record(z.string().regex(/^[\w.-]{1,64}$/), contextSchema).default({}),
});

export type HubContextEntry = z.infer<typeof contextSchema>;
export type ConfigFile = z.infer<typeof fileSchema>;

/** A setting and who said it. */
export interface Setting<T> {
  readonly value: T;
  /** `flag --hub`, `environment PENSTOCK_HUB`, `file … (context plant)`, `default`. */
  readonly origin: string;
}

export interface EffectiveConfig {
  readonly file: Setting<string>;
  readonly context: Setting<string | null>;
  readonly hub: Setting<string>;
  readonly token: Setting<string | null>;
  readonly output: Setting<OutputFormat>;
  readonly timeout: Setting<string>;
}

/** What the flags of a command say. */
export interface ConfigFlags {
  readonly hub?: string;
  readonly token?: string;
  readonly context?: string;
  readonly output?: OutputFormat;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Path of the configuration file, and who said it. */
export function configPath(env: Environment): Setting<string> {
  const named = env["PENSTOCK_CONFIG"];
  if (named !== undefined && named !== "") {
    return { value: named, origin: "environment PENSTOCK_CONFIG" };
  }
  const base = env["XDG_CONFIG_HOME"] || `${env["HOME"] ?? "."}/.config`;
  return { value: `${base}/penstock/config.yaml`, origin: "default" };
}

/** @throws {CliError} When the file is not what it should be, naming the field. */
export function readConfigFile(path: string): ConfigFile {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { contexts: {} };
    throw new CliError(`Cannot read ${path}: ${(error as Error).message}`, EXIT_USAGE);
  }
  let content: unknown;
  try {
    content = parse(text) ?? {};
  } catch (error) {
    throw new CliError(`${path} is not YAML: ${(error as Error).message}`, EXIT_USAGE);
  }
  const checked = fileSchema.safeParse(content);
  if (checked.success) return checked.data;
  const lines = checked.error.issues.map(({ path: at, message }) =>
    `  ${at.join(".")}: ${message}`
  );
  throw new CliError(
    `${path} is not a configuration of penstock:\n${lines.join("\n")}`,
    EXIT_USAGE,
  );
}

/** Puts the file in place of the one before. */
export function writeConfigFile(path: string, file: ConfigFile): void {
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const next = `${path}.${Deno.pid}`;
  Deno.writeTextFileSync(next, stringify(file), { mode: 0o600 });
  Deno.renameSync(next, path);
}

/** Every setting with its origin. @throws {CliError} When the context is not in the file. */
export function effectiveConfig(flags: ConfigFlags, env: Environment): EffectiveConfig {
  const path = configPath(env);
  const file = readConfigFile(path.value);
  const context = contextOf(flags, file, path.value);
  const entry = context.value === null ? undefined : file.contexts[context.value];
  const inFile = `file ${path.value} (context ${context.value})`;
  const isContextAsked = flags.context !== undefined;
  const hub = firstOf<string>(
    [flags.hub, "flag --hub"],
    [isContextAsked ? entry?.hub : undefined, inFile],
    [env["PENSTOCK_HUB"], "environment PENSTOCK_HUB"],
    [entry?.hub, inFile],
  ) ?? { value: DEFAULT_HUB, origin: "default" };
  const plainHub = { ...hub, value: hub.value.replace(/\/+$/, "") };
  const isOfContext = entry !== undefined && entry.hub.replace(/\/+$/, "") === plainHub.value;
  // A file with a token is read when no other token goes before it.
  const kept = () => isOfContext ? firstOf<string>([tokenOf(entry), inFile]) : undefined;
  const ofEnvironment = firstOf<string>([env["PENSTOCK_TOKEN"], "environment PENSTOCK_TOKEN"]);
  const token = firstOf<string>([flags.token, "flag --token"]) ??
    (isContextAsked ? kept() ?? ofEnvironment : ofEnvironment ?? kept()) ??
    { value: null, origin: "not given" };
  const output = outputSetting(flags, env);
  const timeout = timeoutSetting(env);
  return { file: path, context, hub: plainHub, token, output, timeout };
}

/** How a command prints. */
export function outputSetting(
  flags: Pick<ConfigFlags, "output">,
  env: Environment,
): Setting<OutputFormat> {
  const path = configPath(env).value;
  return firstOf<OutputFormat>(
    [flags.output, "flag --output"],
    [formatOf(env["PENSTOCK_OUTPUT"]), "environment PENSTOCK_OUTPUT"],
    [readConfigFile(path).output, `file ${path}`],
  ) ?? { value: "table", origin: "default" };
}

/** How long a command waits for its operation. @throws {CliError} When it is no duration. */
export function timeoutSetting(env: Environment): Setting<string> {
  const path = configPath(env).value;
  const setting = firstOf<string>(
    [env["PENSTOCK_TIMEOUT"], "environment PENSTOCK_TIMEOUT"],
    [readConfigFile(path).timeout, `file ${path}`],
  ) ?? { value: DEFAULT_TIMEOUT, origin: "default" };
  if (DURATION_PATTERN.test(setting.value)) return setting;
  throw new CliError(
    `PENSTOCK_TIMEOUT is "${setting.value}": want a duration such as 90s, 2m or 1h`,
    EXIT_USAGE,
  );
}

function firstOf<T extends string>(
  ...candidates: readonly (readonly [value: T | undefined, origin: string])[]
): Setting<T> | undefined {
  for (const [value, origin] of candidates) {
    if (value !== undefined && value !== "") return { value, origin };
  }
  return undefined;
}

function contextOf(flags: ConfigFlags, file: ConfigFile, path: string): Setting<string | null> {
  const asked = flags.context;
  if (asked !== undefined) {
    if (file.contexts[asked] !== undefined) return { value: asked, origin: "flag --context" };
    const names = Object.keys(file.contexts);
    throw new CliError(
      `There is no context "${asked}" in ${path}.${didYouMean(asked, names)} ` +
        `See \`penstock context list\``,
      EXIT_NOT_FOUND,
    );
  }
  if (file.current === undefined) return { value: null, origin: "not given" };
  if (file.contexts[file.current] === undefined) {
    throw new CliError(
      `${path} names "${file.current}" as the current context and has no such context: ` +
        `choose one with \`penstock context use NAME\``,
      EXIT_USAGE,
    );
  }
  return { value: file.current, origin: `file ${path}` };
}

function tokenOf(entry: HubContextEntry): string | undefined {
  if (entry.token !== undefined) return entry.token;
  if (entry.tokenFile === undefined) return undefined;
  try {
    return Deno.readTextFileSync(entry.tokenFile).trim();
  } catch (error) {
    throw new CliError(
      `Cannot read the token of this context from ${entry.tokenFile}: ${(error as Error).message}`,
      EXIT_USAGE,
    );
  }
}

function formatOf(text: string | undefined): OutputFormat | undefined {
  if (text === undefined || text === "") return undefined;
  const found = OUTPUT_FORMATS.find((format) => format === text);
  if (found !== undefined) return found;
  throw new CliError(
    `PENSTOCK_OUTPUT is "${text}": want one of ${OUTPUT_FORMATS.join(", ")}`,
    EXIT_USAGE,
  );
}

/** A secret as it may be shown: enough to tell two apart. */
export function masked(secret: string): string {
  return secret.length <= 12 ? "****" : `****${secret.slice(-4)}`;
}
