/// <reference lib="dom" />
/**
 * The controls that choose which alarms are listed; every choice is in the address.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { AlarmPriority } from "@shared/plant_api.ts";
import { hrefOf } from "../router.ts";
import { useAnswer, useAnswers } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import {
  ALARM_STATES,
  type AlarmFilter,
  type AlarmStateChoice,
  isNarrowed,
  PRIORITIES,
} from "./alarm_filter.ts";
import { Choice } from "./choice.tsx";
import { PriorityMark } from "./marks.tsx";

/** Typed letters wait this long for the next one. */
const TYPING_PAUSE_MS = 350;

export function AlarmFilters(
  props: { readonly filter: AlarmFilter; readonly children?: ComponentChildren },
) {
  const { router } = useServices();
  const { filter } = props;
  return (
    <div class="filters">
      <StateChoice filter={filter} />
      <PriorityChoice filter={filter} />
      <JobChoice jobId={filter.jobId} />
      <SearchField
        label="Search"
        value={filter.search}
        placeholder="equipment or text"
        onSearch={(search) => router.choose({ search })}
      />
      <SearchField
        label="Part of the plant"
        value={filter.path}
        placeholder="area/line"
        onSearch={(path) => router.choose({ path })}
      />
      {props.children}
      <Chosen filter={filter} />
    </div>
  );
}

/** Shelved alarms do not ring: their number is always to be seen. */
function StateChoice({ filter }: { readonly filter: AlarmFilter }) {
  const { hub, router } = useServices();
  const shelved = useAnswer(
    hub.alarms.count,
    { query: { state: "shelved" } },
    ["alarm"],
    60_000,
  );
  const options = ALARM_STATES.map(({ value, text }) => ({
    value,
    text: value === "shelved" && (shelved.value?.total ?? 0) > 0
      ? `${text} (${shelved.value!.total})`
      : text,
  }));
  return (
    <Choice<AlarmStateChoice>
      legend="Which alarms"
      name="alarm-state"
      options={options}
      chosen={filter.state}
      onChoose={(state) => router.choose({ state: state === "attention" ? null : state })}
    />
  );
}

function PriorityChoice({ filter }: { readonly filter: AlarmFilter }) {
  const { router } = useServices();
  const turn = (priority: AlarmPriority) => {
    const chosen = new Set(filter.priorities);
    if (!chosen.delete(priority)) chosen.add(priority);
    router.choose({ priority: PRIORITIES.filter((one) => chosen.has(one)).join(",") });
  };
  return (
    <fieldset class="priority-choice">
      <legend class="visually-hidden">Priorities</legend>
      {PRIORITIES.map((priority) => (
        <label key={priority}>
          <input
            type="checkbox"
            checked={filter.priorities.includes(priority)}
            onChange={() => turn(priority)}
          />
          <PriorityMark priority={priority} />
        </label>
      ))}
    </fieldset>
  );
}

export function JobChoice(props: { readonly jobId: string }) {
  const { hub, router } = useServices();
  const jobs = useAnswers(hub.jobs, { query: { limit: "200" } }, ["job"]);
  return (
    <label class="filter">
      <span>Job</span>
      <select
        value={props.jobId}
        onChange={(event) => router.choose({ job: event.currentTarget.value })}
      >
        <option value="">all</option>
        {(jobs.value?.items ?? []).map((job) => (
          <option key={job.id} value={job.id}>{job.name}</option>
        ))}
      </select>
    </label>
  );
}

/** A field whose text becomes a choice once typing pauses. */
export function SearchField(
  props: {
    readonly label: string;
    readonly value: string;
    readonly placeholder?: string;
    readonly onSearch: (text: string) => void;
  },
) {
  const { clock } = useServices();
  const [text, setText] = useState(props.value);
  useEffect(() => setText(props.value), [props.value]);
  useEffect(() => {
    if (text.trim() === props.value) return;
    return clock.after(TYPING_PAUSE_MS, () => props.onSearch(text.trim()));
  }, [text]);
  return (
    <label class="filter">
      <span>{props.label}</span>
      <input
        type="search"
        value={text}
        placeholder={props.placeholder ?? ""}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </label>
  );
}

/** What a link of another page chose, and the way back to everything. */
function Chosen({ filter }: { readonly filter: AlarmFilter }) {
  if (!isNarrowed(filter)) return null;
  const { equipment, from, to } = filter;
  const state = filter.state === "attention" ? null : filter.state;
  return (
    <span class="row">
      {equipment === "" ? null : <span class="chip">equipment {equipment}</span>}
      {from === "" ? null : <span class="chip">since {from}</span>}
      {to === "" ? null : <span class="chip">until {to}</span>}
      <a href={hrefOf({ kind: "alarms" }, { state })}>Clear filters</a>
    </span>
  );
}
