/// <reference lib="dom" />
/**
 * What needs a person now: unacknowledged alarms by priority, silent equipment, jobs and agents in trouble.
 *
 * 1. Before everything was told, or while it cannot be, nobody is told that nothing needs a person.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import type { AgentView } from "@shared/api.ts";
import type { JobSummary } from "@shared/job_api.ts";
import type { AlarmPriority, AlarmView, PlantView } from "@shared/plant_api.ts";
import { countText, NONE, plural } from "../format.ts";
import { hrefOf } from "../router.ts";
import { type Resource, useAnswer, useAnswers } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { type AlarmCounts, PRIORITIES } from "./alarm_filter.ts";
import { Section } from "./frame.tsx";
import { FreshnessSign } from "./freshness_mark.tsx";
import { agentMark, jobMark, PRIORITY_RANK, type Tone } from "./health.ts";
import { Age, Badge, PriorityMark, PriorityShape } from "./marks.tsx";

const ALARMS_SHOWN = 5;
const ROWS_SHOWN = 4;
const COUNT_EVERY_MS = 10_000;
const HEARTBEAT_MS = 5_000;

export function Attention(props: { readonly plant: Resource<PlantView> }) {
  const { hub } = useServices();
  const state = "unacknowledged";
  const counts = useAnswer(hub.alarms.count, { query: { state } }, ["alarm"], COUNT_EVERY_MS);
  const priorities = counts.value === null ? [] : urgentOf(counts.value);
  const alarms = useAnswers(
    hub.alarms,
    priorities.length === 0
      ? null
      : { query: { state, limit: "50", priority: priorities.join(",") } },
    ["alarm"],
  );
  // Those that have ended would push running ones off the page.
  const running = { query: { limit: "200", state: "running" } } as const;
  const jobs = useAnswers(hub.jobs, running, ["job", "region"]);
  const agents = useAnswers(
    hub.agents,
    { query: { limit: "200" } },
    ["agent", "region"],
    HEARTBEAT_MS,
  );
  const troubled = jobs.value?.items.filter(({ status }) => status !== "running") ?? null;
  const away = agents.value?.items.filter(({ status }) => status !== "online") ?? null;
  const all = [counts, alarms, jobs, agents, props.plant];
  const failure = all.find((resource) => resource.failure !== null)?.failure ?? null;
  const hasAlarms = counts.value !== null && (priorities.length === 0 || alarms.value !== null);
  const isKnown = hasAlarms && troubled !== null && away !== null;
  return (
    <Section title="What needs attention">
      {failure === null ? null : (
        <div class="notice tone-bad" role="alert">
          <p>{failure}{isKnown ? " What follows is older." : ""}</p>
          <button type="button" onClick={() => all.forEach(({ reload }) => reload())}>
            Try again
          </button>
        </div>
      )}
      <div class="attention">
        <AlarmFigure counts={counts.value} />
        <SilentFigure plant={props.plant.value} />
        <CountFigure
          label="Jobs not running"
          href={hrefOf({ kind: "jobs" })}
          count={troubled?.length ?? null}
          of={jobs.value?.items.length ?? null}
          calm="all as wanted"
        />
        <CountFigure
          label="Agents away"
          href={hrefOf({ kind: "fleet" })}
          count={away?.length ?? null}
          of={agents.value?.items.length ?? null}
          calm="all online"
        />
      </div>
      <AttentionRows
        alarms={alarms.value?.items ?? []}
        jobs={troubled ?? []}
        agents={away ?? []}
        isKnown={isKnown}
      />
    </Section>
  );
}

/** The highest priorities that fill the list: of a flood of low ones none is fetched in vain. */
function urgentOf(counts: AlarmCounts): AlarmPriority[] {
  const urgent: AlarmPriority[] = [];
  let count = 0;
  for (const priority of PRIORITIES) {
    if (count >= ALARMS_SHOWN) break;
    if (counts.byPriority[priority] === 0) continue;
    urgent.push(priority);
    count += counts.byPriority[priority];
  }
  return urgent;
}

function AttentionFigure(
  props: {
    readonly label: string;
    readonly href: string;
    readonly tone: Tone;
    readonly children: ComponentChildren;
  },
) {
  return (
    <div class={`attention-figure tone-${props.tone}`}>
      <a href={props.href}>{props.label}</a>
      {props.children}
    </div>
  );
}

function AlarmFigure(props: { readonly counts: AlarmCounts | null }) {
  const { counts } = props;
  const urgent = counts === null ? 0 : counts.byPriority.critical + counts.byPriority.high;
  const total = counts?.unacknowledged ?? 0;
  return (
    <AttentionFigure
      label="Unacknowledged alarms"
      href={hrefOf({ kind: "alarms" }, { state: "unacknowledged" })}
      tone={urgent > 0 ? "bad" : total > 0 ? "warn" : "calm"}
    >
      <strong class="figure-value">{counts === null ? NONE : countText(total)}</strong>
      {counts === null || total === 0
        ? <span class="muted">{counts === null ? "" : "none open"}</span>
        : (
          <ul class="tallies" aria-label="Unacknowledged alarms by priority">
            {PRIORITIES.filter((one) => counts.byPriority[one] > 0).map((priority) => (
              <li key={priority}>
                <a
                  class="tally"
                  href={hrefOf({ kind: "alarms" }, { state: "unacknowledged", priority })}
                >
                  <PriorityShape priority={priority} />
                  {countText(counts.byPriority[priority])} {priority}
                </a>
              </li>
            ))}
          </ul>
        )}
    </AttentionFigure>
  );
}

function SilentFigure(props: { readonly plant: PlantView | null }) {
  const whole = props.plant?.nodes[0] ?? null;
  const silent = whole === null ? null : whole.stale + whole.unknown;
  return (
    <AttentionFigure
      label="Equipment without fresh signal"
      href={hrefOf({ kind: "equipmentList" })}
      tone={silent === null || silent > 0 ? "unknown" : "calm"}
    >
      <strong class="figure-value">
        {whole === null ? NONE : `${countText(silent)} of ${countText(whole.equipment)}`}
      </strong>
      {whole === null || silent === 0
        ? <span class="muted">{whole === null ? "" : "all signals are of now"}</span>
        : (
          <span class="tallies">
            <span class="tally">
              <FreshnessSign freshness="stale" />
              {countText(whole.stale)} stale
            </span>
            <span class="tally">
              <FreshnessSign freshness="unknown" />
              {countText(whole.unknown)} unknown
            </span>
          </span>
        )}
    </AttentionFigure>
  );
}

function CountFigure(
  props: {
    readonly label: string;
    readonly href: string;
    readonly count: number | null;
    readonly of: number | null;
    readonly calm: string;
  },
) {
  const { count } = props;
  return (
    <AttentionFigure
      label={props.label}
      href={props.href}
      tone={count !== null && count > 0 ? "warn" : "calm"}
    >
      <strong class="figure-value">
        {count === null ? NONE : `${countText(count)} of ${countText(props.of)}`}
      </strong>
      <span class="muted">{count === 0 ? props.calm : ""}</span>
    </AttentionFigure>
  );
}

/** The single things, most urgent first; long lists end in a link to all of them. */
function AttentionRows(
  props: {
    readonly alarms: readonly AlarmView[];
    readonly jobs: readonly JobSummary[];
    readonly agents: readonly AgentView[];
    /** False while a part of it is not known. */
    readonly isKnown: boolean;
  },
) {
  const { alarms, jobs, agents } = props;
  if (alarms.length + jobs.length + agents.length === 0) {
    return props.isKnown ? <p class="muted">Nothing needs a person now.</p> : null;
  }
  const worst = [...alarms].sort((a, b) =>
    PRIORITY_RANK[a.priority] - PRIORITY_RANK[b.priority] ||
    Number(b.isActive) - Number(a.isActive) || b.raisedAt.localeCompare(a.raisedAt)
  );
  return (
    <ul class="attention-rows" aria-label="What needs attention, most urgent first">
      {worst.slice(0, ALARMS_SHOWN).map((alarm) => <AlarmRow key={alarm.id} alarm={alarm} />)}
      {jobs.slice(0, ROWS_SHOWN).map((job) => (
        <li key={job.id}>
          <Badge mark={jobMark(job.status)} />
          <a href={hrefOf({ kind: "job", jobId: job.id, tab: "graph" })}>{job.name}</a>
          <span>job, {job.regionsRunning} of {plural(job.regionsTotal, "region")} running</span>
        </li>
      ))}
      {agents.slice(0, ROWS_SHOWN).map((agent) => (
        <li key={agent.id}>
          <Badge mark={agentMark(agent.status)} />
          <a href={hrefOf({ kind: "fleet" }, { agent: agent.id })}>{agent.name}</a>
          <span>
            agent, last seen <Age at={agent.lastSeenAt} />
          </span>
        </li>
      ))}
    </ul>
  );
}

function AlarmRow(props: { readonly alarm: AlarmView }) {
  const { alarm } = props;
  const where = { kind: "equipment", equipment: alarm.equipment } as const;
  return (
    <li>
      <PriorityMark priority={alarm.priority} isUnacknowledged />
      <a href={hrefOf(where, { alarm: alarm.id })}>{alarm.equipment}</a>
      <span>{alarm.text}</span>
      <span class="muted">
        {alarm.isActive ? "" : "over, "}
        <Age at={alarm.raisedAt} />
      </span>
    </li>
  );
}
