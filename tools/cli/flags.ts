/** Flags that commands share, their documentation, and what they are made into. @module */
import { effectiveConfig, outputSetting, timeoutSetting } from "./config.ts";
import { CliError, EXIT_USAGE, HubApi } from "./hub_api.ts";
import { OUTPUT_FORMATS, type OutputFormat, Printer } from "./output.ts";
import { askYes, isInputTerminal } from "./terminal.ts";

export type OutputFlags = {
  readonly output?: OutputFormat;
  readonly headers: boolean;
  readonly quiet: boolean;
};

export type HubFlags = OutputFlags & {
  readonly hub?: string;
  readonly token?: string;
  readonly context?: string;
};

/** An optional flag with a value. */
export const textFlag = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, optional: true, brief, placeholder }) as const;

/** A flag that is off unless given. */
export const switchFlag = (brief: string) => ({ kind: "boolean", default: false, brief }) as const;

/** An optional whole number from 1. */
export const countFlag = (brief: string, fallback: number) =>
  ({
    kind: "parsed",
    parse: wholeNumber,
    default: String(fallback),
    brief,
    placeholder: String(fallback),
  }) as const;

export const OUTPUT_FLAGS = {
  output: {
    kind: "enum",
    values: OUTPUT_FORMATS,
    optional: true,
    brief: "How to print: table unless PENSTOCK_OUTPUT or the configuration says otherwise",
  },
  headers: { kind: "boolean", default: true, brief: "Headings over the columns of tables" },
  quiet: switchFlag("No progress and no hints"),
} as const;

export const HUB_FLAGS = {
  hub: textFlag("URL of the hub (PENSTOCK_HUB; default http://127.0.0.1:8080)", "URL"),
  token: textFlag("Bearer token (PENSTOCK_TOKEN)", "T"),
  context: textFlag("Hub of this name in the configuration file", "CONTEXT"),
  ...OUTPUT_FLAGS,
} as const;

export const HUB_ALIASES = { o: "output", q: "quiet" } as const;

export type WaitFlags = HubFlags & {
  readonly wait: boolean;
  /** Seconds. */
  readonly timeout?: number;
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
    optional: true,
    brief: "How long to wait (120s); then exit code 5, and the operation goes on",
    placeholder: "120s",
  },
} as const;

export const YES_FLAG = switchFlag("Do not ask");
export const YES_ALIASES = { ...HUB_ALIASES, y: "yes" } as const;

/** Help of a command: what it does, more about it, and lines to copy. */
export function docs(brief: string, examples: readonly string[], about = "") {
  const lines = examples.map((example) => `  penstock ${example}`).join("\n");
  return {
    brief,
    fullDescription: `${brief}.${about === "" ? "" : `\n${about}`}\n\nEXAMPLES\n${lines}`,
  };
}

/** One positional argument; its placeholder says to the completion what kind of name it is. */
export const argument = (brief: string, placeholder: string) =>
  ({ brief, placeholder, parse: String }) as const;

export const JOB = argument("Job id or name", "JOB");
export const AGENT = argument("Agent id or name", "AGENT");
export const SAVEPOINT = argument("Savepoint id or label", "SAVEPOINT");
export const OPERATION = argument("Operation id", "OPERATION");

/** The positional arguments of a command. */
export const args = <const T extends readonly unknown[]>(...parameters: T) =>
  ({ kind: "tuple", parameters }) as const;

export interface Call {
  readonly api: HubApi;
  readonly out: Printer;
}

/** @throws {CliError} When no token is given: the API is never open. */
export function call(flags: HubFlags): Call {
  const config = effectiveConfig(flags, Deno.env.toObject());
  const out = printerOf(flags, config.output.value);
  if (config.token.value === null) {
    throw new CliError(
      "No token: give --token, set PENSTOCK_TOKEN, or keep one with `penstock context add`. " +
        "The hub wrote its first one to DATA_DIR/admin-token",
      EXIT_USAGE,
    );
  }
  return { api: new HubApi({ hubUrl: config.hub.value, token: config.token.value }), out };
}

/** The printer of a command that needs no hub. */
export function printer(flags: OutputFlags): Printer {
  return printerOf(flags, outputSetting(flags, Deno.env.toObject()).value);
}

function printerOf(flags: OutputFlags, format: OutputFormat): Printer {
  return new Printer({ format, hasHeaders: flags.headers, isQuiet: flags.quiet });
}

/** Seconds that a command waits for its operation. */
export function waitSeconds(flags: WaitFlags): number {
  if (flags.timeout !== undefined) return flags.timeout;
  return durationSeconds(timeoutSetting(Deno.env.toObject()).value);
}

export interface Consent {
  /** What will happen, as a question. */
  readonly question: string;
  readonly isGiven: boolean;
  /** Without a person to ask: refuse, because something could be lost for good. */
  readonly isLossy: boolean;
}

/**
 * Asks the person at the terminal, unless `--yes` was said.
 *
 * @throws {CliError} When the answer is no, or nobody can be asked and something could be lost.
 */
export function consent({ question, isGiven, isLossy }: Consent): void {
  if (isGiven) return;
  if (!isInputTerminal()) {
    if (!isLossy) return;
    throw new CliError(`${question} Nobody can be asked here: say --yes`, EXIT_USAGE);
  }
  if (!askYes(question)) throw new CliError("Nothing was changed", 1);
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

type Said<T> =
  & { [Name in keyof T as undefined extends T[Name] ? never : Name]: T[Name] }
  & { [Name in keyof T as undefined extends T[Name] ? Name : never]?: Exclude<T[Name], undefined> };

/** The fields that are there: what a request leaves out, nobody asked for. */
export function said<T extends object>(fields: T): Said<T> {
  const there = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(there) as Said<T>;
}

/** `90s`, `2m`, `1h`, `1d` as seconds. */
export function durationSeconds(text: string): number {
  const match = /^(\d+)(s|m|h|d)$/.exec(text);
  if (match === null) throw new Error(`Want a duration such as 90s, 2m or 1h, found "${text}"`);
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[match[2] as "s" | "m" | "h" | "d"];
  return Number(match[1]) * unit;
}

/** An ISO time, or a span before now such as `2h`, as an ISO time. */
export function timeOf(text: string): string {
  if (/^\d+[smhd]$/.test(text)) {
    return new Date(Date.now() - durationSeconds(text) * 1000).toISOString();
  }
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) {
    throw new Error(
      `Want a time such as 2026-01-31T08:00:00Z or a span such as 2h, found "${text}"`,
    );
  }
  return date.toISOString();
}

/** An optional time, absolute or as a span before now. */
export const timeFlag = (brief: string) =>
  ({ kind: "parsed", parse: timeOf, optional: true, brief, placeholder: "TIME" }) as const;

export function wholeNumber(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new Error(`Want a whole number from 1, found "${text}"`);
}
