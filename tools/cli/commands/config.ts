/** `penstock config`, `context` and `version`. Touches the configuration file, the network and the terminal. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import {
  configPath,
  effectiveConfig,
  type HubContextEntry,
  masked,
  readConfigFile,
  writeConfigFile,
} from "../config.ts";
import {
  args,
  argument,
  docs,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
  OUTPUT_FLAGS,
  type OutputFlags,
  printer,
  switchFlag,
  textFlag,
} from "../flags.ts";
import { CliError, EXIT_NOT_FOUND, EXIT_USAGE, HubApi } from "../hub_api.ts";
import { didYouMean } from "../suggest.ts";
import { CLIENT_VERSION } from "../version.ts";

const show = buildCommand({
  docs: docs(
    "Show what a command would go by: each value and who said it, secrets masked",
    ["config show --effective", "config show --effective --context plant-2 -o json"],
    "Flag before environment before file before default. Without --effective: the file as it is, secrets masked.",
  ),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      effective: switchFlag("Flags, environment, file and defaults together"),
    },
    aliases: HUB_ALIASES,
  },
  func(flags: HubFlags & { readonly effective: boolean }) {
    const out = printer(flags);
    const env = Deno.env.toObject();
    if (!flags.effective) {
      const { value: path } = configPath(env);
      const file = readConfigFile(path);
      const contexts = Object.fromEntries(
        Object.entries(file.contexts).map(([name, entry]) => [name, withoutSecret(entry)]),
      );
      return out.isForPeople
        ? out.one({ ...file, contexts }, {
          file: () => path,
          current: () => file.current,
          output: () => file.output,
          timeout: () => file.timeout,
          contexts: () => Object.keys(contexts).join(" ") || null,
        })
        : out.value({ ...file, contexts });
    }
    const config = effectiveConfig(flags, env);
    const settings = {
      ...config,
      token: { ...config.token, value: shownToken(config.token.value) },
    };
    if (!out.isForPeople) return out.value(settings);
    out.rows(Object.entries(settings), {
      setting: ([name]) => name,
      value: ([, { value }]) => value,
      origin: ([, { origin }]) => origin,
    });
  },
});

function shownToken(token: string | null): string | null {
  return token === null ? null : masked(token);
}

function withoutSecret(entry: HubContextEntry): HubContextEntry {
  return entry.token === undefined ? entry : { ...entry, token: masked(entry.token) };
}

export const config = buildRouteMap({
  docs: { brief: "What the command line goes by" },
  routes: { show },
});

const listContexts = buildCommand({
  docs: docs("List the hubs of the configuration file", ["context list"]),
  parameters: { flags: OUTPUT_FLAGS, aliases: HUB_ALIASES },
  func(flags: OutputFlags) {
    const out = printer(flags);
    const file = readConfigFile(configPath(Deno.env.toObject()).value);
    const rows = Object.entries(file.contexts).map(([name, entry]) => ({
      name,
      isCurrent: name === file.current,
      ...withoutSecret(entry),
    }));
    out.rows(rows, {
      "": (row) => row.isCurrent ? "*" : " ",
      name: (row) => row.name,
      hub: (row) => row.hub,
      token: (row) => row.token ?? (row.tokenFile === undefined ? null : `in ${row.tokenFile}`),
    });
  },
});

const useContext = buildCommand({
  docs: docs("Make a hub of the file the one that commands talk to", ["context use plant-2"]),
  parameters: {
    flags: OUTPUT_FLAGS,
    aliases: HUB_ALIASES,
    positional: args(argument("Name of the context", "CONTEXT")),
  },
  func(flags: OutputFlags, name: string) {
    const { value: path } = configPath(Deno.env.toObject());
    const file = readConfigFile(path);
    refuseUnknown(name, Object.keys(file.contexts), path);
    writeConfigFile(path, { ...file, current: name });
    printer(flags).note(`Commands go to "${name}", ${file.contexts[name]!.hub}`);
  },
});

function refuseUnknown(name: string, names: readonly string[], path: string): void {
  if (names.includes(name)) return;
  throw new CliError(
    `There is no context "${name}" in ${path}.${
      didYouMean(name, names)
    } See \`penstock context list\``,
    EXIT_NOT_FOUND,
  );
}

type AddFlags = OutputFlags & {
  readonly hub: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly use: boolean;
};

const addContext = buildCommand({
  docs: docs(
    "Keep a hub and its token in the file, or change them",
    [
      "context add plant-1 --hub https://hub.example.org --token-file ~/.config/penstock/plant-1.token --use",
      "context add local --hub http://127.0.0.1:8080 --token-file penstock-data/admin-token",
    ],
    "The token goes to this hub and no other. With --token-file the file is read anew by each command.",
  ),
  parameters: {
    flags: {
      ...OUTPUT_FLAGS,
      hub: { kind: "parsed", parse: String, brief: "URL of the hub", placeholder: "URL" },
      token: textFlag("Bearer token, kept in the configuration file (mode 600)", "T"),
      tokenFile: textFlag("File that holds the token", "FILE"),
      use: switchFlag("Make it the current one; the first is by itself"),
    },
    aliases: HUB_ALIASES,
    positional: args(argument("Name of the context", "NAME")),
  },
  func(flags: AddFlags, name: string) {
    const { hub, token, tokenFile } = flags;
    if (!URL.canParse(hub) || !/^https?:/.test(hub)) {
      throw new CliError(`--hub is "${hub}": want http://… or https://…`, EXIT_USAGE);
    }
    if (!/^[\w.-]{1,64}$/.test(name)) {
      throw new CliError(
        `"${name}" is no name for a context: want letters, digits, "-", "_" and ".", at most 64`,
        EXIT_USAGE,
      );
    }
    if (token !== undefined && tokenFile !== undefined) {
      throw new CliError("Give --token or --token-file, not both", EXIT_USAGE);
    }
    const { value: path } = configPath(Deno.env.toObject());
    const file = readConfigFile(path);
    const entry = {
      hub: hub.replace(/\/+$/, ""),
      ...(token === undefined ? {} : { token }),
      ...(tokenFile === undefined ? {} : { tokenFile: wholePath(tokenFile) }),
    };
    const isCurrent = flags.use || Object.keys(file.contexts).length === 0;
    writeConfigFile(path, {
      ...file,
      contexts: { ...file.contexts, [name]: entry },
      ...(isCurrent ? { current: name } : {}),
    });
    printer(flags).note(
      `Context "${name}" is in ${path}${isCurrent ? ", and the current one" : ""}`,
    );
  },
});

/** @throws {CliError} When there is no such file. */
function wholePath(file: string): string {
  try {
    return Deno.realPathSync(file);
  } catch (error) {
    throw new CliError(`Cannot read --token-file ${file}: ${(error as Error).message}`, EXIT_USAGE);
  }
}

const removeContext = buildCommand({
  docs: docs("Take a hub out of the file", ["context remove plant-2"]),
  parameters: {
    flags: OUTPUT_FLAGS,
    aliases: HUB_ALIASES,
    positional: args(argument("Name of the context", "CONTEXT")),
  },
  func(flags: OutputFlags, name: string) {
    const { value: path } = configPath(Deno.env.toObject());
    const { current, ...file } = readConfigFile(path);
    refuseUnknown(name, Object.keys(file.contexts), path);
    const { [name]: _gone, ...contexts } = file.contexts;
    writeConfigFile(path, {
      ...file,
      contexts,
      ...(current === undefined || current === name ? {} : { current }),
    });
    printer(flags).note(`Context "${name}" is taken out of ${path}`);
  },
});

export const context = buildRouteMap({
  docs: { brief: "Several hubs, by name" },
  routes: { list: listContexts, use: useContext, add: addContext, remove: removeContext },
});

interface Versions {
  readonly client: string;
  readonly deno: string;
  readonly hub: { readonly url: string; readonly version: string; readonly hubId: string } | null;
  readonly hubError: string | null;
}

export const version = buildCommand({
  docs: docs(
    "Show the version of this program and of the hub",
    ["version", "version -o json"],
    "Needs no token. Exit code 0 also when no hub answers.",
  ),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES },
  async func(flags: HubFlags) {
    const { hub } = effectiveConfig(flags, Deno.env.toObject());
    const versions: Versions = {
      client: CLIENT_VERSION,
      deno: Deno.version.deno,
      ...await hubVersion(hub.value),
    };
    printer(flags).one(versions, {
      client: () => `${versions.client} (Deno ${versions.deno})`,
      hub: () =>
        versions.hub === null
          ? `none: ${versions.hubError}`
          : `${versions.hub.version} at ${versions.hub.url}`,
    });
  },
});

async function hubVersion(url: string): Promise<Pick<Versions, "hub" | "hubError">> {
  try {
    const api = new HubApi({ hubUrl: url, token: "" });
    const response = await api.raw("/version", {}, AbortSignal.timeout(5_000));
    if (!response.ok) {
      await response.body?.cancel();
      return { hub: null, hubError: `${url} answered ${response.status}` };
    }
    const { version, hubId } = await response.json() as { version: string; hubId: string };
    return { hub: { url, version, hubId }, hubError: null };
  } catch (thrown) {
    return { hub: null, hubError: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}
