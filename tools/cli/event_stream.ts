/**
 * GET /events as the command line reads it: frames of a stream that resumes where it broke off.
 *
 * Touches the network. The reader ends with its signal; a stream that breaks is opened again behind the
 * last event that came.
 *
 * @module
 */
import type { HubApi } from "./hub_api.ts";
import { CliError } from "./hub_api.ts";

const RECONNECT_MS = 1_000;
/** Longer than a proxy or a restart of the hub takes; then the command ends. */
const RECONNECTS_MAX = 60;
/** The hub sends a heartbeat every 15 s. */
const SILENCE_MS = 45_000;

export interface StreamEvent {
  readonly id: number | null;
  readonly at: string;
  readonly type: string;
  readonly jobId: string | null;
  readonly agentId: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface StreamQuery {
  readonly types?: string;
  readonly jobId?: string;
  /** Events behind this one; left out: from now on. */
  readonly since?: number;
}

export interface StreamOptions {
  readonly query: StreamQuery;
  readonly signal: AbortSignal;
  /** Told when the connection broke and is tried again. */
  readonly lost: (reason: string) => void;
  /** Told when the stored events have come, and what comes now happens now. */
  readonly live?: () => void;
}

/** Events as they come, heartbeats left out, until the signal. */
export async function* eventStream(
  api: HubApi,
  { query, signal, lost, live = () => {} }: StreamOptions,
): AsyncGenerator<StreamEvent> {
  let lastId = query.since ?? null;
  for (let failures = 0; !signal.aborted;) {
    try {
      for await (const event of oneConnection(api, { ...query, since: lastId }, signal)) {
        failures = 0;
        if (event === LIVE) {
          live();
          continue;
        }
        if (event.id !== null) lastId = event.id;
        if (event.type !== "heartbeat") yield event;
      }
    } catch (thrown) {
      if (signal.aborted) return;
      failures += 1;
      const isFinal = thrown instanceof Refused || failures > RECONNECTS_MAX;
      if (isFinal) throw thrown;
      lost(thrown instanceof Error ? thrown.message : String(thrown));
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
  }
}

/** What the hub says between stored events and those of now. */
const LIVE = Symbol("live");

/** The hub answered, and not with a stream. */
class Refused extends CliError {}

async function* oneConnection(
  api: HubApi,
  { types, jobId, since }: { types?: string; jobId?: string; since: number | null },
  signal: AbortSignal,
): AsyncGenerator<StreamEvent | typeof LIVE> {
  const query = new URLSearchParams({
    ...(types === undefined ? {} : { types }),
    ...(jobId === undefined ? {} : { jobId }),
  });
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (since !== null) headers["last-event-id"] = String(since);
  const response = await api.raw(`/events?${query}`, headers, signal);
  if (!response.ok || response.body === null) {
    throw new Refused(`The hub gives no event stream: ${await response.text()}`, 1);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await withinSilence(reader.read());
      if (done) throw new Error("the hub closed the stream");
      const frames = (rest + value).split("\n\n");
      rest = frames.pop() ?? "";
      for (const frame of frames) {
        const event = frame === ": live" ? LIVE : decodeFrame(frame);
        if (event !== null) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function withinSilence<T>(read: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    const tell = () => reject(new Error(`the hub was silent for ${SILENCE_MS / 1000} s`));
    timer = setTimeout(tell, SILENCE_MS);
  });
  try {
    return await Promise.race([read, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** The event of one frame; null for a comment. Pure. */
export function decodeFrame(frame: string): StreamEvent | null {
  const lines = frame.split("\n").filter((line) => line.startsWith("data:"));
  if (lines.length === 0) return null;
  return JSON.parse(lines.map((line) => line.slice("data:".length).trim()).join("\n"));
}
