/** Flags that most commands share, and the context they make. @module */
import { CliError, EXIT_USAGE, HubApi } from "./hub_api.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "./output.ts";

export type HubFlags = {
  readonly hub?: string;
  readonly token?: string;
  readonly output: OutputFormat;
};

/** An optional flag with a value. */
export const textFlag = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, optional: true, brief, placeholder }) as const;

export const HUB_FLAGS = {
  hub: textFlag("URL of the hub (PENSTOCK_HUB; default http://127.0.0.1:8080)", "URL"),
  token: textFlag("Bearer token (PENSTOCK_TOKEN)", "T"),
  output: { kind: "enum", values: OUTPUT_FORMATS, default: "table", brief: "table, json or yaml" },
} as const;

export const HUB_ALIASES = { o: "output" } as const;

export type WaitFlags = HubFlags & {
  readonly wait: boolean;
  readonly timeout: number;
};

/** Flags of commands that start an operation. */
export const WAIT_FLAGS = {
  ...HUB_FLAGS,
  wait: {
    kind: "boolean",
    default: true,
    brief: "Wait for the operation to end; --no-wait prints its id",
  },
  timeout: {
    kind: "parsed",
    parse: durationSeconds,
    default: "120s",
    brief: "How long to wait; then exit code 5, and the operation goes on",
    placeholder: "120s",
  },
} as const;

/** @throws {CliError} When no token is given: the API is never open. */
export function hubApi(flags: HubFlags): HubApi {
  const hubUrl = flags.hub ?? Deno.env.get("PENSTOCK_HUB") ?? "http://127.0.0.1:8080";
  const token = flags.token ?? Deno.env.get("PENSTOCK_TOKEN");
  if (token === undefined || token === "") {
    throw new CliError(
      "No token: give --token or set PENSTOCK_TOKEN. The hub wrote its first one to DATA_DIR/admin-token",
      EXIT_USAGE,
    );
  }
  return new HubApi({ hubUrl: hubUrl.replace(/\/+$/, ""), token });
}

/** Params that a job is built with; see `pairs`. */
export const PARAM_FLAG = {
  ...textFlag("Parameter of the job; repeatable", "k=v"),
  variadic: true,
} as const;

/** `k=v` pairs as a record. */
export function pairs(values: readonly string[] | undefined): Record<string, string> {
  const record: Record<string, string> = {};
  for (const value of values ?? []) {
    const cut = value.indexOf("=");
    if (cut <= 0) throw new CliError(`Want KEY=VALUE, found "${value}"`, EXIT_USAGE);
    record[value.slice(0, cut)] = value.slice(cut + 1);
  }
  return record;
}

/** `90s`, `2m`, `1h`, `1d` as seconds. */
export function durationSeconds(text: string): number {
  const match = /^(\d+)(s|m|h|d)$/.exec(text);
  if (match === null) throw new Error(`Want a duration such as 90s, 2m or 1h, found "${text}"`);
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[match[2] as "s" | "m" | "h" | "d"];
  return Number(match[1]) * unit;
}
