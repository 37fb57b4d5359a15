/**
 * What a person sends when something is not as it should be: one archive, without secrets, of bounded size.
 *
 * Touches the network. Invariants:
 *  1. No token, password or key is in it: values of fields that hold one are masked, and so is whatever
 *     looks like one anywhere in a text.
 *  2. A part longer than `PART_BYTES_MAX` is cut, and says so; all parts together stay below
 *     `BUNDLE_BYTES_MAX` before they are packed.
 *  3. A part that cannot be had is in it with the reason; the rest is there all the same.
 *
 * @module
 */
import { strToU8, zipSync } from "fflate";
import type { AgentView } from "@shared/api.ts";
import type { JobSummary } from "@shared/job_api.ts";
import type { EffectiveConfig } from "./config.ts";
import type { HubApi } from "./hub_api.ts";
import { CLIENT_VERSION } from "./version.ts";

export const PART_BYTES_MAX = 4_000_000;
export const BUNDLE_BYTES_MAX = 64_000_000;
const JOBS_MAX = 50;
const ROWS_MAX = 200;
const LOG_LINES_MAX = 1_000;

export interface BundlePart {
  readonly name: string;
  readonly text: string;
  /** Why it is not what was wanted; null when it is. */
  readonly problem: string | null;
}

export interface BundleSources {
  readonly api: HubApi;
  readonly config: EffectiveConfig;
  readonly nowMs: number;
  /** Told of each part before it is fetched. */
  readonly progress: (name: string, done: number, total: number) => void;
}

/** Every part, secrets masked and cut to length. */
export async function collectParts(sources: BundleSources): Promise<BundlePart[]> {
  const { api, config, nowMs, progress } = sources;
  const secrets = config.token.value === null ? [] : [config.token.value];
  const parts: BundlePart[] = [];
  const add = (part: BundlePart) => {
    const used = parts.reduce((sum, { text }) => sum + text.length, 0);
    const room = Math.max(0, Math.min(PART_BYTES_MAX, BUNDLE_BYTES_MAX - used));
    parts.push(cut({ ...part, text: withoutSecrets(part.text, secrets) }, room));
  };
  add({ name: "versions.json", text: jsonText(versionsOf(nowMs)), problem: null });
  const { token, ...rest } = config;
  const shown = { ...rest, token: { ...token, value: token.value === null ? null : "****" } };
  add({ name: "config.json", text: jsonText(shown), problem: null });
  const wanted = await wantedPaths(api);
  for (const [index, [name, path]] of wanted.entries()) {
    progress(name, index, wanted.length);
    add(await fetched(api, name, path));
  }
  return parts;
}

function versionsOf(nowMs: number) {
  return {
    takenAt: new Date(nowMs).toISOString(),
    client: CLIENT_VERSION,
    deno: Deno.version,
    platform: { os: Deno.build.os, arch: Deno.build.arch, release: Deno.osRelease() },
    memory: Deno.systemMemoryInfo(),
  };
}

type Wanted = readonly [name: string, path: string];

const OF_HUB: readonly Wanted[] = [
  ["hub/version.json", "/version"],
  ["hub/readyz.json", "/readyz"],
  ["hub/metrics.txt", "/metrics"],
  ["hub/settings.json", "/settings"],
  ["hub/brokers.json", "/brokers"],
  ["hub/operations.json", `/operations?limit=${ROWS_MAX}`],
  ["hub/audit.json", `/audit?limit=${ROWS_MAX}`],
  ["hub/audit_verify.json", "/audit/verify"],
  ["hub/logs.json", `/logs?limit=${LOG_LINES_MAX}`],
  ["agents.json", `/agents?limit=${ROWS_MAX}`],
  ["savepoints.json", `/savepoints?limit=${ROWS_MAX}`],
  ["alarms/attention.json", `/alarms?state=attention&limit=${ROWS_MAX}`],
  ["alarms/health.json", "/alarms/health"],
  ["notifications.json", "/notifications?limit=100"],
  ["notification_channels.json", "/notifications/channels"],
  ["jobs.json", `/jobs?limit=${ROWS_MAX}`],
];

async function wantedPaths(api: HubApi): Promise<readonly Wanted[]> {
  const [jobs, agents] = await Promise.all([
    api.get<{ items: readonly JobSummary[] }>(`/jobs?limit=${ROWS_MAX}`).catch(() => ({
      items: [],
    })),
    api.get<{ items: readonly AgentView[] }>(`/agents?limit=${ROWS_MAX}`)
      .catch(() => ({ items: [] })),
  ]);
  const ofJobs = jobs.items.slice(0, JOBS_MAX).flatMap(({ id, name }): Wanted[] => {
    const folder = `jobs/${name}-${id}`;
    return [
      [`${folder}/job.json`, `/jobs/${id}`],
      [`${folder}/metrics.json`, `/jobs/${id}/metrics`],
      [`${folder}/attempts.json`, `/jobs/${id}/attempts?limit=${ROWS_MAX}`],
      [`${folder}/gaps.json`, `/jobs/${id}/gaps?limit=${ROWS_MAX}`],
      [`${folder}/checkpoints.json`, `/jobs/${id}/checkpoints?limit=${ROWS_MAX}`],
      [`${folder}/checkpoint_summary.json`, `/jobs/${id}/checkpoints/summary`],
    ];
  });
  const ofAgents = agents.items.map(({ name }): Wanted => [
    `agents/${name}.log.json`,
    `/logs?limit=${LOG_LINES_MAX}&source=${encodeURIComponent(name)}`,
  ]);
  return [...OF_HUB, ...ofAgents, ...ofJobs];
}

async function fetched(api: HubApi, name: string, path: string): Promise<BundlePart> {
  try {
    const response = await api.raw(path, {}, AbortSignal.timeout(30_000));
    const text = await response.text();
    const problem = response.ok || name === "hub/readyz.json"
      ? null
      : `the hub answered ${response.status}`;
    return { name, text: prettyJson(name, text), problem };
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    return { name, text: reason, problem: reason };
  }
}

function prettyJson(name: string, text: string): string {
  if (!name.endsWith(".json")) return text;
  try {
    return jsonText(JSON.parse(text));
  } catch {
    return text;
  }
}

function jsonText(value: unknown): string {
  return JSON.stringify(value, maskedField, 2) + "\n";
}

const SECRET_NAME =
  /token$|password|passwd|secret|credential|authorization|api_?key|access_?key|private_?key/i;

/** The value of a field that may hold a secret, masked: some webhooks have their key in the path. */
export function maskedField(name: string, value: unknown): unknown {
  if (typeof value !== "string" || value === "") return value;
  if (name === "url") return value.replace(/^(https?:\/\/[^/?#]+).+$/, "$1/****");
  return SECRET_NAME.test(name) ? "****" : value;
}

/** A text without what looks like a secret, and without the given ones. Pure. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  const known = secrets.filter((secret) => secret.length >= 8)
    .reduce((rest, secret) => rest.replaceAll(secret, "****"), text);
  return known
    .replaceAll(/\b(p(?:st|ag|j)_|psn\.)[\w.-]{16,}/g, "$1****")
    .replaceAll(/(\w+:\/\/[^\s:/@"']*):[^\s@/"']+@/g, "$1:****@")
    .replaceAll(/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, "$1 ****")
    .replaceAll(/-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?-----END [A-Z ]*PRIVATE KEY-----/g, "****");
}

/** A part of at most `bytes` characters, with a last line that says what is missing. Pure. */
function cut(part: BundlePart, bytes: number): BundlePart {
  if (part.text.length <= bytes) return part;
  const left = part.text.length - bytes;
  return {
    ...part,
    text: `${part.text.slice(0, bytes)}\n… ${left} characters left out\n`,
    problem: part.problem ?? `cut: ${left} characters left out`,
  };
}

/** The parts as one archive below a folder of its own. */
export function packBundle(folder: string, parts: readonly BundlePart[]): Uint8Array {
  const contents = parts.map(({ name, text, problem }) =>
    `${name}  ${text.length} characters${problem === null ? "" : `  (${problem})`}`
  );
  const files = Object.fromEntries(
    parts.map(({ name, text }) => [`${folder}/${name}`, strToU8(text)]),
  );
  const list = strToU8(contents.join("\n") + "\n");
  return zipSync({ ...files, [`${folder}/CONTENTS.txt`]: list }, { level: 6 });
}
