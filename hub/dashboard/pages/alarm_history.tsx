/// <reference lib="dom" />
/**
 * What alarms did over a span of time: every transition, or every occurrence.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { AlarmStateLabel, AlarmTransitionView, AlarmView } from "@shared/plant_api.ts";
import { read } from "@shared/hub_client.ts";
import { NONE, valueText } from "../format.ts";
import { hrefOf } from "../router.ts";
import { alarmFilterOf, alarmQuery, byNewest } from "../parts/alarm_filter.ts";
import { SearchField } from "../parts/alarm_filters.tsx";
import { ALARM_STATE_LABELS, AlarmStateMark, STATE_TEXT } from "../parts/alarm_marks.tsx";
import { AlarmPanel, KIND_TEXT, transitionText } from "../parts/alarm_panel.tsx";
import { AlarmsHead } from "../parts/alarm_tabs.tsx";
import { Choice } from "../parts/choice.tsx";
import { LoadedRows } from "../parts/loaded_rows.tsx";
import { PriorityMark } from "../parts/marks.tsx";
import { type ChosenTime, TimeRangePicker, useTimeRange } from "../parts/time_range.tsx";
import { instantsOf, instantText, type Zone } from "../parts/time_span.ts";
import { type VirtualColumn, VirtualTable } from "../parts/virtual_table.tsx";
import type { PagedWorld } from "../state/paged_list.ts";
import { usePaged } from "../state/paged_resource.ts";
import { from, until } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

const PAGE_LIMIT = "200";

type Show = "transitions" | "occurrences";

export function AlarmHistoryPage() {
  const { router } = useServices();
  const time = useTimeRange("24h");
  const { query } = router.route.value;
  const show: Show = query["show"] === "occurrences" ? "occurrences" : "transitions";
  const openId = query["alarm"] ?? null;
  const [round, setRound] = useState(0);
  return (
    <>
      <AlarmsHead />
      <div class={`alarm-seat${openId === null ? "" : " has-panel"}`}>
        <section class="section" aria-label="Alarm history">
          <TimeRangePicker time={time} onRefresh={() => setRound(round + 1)} />
          <div class="filters">
            <Choice<Show>
              legend="What is listed"
              name="history-show"
              options={[
                { value: "transitions", text: "Transitions" },
                { value: "occurrences", text: "Occurrences" },
              ]}
              chosen={show}
              onChoose={(next) => router.choose({ show: next === "transitions" ? null : next })}
            />
            <SearchField
              label="Equipment"
              value={query["equipment"] ?? ""}
              placeholder="its whole name"
              onSearch={(equipment) => router.choose({ equipment })}
            />
            {show === "transitions" ? <TransitionFilters /> : null}
          </div>
          {show === "transitions"
            ? <Transitions key={`${round} ${time.key}`} time={time} />
            : <Occurrences key={`${round} ${time.key}`} time={time} />}
        </section>
        {openId === null ? null : <AlarmPanel key={openId} id={openId} />}
      </div>
    </>
  );
}

function TransitionFilters() {
  return (
    <>
      <Pick name="kind" label="What happened" options={Object.entries(KIND_TEXT)} />
      <Pick name="was" label="State before" options={STATES} />
      <Pick name="became" label="State after" options={STATES} />
    </>
  );
}

const STATES = ALARM_STATE_LABELS.map((label) => [label, STATE_TEXT[label]] as const);

function Pick(
  props: {
    readonly name: string;
    readonly label: string;
    readonly options: readonly (readonly [string, string])[];
  },
) {
  const { router } = useServices();
  return (
    <label class="filter">
      <span>{props.label}</span>
      <select
        value={router.route.value.query[props.name] ?? ""}
        onChange={(event) => router.choose({ [props.name]: event.currentTarget.value })}
      >
        <option value="">any</option>
        {props.options.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
      </select>
    </label>
  );
}

function Transitions(props: { readonly time: ChosenTime }) {
  const { hub, now, router } = useServices();
  const { kind = "", equipment = "", ...query } = router.route.value.query;
  const was = labelOf(query["was"]);
  const became = labelOf(query["became"]);
  const [span] = useState(() => instantsOf(props.time.spanAt(now.peek())));
  const asked = {
    limit: PAGE_LIMIT,
    from: span.from,
    ...props.time.range.kind === "absolute" ? { to: span.to } : {},
    ...kind === "" ? {} : { kind },
    ...equipment === "" ? {} : { equipment },
    ...was === null ? {} : { fromState: was },
    ...became === null ? {} : { toState: became },
  };
  const world: PagedWorld<AlarmTransitionView> = {
    load: (cursor, signal) =>
      read(hub.alarms.transitions.$get({ query: { ...asked, ...from(cursor) } }, until(signal))),
    keyOf: ({ id }) => String(id),
    order: (a, b) => b.id - a.id,
  };
  const list = usePaged(JSON.stringify(asked), world, ["alarm"]);
  return (
    <LoadedRows list={list}>
      <VirtualTable<AlarmTransitionView>
        label="Transitions of alarms, newest first"
        rows={list.items}
        rowKey={world.keyOf}
        columns={transitionColumns(props.time.zone)}
        empty="Nothing happened to alarms in this time."
        cardPx={168}
        hasMore={list.hasMore}
        onMore={list.more}
        onSpan={list.seen}
        onOpen={({ alarmId }) => router.choose({ alarm: alarmId })}
      />
    </LoadedRows>
  );
}

const transitionColumns = (zone: Zone): readonly VirtualColumn<AlarmTransitionView>[] => [
  { key: "at", header: "When", width: "166px", cell: ({ at }) => <At at={at} zone={zone} /> },
  {
    key: "priority",
    header: "Priority",
    width: "96px",
    cell: ({ priority }) => <PriorityMark priority={priority} />,
  },
  {
    key: "equipment",
    header: "Equipment",
    width: "minmax(140px, 1fr)",
    cell: ({ equipment }) => (
      <a class="strong" href={hrefOf({ kind: "equipment", equipment })}>{equipment}</a>
    ),
  },
  {
    key: "kind",
    header: "What happened",
    width: "150px",
    cell: (one) => <strong>{transitionText(one)}</strong>,
  },
  {
    key: "states",
    header: "State",
    width: "minmax(250px, 1.1fr)",
    cell: ({ from, to }) => (
      <span>{from === null ? NONE : STATE_TEXT[from]} → {STATE_TEXT[to]}</span>
    ),
  },
  { key: "by", header: "By", width: "120px", cell: ({ by, cause }) => by ?? cause },
  {
    key: "comment",
    header: "Comment",
    width: "minmax(120px, 1fr)",
    inCard: "none",
    cell: ({ comment }) => comment ?? <span class="muted">{NONE}</span>,
  },
  {
    key: "value",
    header: "Value",
    width: "84px",
    isNumeric: true,
    inCard: "none",
    cell: ({ value }) => valueText(value),
  },
];

function Occurrences(props: { readonly time: ChosenTime }) {
  const { hub, now, router } = useServices();
  const [span] = useState(() => instantsOf(props.time.spanAt(now.peek())));
  const asked = alarmQuery({
    ...alarmFilterOf(router.route.value.query),
    state: "all",
    from: span.from,
    to: props.time.range.kind === "absolute" ? span.to : "",
  });
  const world: PagedWorld<AlarmView> = {
    load: (cursor, signal) =>
      read(hub.alarms.$get(
        { query: { limit: PAGE_LIMIT, ...asked, ...from(cursor) } },
        until(signal),
      )),
    keyOf: ({ id }) => id,
    order: byNewest,
  };
  const list = usePaged(JSON.stringify(asked), world, ["alarm"]);
  return (
    <LoadedRows list={list}>
      <VirtualTable<AlarmView>
        label="Occurrences of alarms, newest first"
        rows={list.items}
        rowKey={world.keyOf}
        columns={occurrenceColumns(props.time.zone)}
        empty="No alarm rang in this time."
        cardPx={168}
        hasMore={list.hasMore}
        onMore={list.more}
        onSpan={list.seen}
        onOpen={({ id }) => router.choose({ alarm: id })}
      />
    </LoadedRows>
  );
}

const occurrenceColumns = (zone: Zone): readonly VirtualColumn<AlarmView>[] => [
  {
    key: "raised",
    header: "Raised",
    width: "166px",
    cell: ({ raisedAt }) => <At at={raisedAt} zone={zone} />,
  },
  {
    key: "cleared",
    header: "Over",
    width: "166px",
    cell: ({ clearedAt }) => <At at={clearedAt} zone={zone} />,
  },
  {
    key: "priority",
    header: "Priority",
    width: "96px",
    cell: ({ priority }) => <PriorityMark priority={priority} />,
  },
  {
    key: "equipment",
    header: "Equipment",
    width: "minmax(140px, 1fr)",
    cell: ({ equipment }) => (
      <a class="strong" href={hrefOf({ kind: "equipment", equipment })}>{equipment}</a>
    ),
  },
  { key: "text", header: "Alarm", width: "minmax(160px, 1.2fr)", cell: ({ text }) => text },
  {
    key: "state",
    header: "State now",
    width: "176px",
    cell: (alarm) => <AlarmStateMark alarm={alarm} />,
  },
  {
    key: "by",
    header: "Acknowledged by",
    width: "130px",
    cell: ({ acknowledgedBy }) => acknowledgedBy ?? <span class="muted">{NONE}</span>,
  },
];

/** A time in the zone that the page shows. */
function At(props: { readonly at: string | null; readonly zone: Zone }) {
  if (props.at === null) return <span class="muted">{NONE}</span>;
  return <time dateTime={props.at}>{instantText(Date.parse(props.at), props.zone)}</time>;
}

function labelOf(text: string | undefined): AlarmStateLabel | null {
  return ALARM_STATE_LABELS.find((label) => label === text) ?? null;
}
