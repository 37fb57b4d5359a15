/**
 * The newest lines of the hub's log and of its agents' logs, in memory.
 *
 * Pure but for the listeners it calls. Bounded: so many lines of the hub, so many of each agent, so many
 * agents; the oldest go first. Invariant: no secret that goes by a known name or shape is kept or passed on,
 * whoever wrote it.
 *
 * @module
 */
import type { LogView } from "@shared/api.ts";
import type { LogLine } from "@shared/messages.ts";

export const HUB_LINES_MAX = 2_000;
export const AGENT_LINES_MAX = 500;
const AGENTS_MAX = 100;
const LINE_CHARS_MAX = 16_384;
const DEPTH_MAX = 6;
const LEVELS = ["debug", "info", "warn", "error"] as const;
const HIDDEN = "[hidden]";
/** Names of fields whose value is never shown. */
const SECRET_NAME =
  /pass(word|phrase)|secret|credential(?!s?Id)|authorization|cookie|^(api|join)?token$/i;
/** Shapes of secrets within texts: our tokens, passwords in addresses, signatures of signed addresses. */
const SECRET_SHAPES: readonly (readonly [RegExp, string])[] = [
  [/\b(p(?:st|ag|j)_)[\w.-]{8,}/g, `$1${HIDDEN}`],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:)[^\s/@]+@/gi, `$1${HIDDEN}@`],
  [/([?&](?:X-Amz-Signature|X-Amz-Credential|signature|sig|token|key)=)[^\s&"']+/gi, `$1${HIDDEN}`],
  [/(bearer\s+)[\w.~+/=-]+/gi, `$1${HIDDEN}`],
];

/** Which lines are asked for. */
export interface LogFilter {
  /** `hub`, or the name of an agent. */
  readonly source?: string | undefined;
  /** This level and above. */
  readonly level?: LogView["level"] | undefined;
  readonly jobId?: string | undefined;
}

/** A line and the moment it came, which orders lines of several machines. */
interface Kept {
  readonly nth: number;
  readonly line: LogView;
}

export class LogBook {
  readonly #lines = new Map<string, Kept[]>();
  readonly #listeners = new Set<(line: LogView) => void>();
  #count = 0;
  #isTelling = false;

  /** @param text One JSON object, as the hub's logger writes it. */
  addOwn(text: string): void {
    if (text.length > LINE_CHARS_MAX) return;
    const { at, level, message, ...fields } = JSON.parse(text);
    this.#add({ at, source: "hub", level, message, fields }, HUB_LINES_MAX);
  }

  /** @param agent Name of the agent that wrote them. */
  addAgents(agent: string, lines: readonly LogLine[]): void {
    for (const { atMs, level, message, fields } of lines) {
      const at = new Date(Math.min(Math.max(atMs, 0), 8.64e15)).toISOString();
      this.#add({ at, source: agent, level, message, fields }, AGENT_LINES_MAX);
    }
  }

  /** The newest `limit` lines that match, oldest first. */
  select(filter: LogFilter, limit: number): LogView[] {
    const sources = filter.source === undefined
      ? [...this.#lines.values()]
      : [this.#lines.get(filter.source) ?? []];
    return sources.flat().filter(({ line }) => matchesLog(line, filter))
      .sort((a, b) => a.nth - b.nth).slice(-limit).map(({ line }) => line);
  }

  /** @returns Ends it. Lines that a listener causes are kept, and not told. */
  subscribe(listener: (line: LogView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #add(raw: LogView, linesMax: number): void {
    const line: LogView = {
      ...raw,
      message: cleanText(raw.message),
      fields: clean(raw.fields, 0) as LogView["fields"],
    };
    const kept = this.#lines.get(line.source) ?? [];
    this.#lines.delete(line.source);
    this.#lines.set(line.source, kept);
    kept.push({ nth: this.#count++, line });
    if (kept.length > linesMax) kept.shift();
    if (this.#lines.size > AGENTS_MAX + 1) this.#forgetOne();
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (const listener of this.#listeners) listener(line);
    this.#isTelling = false;
  }

  /** The agent that was silent longest. */
  #forgetOne(): void {
    const oldest = [...this.#lines.keys()].find((source) => source !== "hub");
    if (oldest !== undefined) this.#lines.delete(oldest);
  }
}

export function matchesLog(line: LogView, { source, level, jobId }: LogFilter): boolean {
  return (source === undefined || line.source === source) &&
    (level === undefined || LEVELS.indexOf(line.level) >= LEVELS.indexOf(level)) &&
    (jobId === undefined || line.fields["jobId"] === jobId);
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value === "string") return cleanText(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEPTH_MAX) return HIDDEN;
  if (Array.isArray(value)) return value.map((one) => clean(one, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map((
      [name, one],
    ) => [name, SECRET_NAME.test(name) ? HIDDEN : clean(one, depth + 1)]),
  );
}

function cleanText(text: string): string {
  return SECRET_SHAPES.reduce((rest, [shape, by]) => rest.replace(shape, by), text);
}
