/// <reference lib="dom" />
/**
 * How an agent stands, as shape and word; and how its way to the hub is doing.
 *
 * @module
 */
import type { AgentView } from "@shared/api.ts";
import { bytesText, durationText, NONE, plural } from "../format.ts";
import { agentMark } from "./health.ts";
import { Badge } from "./marks.tsx";

type Status = AgentView["status"];

export const AGENT_STATES: readonly Status[] = [
  "offline",
  "stale",
  "autonomous",
  "restoring",
  "draining",
  "online",
];

/** One outline for each state, so that it is told apart without colour. */
const SHAPE: Readonly<Record<Status, string>> = {
  online: "M8 3A5 5 0 1 1 8 13A5 5 0 1 1 8 3Z",
  stale: "M8 3A5 5 0 1 1 8 13A5 5 0 1 1 8 3ZM8 5V8L10.5 10",
  offline: "M3 3L13 13M13 3L3 13",
  restoring: "M13 8A5 5 0 1 1 8 3M8 3L11 1M8 3L11 5",
  autonomous: "M8 2L14 13H2Z",
  draining: "M3 4H13L8 13Z",
  removed: "M3 8H13",
};

export function AgentState(props: { readonly status: Status }) {
  const mark = agentMark(props.status);
  return (
    <span class={`agent-state tone-${mark.tone}`}>
      <svg viewBox="0 0 16 16" width="15" height="15" aria-hidden="true">
        <path d={SHAPE[props.status]} />
      </svg>
      <Badge mark={mark} />
    </span>
  );
}

const ROUND_TRIP_WARN_MS = 500;
const UNSENT_WARN_BYTES = 1_000_000;

/** What is wrong with an uplink; null when nothing is. */
export function uplinkTrouble(uplink: AgentView["uplink"]): string | null {
  if (uplink === null) return null;
  if (uplink.unsentBytes > UNSENT_WARN_BYTES) return "backed up";
  if ((uplink.roundTripMs ?? 0) > ROUND_TRIP_WARN_MS) return "slow";
  return null;
}

export function Uplink(props: { readonly uplink: AgentView["uplink"] }) {
  const { uplink } = props;
  if (uplink === null) return <span>{NONE}</span>;
  const trouble = uplinkTrouble(uplink);
  const kept = uplink.keptMessages === 0 ? "" : `, ${plural(uplink.keptMessages, "message")} kept`;
  return (
    <span class="inline">
      {trouble === null ? null : <Badge mark={{ tone: "warn", text: trouble }} />}
      <span>
        {durationText(uplink.roundTripMs)}
        {uplink.unsentBytes === 0 ? "" : `, ${bytesText(uplink.unsentBytes)} unsent`}
        {kept}
      </span>
    </span>
  );
}

export function Labels(props: { readonly labels: Readonly<Record<string, string>> }) {
  const labels = Object.entries(props.labels);
  if (labels.length === 0) return <span class="muted">none</span>;
  return (
    <span class="chips">
      {labels.map(([name, value]) => <span key={name} class="chip">{name}={value}</span>)}
    </span>
  );
}
