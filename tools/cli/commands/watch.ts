/** `penstock events` and `penstock logs`. Touches the network, the terminal and SIGINT. @module */
import { buildCommand } from "@stricli/core";
import type { LogView } from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import {
  type Call,
  call,
  countFlag,
  docs,
  HUB_FLAGS,
  type HubFlags,
  said,
  switchFlag,
  textFlag,
  timeFlag,
} from "../flags.ts";
import { eventStream, type StreamEvent, type StreamQuery } from "../event_stream.ts";
import { onInterrupt } from "../operations.ts";
import { harmless, painted, print } from "../terminal.ts";

const FOLLOW_ALIASES = { o: "output", q: "quiet", f: "follow" } as const;
const BODY_CHARS_MAX = 160;

type EventsFlags = HubFlags & {
  readonly follow: boolean;
  readonly types?: string;
  readonly job?: string;
  readonly from?: string;
};

export const events = buildCommand({
  docs: docs(
    "Show what happened, or with -f what happens",
    [
      "events --from 1h",
      "events -f --types 'alarm.*,checkpoint.aborted'",
      "events -f --job pump-watch -o json | jq .type",
    ],
    "With -o json one event a line. Following resumes where the connection broke, without a gap, and ends with Ctrl-C.",
  ),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      follow: switchFlag("Go on with what happens from now on"),
      types: textFlag("Only these, separated by commas; alarm.* takes a family", "TYPES"),
      job: textFlag("Only of this job", "JOB"),
      from: timeFlag("Stored ones since: a time, or a span before now such as 2h"),
    },
    aliases: FOLLOW_ALIASES,
  },
  async func(flags: EventsFlags) {
    const { api, out } = call(flags);
    const job = flags.job === undefined ? null : await api.job(flags.job);
    const isPastWanted = !flags.follow || flags.from !== undefined;
    const fromAt = flags.from ??
      (flags.follow ? "" : new Date(Date.now() - 3_600_000).toISOString());
    const query = {
      ...(flags.types === undefined ? {} : { types: flags.types }),
      ...(job === null ? {} : { jobId: job.id }),
      ...(isPastWanted ? { since: 0 } : {}),
    };
    await watch({ api, out }, { query, isFollowing: flags.follow }, (event) => {
      if (event.at < fromAt) return;
      if (!out.isForPeople) return print(JSON.stringify(event));
      print(lineOf(event));
    });
  },
});

function lineOf({ at, type, jobId, agentId, body }: StreamEvent): string {
  const text = JSON.stringify(body);
  const shown = text.length <= BODY_CHARS_MAX ? text : `${text.slice(0, BODY_CHARS_MAX)}…`;
  return harmless([at, type, jobId ?? "-", agentId ?? "-", shown].join("  "));
}

/** Hands on events until Ctrl-C, or to the end of the stored ones. */
async function watch(
  { api, out }: Call,
  { query, isFollowing }: { readonly query: StreamQuery; readonly isFollowing: boolean },
  take: (event: StreamEvent) => void,
): Promise<void> {
  const ended = new AbortController();
  const interrupt = onInterrupt();
  interrupt.promise.then(() => ended.abort());
  const live = () => {
    if (!isFollowing) ended.abort();
  };
  const lost = (reason: string) => out.note(`The connection broke (${reason}): trying again`);
  try {
    for await (const event of eventStream(api, { query, signal: ended.signal, lost, live })) {
      // What happened is stored under an id; what is on its way was never asked for.
      if (isFollowing || event.id !== null) take(event);
    }
  } finally {
    interrupt.dispose();
  }
}

const LEVELS = ["debug", "info", "warn", "error"] as const;

type LogsFlags = HubFlags & {
  readonly follow: boolean;
  readonly source?: string;
  readonly level?: typeof LEVELS[number];
  readonly job?: string;
  readonly limit: number;
};

export const logs = buildCommand({
  docs: docs(
    "Show the newest lines of the hub's and the agents' logs, or with -f go on with them",
    ["logs", "logs -f --level warn", "logs --source gateway-1 --job pump-watch --limit 200"],
    "With -o json one line of JSON for each line of a log.",
  ),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      follow: switchFlag("Go on with lines as they are written"),
      source: textFlag("hub, or the name of an agent", "AGENT"),
      level: { kind: "enum", values: LEVELS, optional: true, brief: "This level and above" },
      job: textFlag("Only of this job", "JOB"),
      limit: countFlag("How many of the newest", 100),
    },
    aliases: FOLLOW_ALIASES,
  },
  async func(flags: LogsFlags) {
    const { api, out } = call(flags);
    const { source, level, limit } = flags;
    const jobId = flags.job === undefined ? undefined : (await api.job(flags.job)).id;
    const show = (line: LogView) => print(out.isForPeople ? logLine(line) : JSON.stringify(line));
    const asked = said({ source, level, jobId, limit: String(limit) });
    const { items } = await read(api.api.logs.$get({ query: asked }));
    items.forEach(show);
    if (!flags.follow) return;
    const query = { types: "log", ...(jobId === undefined ? {} : { jobId }) };
    const levelMin = LEVELS.indexOf(level ?? "debug");
    await watch({ api, out }, { query, isFollowing: true }, (event) => {
      const line = event.body as unknown as LogView;
      if (source !== undefined && line.source !== source) return;
      if (LEVELS.indexOf(line.level) >= levelMin) show({ ...line, at: line.at ?? event.at });
    });
  },
});

function logLine({ at, source, level, message, fields }: LogView): string {
  const paint = level === "error" ? "red" : level === "warn" ? "yellow" : "dim";
  const rest = Object.entries(fields ?? {}).map(([name, value]) =>
    `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`
  );
  const said = harmless([source, message, ...rest].join("  "));
  return `${at}  ${painted(level.padEnd(5), paint)}  ${said}`;
}
