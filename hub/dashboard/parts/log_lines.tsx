/// <reference lib="dom" />
/**
 * The newest lines that the hub or an agent logged: by level, followed as they come, held when read.
 *
 * @module
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { LogView } from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import { timeText } from "../format.ts";
import { until, useResource } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { Choice } from "./choice.tsx";
import { Loaded } from "./frame.tsx";

/** Lines of one source or of one job; with neither, of all. */
export interface LogScope {
  readonly source?: string;
  readonly jobId?: string;
}

const LINES = 200;
/** Lines kept on the page while it follows. */
const LINES_MAX = 1_000;
const LEVELS = ["debug", "info", "warn", "error"] as const;
type Level = LogView["level"];

export function LogLines(props: { readonly scope: LogScope }) {
  const { router } = useServices();
  const [isFollowing, setIsFollowing] = useState(true);
  const chosen = router.route.value.query["level"];
  const level = LEVELS.find((one) => one === chosen) ?? "info";
  const log = useLog(props.scope, level, isFollowing);
  return (
    <>
      <div class="row">
        <Choice<Level>
          legend="From level"
          name="log-level"
          options={LEVELS.map((value) => ({ value, text: value }))}
          chosen={level}
          onChoose={(value) => router.choose({ level: value === "info" ? null : value })}
        />
        <button
          type="button"
          aria-pressed={isFollowing}
          onClick={() => {
            // What came while it was held is in the next answer.
            if (!isFollowing) log.reload();
            setIsFollowing(!isFollowing);
          }}
        >
          {isFollowing ? "Following: hold" : "Held: follow"}
        </button>
      </div>
      <Loaded resource={log}>
        {(lines) => <Lines lines={lines} isFollowing={isFollowing} />}
      </Loaded>
    </>
  );
}

/** The newest lines, oldest first, with those that came since over the stream. */
function useLog(scope: LogScope, level: Level, isFollowing: boolean) {
  const { hub, stream } = useServices();
  const [since, setSince] = useState<readonly LogView[]>([]);
  const key = `${scope.source ?? ""}/${scope.jobId ?? ""}/${level}`;
  const fetched = useResource<readonly LogView[]>(
    key,
    async (signal) => {
      const query = { ...scope, level, limit: String(LINES) };
      const { items } = await read(hub.logs.$get({ query }, until(signal)));
      setSince([]);
      return items;
    },
    [],
  );
  useEffect(() => {
    if (!isFollowing) return;
    return stream.on(["log"], (event) => {
      const line = lineOf(event);
      if (line === null || !isWanted(line, scope, level)) return;
      setSince((lines) => [...lines, line].slice(-LINES_MAX));
    });
  }, [key, isFollowing]);
  return {
    ...fetched,
    value: fetched.value === null ? null : [...fetched.value, ...since].slice(-LINES_MAX),
  };
}

function lineOf(event: { readonly body: Readonly<Record<string, unknown>> }): LogView | null {
  const { at, source, level, message, fields } = event.body;
  if (typeof message !== "string" || typeof source !== "string") return null;
  const known = LEVELS.find((one) => one === level);
  if (known === undefined || typeof at !== "string") return null;
  return { at, source, level: known, message, fields: (fields ?? {}) as LogView["fields"] };
}

export function isWanted(line: LogView, scope: LogScope, level: Level): boolean {
  if (LEVELS.indexOf(line.level) < LEVELS.indexOf(level)) return false;
  if (scope.source !== undefined && line.source !== scope.source) return false;
  return scope.jobId === undefined || line.fields["jobId"] === scope.jobId;
}

function Lines(props: { readonly lines: readonly LogView[]; readonly isFollowing: boolean }) {
  const { lines, isFollowing } = props;
  const host = useRef<HTMLDivElement>(null);
  const newest = lines.at(-1);
  useEffect(() => {
    if (isFollowing && host.current !== null) host.current.scrollTop = host.current.scrollHeight;
  }, [newest, isFollowing]);
  if (lines.length === 0) return <p class="empty">Nothing of this level was logged.</p>;
  return (
    <div ref={host} class="log" role="log" aria-label="Log" aria-live="off" tabIndex={0}>
      {lines.map((line, index) => (
        <p key={`${line.at} ${index}`} class={`log-line log-${line.level}`}>
          <time dateTime={line.at}>{timeText(line.at)}</time>
          <span class="log-level">{line.level}</span>
          <span class="log-source">{line.source}</span>
          <span class="log-message">
            {line.message} <span class="muted">{fieldsText(line.fields)}</span>
          </span>
        </p>
      ))}
    </div>
  );
}

/** `name=value`, values that are no texts as JSON. */
export function fieldsText(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}
