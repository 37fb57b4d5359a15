/// <reference lib="dom" />
/**
 * How well the alarms themselves do: how many ring, which ring too often, which stand for ever.
 *
 * Targets after ISA-18.2 and EEMUA 191. Each row leads to its alarms.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import type {
  AlarmFlood,
  AlarmHealth,
  AlarmPriority,
  AlarmSourceCount,
  AlarmView,
} from "@shared/plant_api.ts";
import { read } from "@shared/hub_client.ts";
import { percentText } from "../format.ts";
import { hrefOf } from "../router.ts";
import { PRIORITIES } from "../parts/alarm_filter.ts";
import { AlarmRateChart, RATE_FLOOD, RATE_MANAGEABLE } from "../parts/alarm_rate.tsx";
import { AlarmsHead } from "../parts/alarm_tabs.tsx";
import { Loaded, Section } from "../parts/frame.tsx";
import { Age, Figure, PriorityMark, ShareBar, Time } from "../parts/marks.tsx";
import { Table } from "../parts/table.tsx";
import { TimeRangePicker, useTimeRange } from "../parts/time_range.tsx";
import { instantsOf } from "../parts/time_span.ts";
import { type Resource, until, useResource } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

/** The figures look back over hours: a minute more or less shows nothing. */
const EVERY_MS = 30_000;

export function AlarmHealthPage() {
  const { hub, now } = useServices();
  const time = useTimeRange("24h");
  const health: Resource<AlarmHealth> = useResource<AlarmHealth>(
    time.key,
    (signal) => {
      const query = instantsOf(time.spanAt(now.peek()));
      return read(hub.alarms.health.$get({ query }, until(signal)));
    },
    [],
    EVERY_MS,
  );
  return (
    <>
      <AlarmsHead />
      <TimeRangePicker time={time} onRefresh={health.reload} />
      <Loaded resource={health}>{(found) => <Health health={found} />}</Loaded>
    </>
  );
}

function Health({ health }: { readonly health: AlarmHealth }) {
  return (
    <>
      <Figures health={health} />
      <Section title="Rate">
        <AlarmRateChart spans={health.perTenMinutes} />
      </Section>
      <div class="columns">
        <Section title="Ten that rang most">
          <Sources caption="Ten that rang most" sources={health.topTen} empty="No alarm rang." />
        </Section>
        <Section title="Priorities">
          <PrioritySplit byPriority={health.byPriority} />
        </Section>
      </div>
      <div class="columns">
        <Section title="Chattering">
          <Sources
            caption="Chattering"
            sources={health.chattering}
            empty="Nothing chatters."
          />
        </Section>
        <Section title="Floods">
          <Floods floods={health.floods} />
        </Section>
      </div>
      <Section title="Stale: active for more than 24 h">
        <Stale alarms={health.stale} />
      </Section>
    </>
  );
}

function Figures({ health }: { readonly health: AlarmHealth }) {
  const { averagePerTenMinutes: average, peakPerTenMinutes: peak, floodRatio } = health;
  const list = (state: string) => hrefOf({ kind: "alarms" }, { state });
  return (
    <dl class="figures alarm-figures">
      <Figure
        label="On average in 10 min"
        value={average.toFixed(2)}
        note={`target: under ${RATE_MANAGEABLE}`}
        tone={average > RATE_MANAGEABLE ? "warn" : "calm"}
      />
      <Figure
        label="Most in 10 min"
        value={peak}
        note={`target: under ${RATE_FLOOD}`}
        tone={peak >= RATE_FLOOD ? "warn" : "calm"}
      />
      <Figure
        label="Time in flood"
        value={shareText(floodRatio)}
        note="target: under 1 %"
        tone={floodRatio >= 0.01 ? "warn" : "calm"}
      />
      <Figure
        label="Stale"
        value={health.stale.length}
        note="active for more than 24 h"
        tone={health.stale.length > 0 ? "warn" : "calm"}
      />
      <Figure label="Shelved" value={health.shelved} note="now" href={list("shelved")} />
      <Figure label="Suppressed" value={health.suppressed} note="now" href={list("suppressed")} />
      <Figure
        label="Out of service"
        value={health.outOfService}
        note="now"
        href={list("out-of-service")}
      />
    </dl>
  );
}

/** Small shares matter here: a tenth of a per cent is shown. */
function shareText(share: number): string {
  return share > 0 && share < 0.1 ? `${(share * 100).toFixed(1)} %` : percentText(share);
}

function Sources(
  props: {
    readonly caption: string;
    readonly sources: readonly AlarmSourceCount[];
    readonly empty: ComponentChildren;
  },
) {
  return (
    <Table<AlarmSourceCount>
      caption={props.caption}
      isCaptionHidden
      rows={props.sources}
      rowKey={({ jobId, sinkUid, equipment }) => JSON.stringify([jobId, sinkUid, equipment])}
      empty={props.empty}
      columns={[
        {
          header: "Equipment",
          isWide: true,
          cell: ({ equipment, jobId }) => (
            <a href={hrefOf({ kind: "alarms" }, { state: "all", equipment, job: jobId })}>
              {equipment}
            </a>
          ),
        },
        { header: "Alarm sink", cell: ({ sinkUid }) => sinkUid },
        { header: "Alarms", isNumeric: true, cell: ({ count }) => count },
        { header: "Share", cell: ({ share }) => <ShareBar share={share} warnAbove={0.2} /> },
      ]}
    />
  );
}

/** What EEMUA 191 advises: most alarms low, few high. Medium and low together count as the rest. */
const TARGET: Readonly<Record<AlarmPriority, string>> = {
  critical: "with high: 5 %",
  high: "with critical: 5 %",
  medium: "15 %",
  low: "80 %",
};

function PrioritySplit(
  { byPriority }: { readonly byPriority: Readonly<Record<AlarmPriority, number>> },
) {
  const total = PRIORITIES.reduce((sum, priority) => sum + byPriority[priority], 0);
  const urgent = total === 0 ? 0 : (byPriority.critical + byPriority.high) / total;
  return (
    <>
      <Table<AlarmPriority>
        caption="How often each priority rang"
        isCaptionHidden
        rows={PRIORITIES}
        rowKey={(priority) => priority}
        empty=""
        columns={[
          {
            header: "Priority",
            cell: (priority) => (
              <a href={hrefOf({ kind: "alarms" }, { state: "all", priority })}>
                <PriorityMark priority={priority} />
              </a>
            ),
          },
          { header: "Alarms", isNumeric: true, cell: (priority) => byPriority[priority] },
          {
            header: "Share",
            cell: (priority) => (
              <ShareBar share={total === 0 ? 0 : byPriority[priority] / total} warnAbove={1} />
            ),
          },
          { header: "Target", cell: (priority) => TARGET[priority] },
        ]}
      />
      {urgent > 0.05
        ? (
          <p class="muted">
            {percentText(urgent)} are critical or high: when most is urgent, nothing stands out.
          </p>
        )
        : null}
    </>
  );
}

function Floods({ floods }: { readonly floods: readonly AlarmFlood[] }) {
  return (
    <Table<AlarmFlood>
      caption="Floods"
      isCaptionHidden
      rows={floods}
      rowKey={({ from }) => from}
      empty="No flood."
      columns={[
        {
          header: "From",
          cell: ({ from, to }) => (
            <a href={hrefOf({ kind: "alarms" }, { state: "all", from, to })}>
              <Time at={from} />
            </a>
          ),
        },
        { header: "To", cell: ({ to }) => to === null ? "goes on" : <Time at={to} /> },
        { header: "Alarms", isNumeric: true, cell: ({ count }) => count },
        {
          header: "First came",
          isWide: true,
          cell: ({ firstOut }) => (
            <a href={hrefOf({ kind: "alarms" }, { state: "all", alarm: firstOut.id })}>
              {firstOut.text} on {firstOut.equipment}
            </a>
          ),
        },
      ]}
    />
  );
}

function Stale({ alarms }: { readonly alarms: readonly AlarmView[] }) {
  return (
    <Table<AlarmView>
      caption="Stale alarms"
      isCaptionHidden
      rows={alarms}
      rowKey={({ id }) => id}
      empty="No alarm stands that long."
      columns={[
        { header: "Priority", cell: ({ priority }) => <PriorityMark priority={priority} /> },
        {
          header: "Alarm",
          isWide: true,
          cell: ({ id, text, equipment }) => (
            <a href={hrefOf({ kind: "alarms" }, { state: "active", equipment, alarm: id })}>
              {text} on {equipment}
            </a>
          ),
        },
        { header: "Active since", cell: ({ raisedAt }) => <Age at={raisedAt} /> },
        { header: "Acknowledged by", cell: ({ acknowledgedBy }) => acknowledgedBy ?? "nobody" },
      ]}
    />
  );
}
