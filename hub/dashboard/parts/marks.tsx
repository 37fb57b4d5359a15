/// <reference lib="dom" />
/**
 * Small signs: state badges, alarm priorities, bars, figures. Each says in text what it says in colour.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { ageText, percentText, timeText } from "../format.ts";
import { useServices } from "../state/services.ts";
import { isPriority, type Mark, type Priority, PRIORITY_RANK } from "./health.ts";
import { instantText, zoneOf } from "./time_span.ts";

export function Badge(props: { readonly mark: Mark }) {
  return <span class={`badge tone-${props.mark.tone}`}>{props.mark.text}</span>;
}

const SHAPE: Readonly<Record<Priority, string>> = {
  critical: "M2 2H14V14H2Z",
  high: "M8 1L15 14H1Z",
  medium: "M8 1L15 8L8 15L1 8Z",
  low: "M8 2A6 6 0 1 1 8 14A6 6 0 1 1 8 2Z",
};

/** Shape, number and word: colour is never the only sign. */
export function PriorityMark(
  props: { readonly priority: string; readonly isUnacknowledged?: boolean },
) {
  const { priority } = props;
  if (!isPriority(priority)) return <span>{priority}</span>;
  const attention = props.isUnacknowledged === true ? " unacknowledged" : "";
  return (
    <span class={`priority priority-${priority}${attention}`}>
      <PriorityShape priority={priority} />
      <span>{priority}</span>
    </span>
  );
}

/** The shape with its number alone, for where the word stands nearby. */
export function PriorityShape(props: { readonly priority: Priority }) {
  const { priority } = props;
  return (
    <svg
      class={`priority-shape shape-${priority}`}
      viewBox="0 0 16 16"
      width="18"
      height="18"
      aria-hidden="true"
    >
      <path d={SHAPE[priority]} />
      <text x="8" y={priority === "high" ? 12.5 : 11.5} text-anchor="middle">
        {PRIORITY_RANK[priority]}
      </text>
    </svg>
  );
}

/** A share as bar and figure; from `warnAbove` on it is abnormal. */
export function ShareBar(
  props: { readonly share: number | null; readonly warnAbove: number; readonly text?: string },
) {
  if (props.share === null) return <span>{percentText(null)}</span>;
  const isHigh = props.share > props.warnAbove;
  const width = `${Math.min(100, Math.max(0, props.share * 100))}%`;
  return (
    <span class={`share${isHigh ? " is-high" : ""}`}>
      <span class="share-track" aria-hidden="true">
        <span class="share-fill" style={{ width }} />
      </span>
      <span>{props.text ?? percentText(props.share)}{isHigh ? " high" : ""}</span>
    </span>
  );
}

/** How long ago; the time itself on hover and for screen readers. */
export function Age(props: { readonly at: string | null }) {
  const { now } = useServices();
  if (props.at === null) return <span>never</span>;
  return <time dateTime={props.at} title={timeText(props.at)}>{ageText(props.at, now.value)}</time>;
}

/** In the zone that the address names, else that of the browser. */
export function Time(props: { readonly at: string | null }) {
  const { router } = useServices();
  if (props.at === null) return <span>{timeText(null)}</span>;
  const zone = zoneOf(router.route.value.query["tz"]);
  return <time dateTime={props.at}>{instantText(Date.parse(props.at), zone)}</time>;
}

/** Who did something: the name, and the id behind it that the audit log and the API know. */
export function Who(props: { readonly principal: string; readonly name: string | null }) {
  if (props.name === null || props.name === props.principal) return <span>{props.principal}</span>;
  return (
    <span>
      {props.name} <span class="muted">({shortPrincipal(props.principal)})</span>
    </span>
  );
}

/** `token:0199…` with the end of its id, where ids of one day differ. */
function shortPrincipal(principal: string): string {
  const [kind, id = ""] = principal.split(":");
  return id.length <= 8 ? principal : `${kind}:…${id.slice(-8)}`;
}

/** One large figure with its name. */
export function Figure(
  props: {
    readonly label: string;
    readonly value: ComponentChildren;
    readonly note?: ComponentChildren;
    readonly tone?: Mark["tone"];
    readonly href?: string;
  },
) {
  const name = props.href === undefined ? props.label : <a href={props.href}>{props.label}</a>;
  return (
    <div class={`figure tone-${props.tone ?? "calm"}`}>
      <dt>{name}</dt>
      <dd>
        <span class="figure-value">{props.value}</span>
        {props.note === undefined ? null : <span class="figure-note">{props.note}</span>}
      </dd>
    </div>
  );
}
