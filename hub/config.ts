/**
 * Flags and environment of `penstock hub start`, made into settings that are known to fit together.
 *
 * Pure. P6: an agent may go autonomous only when the hub can no longer reassign its regions by itself;
 * S23: plain http beyond this machine has to be asked for by name.
 *
 * @module
 */
import { parseArgs } from "node:util";
import type { SettingsView } from "@shared/api.ts";
import { UserError } from "@shared/errors.ts";
import { NAME_PATTERN } from "@shared/ids.ts";
import type { BrokerConfig } from "@shared/messages.ts";
import type { SettingName } from "./db/settings_store.ts";
import { allowedTargets } from "./notifications/address_guard.ts";
import { type MailSettings, parseMailSettings } from "./notifications/mail_settings.ts";
import type { HubConfig } from "./ports.ts";
import { SETTING_BOUNDS } from "./settings.ts";

export const HUB_USAGE = `Usage: penstock hub start [flags]

  --listen HOST:PORT             where to listen (127.0.0.1:8080; port 0 takes a free one)
  --public-url URL               how agents and browsers reach this hub (made of --listen)
  --data-dir DIR                 what the hub keeps (./penstock-data)
  --database-url postgres://…    default: PENSTOCK_DATABASE_URL, else embedded, in the data directory
  --object-store SPEC            file:DIR or s3://HOST:PORT/BUCKET?tls=0 (file, in the data directory);
                                 keys from PENSTOCK_S3_ACCESS_KEY and PENSTOCK_S3_SECRET_KEY
  --broker NAME=URL              a broker that jobs may name; repeatable. Credentials in the URL, or from
                                 PENSTOCK_BROKER_<NAME>_USERNAME and PENSTOCK_BROKER_<NAME>_PASSWORD
  --broker-ca NAME=FILE          authority that vouches for an mqtts broker; repeatable
  --tls-cert FILE --tls-key FILE serve https
  --allow-plain-http             listen beyond this machine without TLS
  --smtp-url smtp://USER@HOST    mail server for alarms, smtps:// for TLS from the start; the password
                                 from PENSTOCK_SMTP_PASSWORD
  --mail-from NAME@HOST          sender of these mails
  --allow-webhook-to HOST|CIDR   a target of webhooks that is not on the public Internet; repeatable
  --log-level LEVEL              debug, info, warn or error (info)

  --checkpoint-interval 5s   --min-pause 1s        --checkpoint-timeout 60s
  --tolerable-failures 5     --retained 3          --heartbeat-interval 2s
  --lease-ttl 6s             --start-grace 3s      --reassign-within 30s
  --autonomous-after 45s     --runner-heap-mb 512  --garbage-grace 1h
  --restart-backoff 1s       --restart-backoff-max 60s

  What people may change later in the settings starts as:
  --sample-retention 24h     --minute-retention 30d     --hour-retention 730d
  --event-retention 7d       --stale-after 30s          --shelve-max 24h
`;

/** Everything a hub is started with. */
export interface HubSettings {
  readonly hostname: string;
  readonly port: number;
  /** Null: made of where it listens. */
  readonly publicUrl: string | null;
  readonly dataDir: string;
  readonly databaseUrl: string | null;
  /** Null: a directory in `dataDir`. */
  readonly objectStore: string | null;
  readonly s3Credentials: { readonly accessKey: string; readonly secretKey: string } | null;
  /** Without the authorities, whose files are named in `brokerCaFiles`. */
  readonly brokers: readonly BrokerConfig[];
  readonly brokerCaFiles: Readonly<Record<string, string>>;
  readonly tlsFiles: { readonly cert: string; readonly key: string } | null;
  /** Everybody who can reach the address can read what goes over it. */
  readonly isPlainHttpExposed: boolean;
  /** Targets of webhooks beside the public Internet. */
  readonly allowWebhookTo: readonly string[];
  /** Null: no mail goes out. */
  readonly mail: MailSettings | null;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  /** `name:nth` of a point at which a test ends the process; null in normal runs. */
  readonly failPoint: string | null;
  readonly tuning: Omit<HubConfig, "listen" | "publicUrl" | "brokers">;
}

type Environment = Readonly<Record<string, string | undefined>>;

const TEXT = { type: "string" } as const;
const OPTIONS = {
  "listen": TEXT,
  "public-url": TEXT,
  "data-dir": TEXT,
  "database-url": TEXT,
  "object-store": TEXT,
  "broker": { type: "string", multiple: true },
  "broker-ca": { type: "string", multiple: true },
  "tls-cert": TEXT,
  "tls-key": TEXT,
  "allow-plain-http": { type: "boolean" },
  "smtp-url": TEXT,
  "mail-from": TEXT,
  "allow-webhook-to": { type: "string", multiple: true },
  "log-level": TEXT,
  "checkpoint-interval": TEXT,
  "min-pause": TEXT,
  "checkpoint-timeout": TEXT,
  "tolerable-failures": TEXT,
  "retained": TEXT,
  "heartbeat-interval": TEXT,
  "lease-ttl": TEXT,
  "start-grace": TEXT,
  "reassign-within": TEXT,
  "autonomous-after": TEXT,
  "runner-heap-mb": TEXT,
  "garbage-grace": TEXT,
  "sample-retention": TEXT,
  "minute-retention": TEXT,
  "hour-retention": TEXT,
  "event-retention": TEXT,
  "stale-after": TEXT,
  "shelve-max": TEXT,
  "restart-backoff": TEXT,
  "restart-backoff-max": TEXT,
  "help": { type: "boolean", short: "h" },
} as const;

/** Beyond the two clocks of P6: what their difference and a slow tick may eat. */
const AUTONOMY_MARGIN_MS = 5_000;
/** Heartbeats that may be lost before a lease ends. */
const HEARTBEATS_PER_LEASE = 2;

/**
 * The settings, or null when help was asked for.
 *
 * @throws {UserError} `bad-flag` naming the flag, what was found and what is wanted.
 */
export function parseHubFlags(args: readonly string[], env: Environment): HubSettings | null {
  const flags = readFlags(args);
  if (flags.help === true) return null;
  const { hostname, port } = parseListen(flags.listen ?? "127.0.0.1:8080");
  const tlsFiles = parseTls(flags["tls-cert"], flags["tls-key"]);
  const isPlainHttpExposed = tlsFiles === null && !isLoopback(hostname);
  if (isPlainHttpExposed && flags["allow-plain-http"] !== true) {
    throw badFlag(
      "listen",
      `${hostname} is reachable from other machines, and tokens would cross the network in clear: ` +
        `give --tls-cert and --tls-key, or say --allow-plain-http behind a proxy that does TLS`,
    );
  }
  const brokers = (flags.broker ?? []).map((text) => parseBroker(text, env));
  const twice = brokers.find(({ name }, i) => brokers.findIndex((b) => b.name === name) !== i);
  if (twice !== undefined) throw badFlag("broker", `"${twice.name}" is named twice`);
  const accessKey = env["PENSTOCK_S3_ACCESS_KEY"];
  const secretKey = env["PENSTOCK_S3_SECRET_KEY"];
  return {
    hostname,
    port,
    publicUrl: flags["public-url"]?.replace(/\/+$/, "") ?? null,
    dataDir: flags["data-dir"] ?? "./penstock-data",
    databaseUrl: flags["database-url"] ?? env["PENSTOCK_DATABASE_URL"] ?? null,
    objectStore: flags["object-store"] ?? null,
    s3Credentials: accessKey === undefined || secretKey === undefined
      ? null
      : { accessKey, secretKey },
    brokers,
    brokerCaFiles: Object.fromEntries(
      (flags["broker-ca"] ?? []).map((text) => splitPair("broker-ca", text)),
    ),
    tlsFiles,
    isPlainHttpExposed,
    allowWebhookTo: parseTargets(flags["allow-webhook-to"] ?? []),
    mail: parseMail(flags, env),
    logLevel: parseLogLevel(flags["log-level"] ?? "info"),
    failPoint: env["FP"] ?? null,
    tuning: parseTuning(flags),
  };
}

type Flags = ReturnType<typeof readFlags>;

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: false }).values;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UserError("bad-flag", `${reason}. See penstock hub start --help`, { cause });
  }
}

function parseTuning(flags: Flags): HubSettings["tuning"] {
  const ms = (name: keyof Flags & string, fallback: string) =>
    parseDuration(name, (flags[name] as string | undefined) ?? fallback);
  const count = (name: keyof Flags & string, fallback: string) =>
    parseCount(name, (flags[name] as string | undefined) ?? fallback);
  const tuning = {
    checkpointIntervalMs: ms("checkpoint-interval", "5s"),
    minPauseMs: ms("min-pause", "1s"),
    checkpointTimeoutMs: ms("checkpoint-timeout", "60s"),
    tolerableFailures: count("tolerable-failures", "5"),
    retainedCheckpoints: count("retained", "3"),
    heartbeatIntervalMs: ms("heartbeat-interval", "2s"),
    leaseTtlMs: ms("lease-ttl", "6s"),
    startGraceMs: ms("start-grace", "3s"),
    reassignWithinMs: ms("reassign-within", "30s"),
    autonomousAfterMs: ms("autonomous-after", "45s"),
    restartBackoffMs: { first: ms("restart-backoff", "1s"), max: ms("restart-backoff-max", "60s") },
    runnerHeapMb: count("runner-heap-mb", "512"),
    garbageGraceMs: ms("garbage-grace", "1h"),
    ...parseSettings(flags),
  };
  const { leaseTtlMs, reassignWithinMs, autonomousAfterMs, heartbeatIntervalMs } = tuning;
  const least = leaseTtlMs + reassignWithinMs + AUTONOMY_MARGIN_MS;
  if (autonomousAfterMs < least) {
    throw badFlag(
      "autonomous-after",
      `${autonomousAfterMs} ms is too short: with a lease of ${leaseTtlMs} ms and reassignment within ` +
        `${reassignWithinMs} ms two agents could own a region at once; give at least ${least} ms`,
    );
  }
  if (leaseTtlMs < heartbeatIntervalMs * HEARTBEATS_PER_LEASE) {
    throw badFlag(
      "lease-ttl",
      `${leaseTtlMs} ms holds fewer than ${HEARTBEATS_PER_LEASE} heartbeats of ${heartbeatIntervalMs} ms`,
    );
  }
  return tuning;
}

/** @throws {UserError} For a value that the settings would not take either. */
function parseSettings(flags: Flags): SettingsView {
  const bounded = (name: SettingName, flag: keyof Flags & string, fallback: string) => {
    const text = (flags[flag] as string | undefined) ?? fallback;
    const ms = parseDuration(flag, text);
    const { min, max } = SETTING_BOUNDS[name];
    if (ms < min || ms > max) {
      throw badFlag(flag, `"${text}" is not between ${min} ms and ${max} ms`);
    }
    return ms;
  };
  return {
    sampleRetentionMs: bounded("sampleRetentionMs", "sample-retention", "24h"),
    minuteRetentionMs: bounded("minuteRetentionMs", "minute-retention", "30d"),
    hourRetentionMs: bounded("hourRetentionMs", "hour-retention", "730d"),
    eventRetentionMs: bounded("eventRetentionMs", "event-retention", "7d"),
    staleAfterMs: bounded("staleAfterMs", "stale-after", "30s"),
    shelveMaxMs: bounded("shelveMaxMs", "shelve-max", "24h"),
  };
}

/** `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`. */
function parseListen(text: string): { hostname: string; port: number } {
  const match = /^(?:\[([0-9a-f:]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw badFlag("listen", `"${text}" is not HOST:PORT`);
  }
  return { hostname: (match[1] ?? match[2])!, port };
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

function parseTls(cert: string | undefined, key: string | undefined): HubSettings["tlsFiles"] {
  if (cert === undefined && key === undefined) return null;
  if (cert === undefined || key === undefined) {
    throw badFlag(cert === undefined ? "tls-cert" : "tls-key", "the other of the two is missing");
  }
  return { cert, key };
}

function parseBroker(text: string, env: Environment): BrokerConfig {
  const [name, address] = splitPair("broker", text);
  const url = URL.canParse(address) ? new URL(address) : null;
  if (
    !NAME_PATTERN.test(name) || url === null || !["mqtt:", "mqtts:"].includes(url.protocol) ||
    url.hostname === ""
  ) {
    throw badFlag("broker", `"${name}" is not NAME=mqtt://HOST:PORT or NAME=mqtts://HOST:PORT`);
  }
  const prefix = `PENSTOCK_BROKER_${name.toUpperCase().replaceAll("-", "_")}`;
  const port = url.port === "" ? (url.protocol === "mqtts:" ? "8883" : "1883") : url.port;
  return {
    name,
    url: `${url.protocol}//${url.hostname}:${port}`,
    username: decodeURIComponent(url.username) || env[`${prefix}_USERNAME`] || null,
    password: decodeURIComponent(url.password) || env[`${prefix}_PASSWORD`] || null,
    caPem: null,
  };
}

function parseTargets(given: readonly string[]): readonly string[] {
  allowedTargets(given);
  return given;
}

function parseMail(flags: Flags, env: Environment): MailSettings | null {
  const url = flags["smtp-url"];
  if (url === undefined) return null;
  return parseMailSettings({ url, from: flags["mail-from"] }, env["PENSTOCK_SMTP_PASSWORD"]);
}

function splitPair(flag: string, text: string): [string, string] {
  const at = text.indexOf("=");
  if (at <= 0 || at === text.length - 1) throw badFlag(flag, "want NAME=VALUE");
  return [text.slice(0, at), text.slice(at + 1)];
}

function parseLogLevel(text: string): HubSettings["logLevel"] {
  switch (text) {
    case "debug":
    case "info":
    case "warn":
    case "error":
      return text;
    default:
      throw badFlag("log-level", `"${text}" is none of debug, info, warn, error`);
  }
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

function parseDuration(flag: string, text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  if (match === null) throw badFlag(flag, `"${text}" is no duration such as 500ms, 5s, 2m, 1h`);
  return Number(match[1]) * UNIT_MS[match[2]!]!;
}

function parseCount(flag: string, text: string): number {
  if (!/^\d{1,6}$/.test(text) || Number(text) < 1) {
    throw badFlag(flag, `"${text}" is no whole number above 0`);
  }
  return Number(text);
}

function badFlag(flag: string, reason: string): UserError {
  return new UserError("bad-flag", `Cannot take --${flag}: ${reason}`);
}
