/// <reference lib="dom" />
/**
 * One equipment: its signals live or past, what happened around them, and its alarms with their evidence.
 *
 * @module
 */
import { useMemo, useRef } from "preact/hooks";
import { read } from "@shared/hub_client.ts";
import type { AlarmView, ChartMarker, EquipmentView, SampleSeries } from "@shared/plant_api.ts";
import { alarmRowClass, AlarmStateMark } from "../parts/alarm_marks.tsx";
import { type Band, type Instant } from "../parts/chart.tsx";
import { heardSpans, stateSpans } from "../parts/chart_marks.ts";
import { EvidencePanel } from "../parts/evidence_panel.tsx";
import { Loaded, LoadedList, PageHead, Section } from "../parts/frame.tsx";
import { EquipmentHealth } from "../parts/equipment_health.tsx";
import { MarkerLane, MarkerList } from "../parts/marker_lane.tsx";
import { Age, PriorityMark } from "../parts/marks.tsx";
import { type PlantPath, trailOf } from "../parts/plant_nodes.ts";
import { SignalCharts } from "../parts/signal_charts.tsx";
import {
  signalKeyOf,
  type Tails,
  useRefetch,
  useSamples,
  useTails,
} from "../parts/signal_series.ts";
import { StateLane } from "../parts/state_lane.tsx";
import { Table } from "../parts/table.tsx";
import {
  type ChosenTime,
  TimeRangePicker,
  useShownNow,
  useTimeRange,
} from "../parts/time_range.tsx";
import {
  absoluteRange,
  instantsOf as asInstants,
  type Span,
  type TimeRange,
  widened,
} from "../parts/time_span.ts";
import { hrefOf } from "../router.ts";
import {
  type ListResource,
  type Resource,
  until,
  useAnswers,
  useResource,
} from "../state/resource.ts";
import { useServices } from "../state/services.ts";

const SIGNALS_EVERY_MS = 10_000;
const NO_TAIL: Tails = new Map();

export function EquipmentPage(props: { readonly equipment: string }) {
  const { equipment } = props;
  const { hub, router } = useServices();
  const all = { query: { equipment, state: "all", limit: "100" } } as const;
  const alarms = useAnswers(hub.alarms, all, ["alarm"]);
  const views = useAnswers(
    hub.equipment,
    { query: { equipment, limit: "200" } },
    ["alarm"],
    SIGNALS_EVERY_MS,
  );
  const place = usePlace(equipment);
  const own = views.value?.items.filter((view) => view.equipment === equipment) ?? null;
  const time = useTimeRange("1h");
  const opened = router.route.value.query["alarm"];
  return (
    <>
      <PageHead
        title={equipment}
        trail={[
          { text: "Overview", href: hrefOf({ kind: "overview" }) },
          ...trailOf(place),
        ]}
      >
        <EquipmentHealth views={own} />
      </PageHead>
      {opened === undefined ? null : (
        <EvidencePanel
          alarmId={opened}
          zone={time.zone}
          onClose={() => {
            router.choose({ alarm: null });
            // What had the focus is gone; the page is read on from its head.
            globalThis.document.querySelector("h1")?.focus();
          }}
        />
      )}
      <Signals equipment={equipment} time={time} views={own ?? []} alarms={alarms} />
      <Section title="Alarms of this equipment">
        <EquipmentAlarms alarms={alarms} equipment={equipment} />
      </Section>
    </>
  );
}

/** Where it stands in the plant; empty before it is known. */
function usePlace(equipment: string): PlantPath {
  const { hub } = useServices();
  const query = { sort: "name", limit: "100", search: equipment } as const;
  const found = useAnswers(hub.plant.equipment, { query }, []);
  return found.value?.items.find((one) => one.equipment === equipment)?.path ?? [];
}

interface SignalsProps {
  readonly equipment: string;
  readonly time: ChosenTime;
  readonly views: readonly EquipmentView[];
  readonly alarms: ListResource<AlarmView>;
}

function Signals(props: SignalsProps) {
  const { equipment, time, views, alarms } = props;
  const nowMs = useShownNow();
  const series = useSamples(equipment, time, nowMs);
  const markers = useMarkers(equipment, time, nowMs);
  const tails = useTails(equipment, series.reload);
  const refresh = () => {
    series.reload();
    markers.reload();
    alarms.reload();
  };
  return (
    <Section title="Signals">
      <TimeRangePicker time={time} onRefresh={refresh} />
      <Loaded resource={series}>
        {(items) => (
          <SignalStack
            items={items}
            markers={markers.value ?? []}
            failure={markers.failure}
            tails={tails}
            views={views}
            alarms={alarms.value?.items ?? []}
            time={time}
            nowMs={nowMs}
          />
        )}
      </Loaded>
    </Section>
  );
}

function useMarkers(
  equipment: string,
  time: ChosenTime,
  nowMs: number,
): Resource<readonly ChartMarker[]> {
  const { hub } = useServices();
  const markers = useResource<readonly ChartMarker[]>(equipment, async (signal) => {
    const asked = { param: { equipment }, query: asInstants(time.spanAt(nowMs)) };
    return (await read(hub.equipment[":equipment"].markers.$get(asked, until(signal)))).items;
  }, ["alarm", "job", "savepoint", "rollback", "region"]);
  useRefetch(markers, time, nowMs);
  return markers;
}

interface SignalStackProps {
  readonly items: readonly SampleSeries[];
  readonly markers: readonly ChartMarker[];
  readonly failure: string | null;
  readonly tails: Tails;
  readonly views: readonly EquipmentView[];
  readonly alarms: readonly AlarmView[];
  readonly time: ChosenTime;
  readonly nowMs: number;
}

function SignalStack(props: SignalStackProps) {
  const { items, markers, time, nowMs } = props;
  const { router } = useServices();
  const zoom = useZoom(time, nowMs);
  const span = time.spanAt(nowMs);
  const instants = useMemo(() => instantsOf(markers), [markers]);
  const sorted = worstSignalsFirst(items, props.views);
  const isLive = time.range.kind === "relative";
  const tails = isLive ? props.tails : NO_TAIL;
  if (items.length === 0) return <p class="empty">No signal was recorded in this span.</p>;
  return (
    <div class="signals">
      <p class="muted chart-hint">
        Grey band: what the detector expects. Shaded: alarm active. Dashed: threshold of the score.
        A break in the line: nothing was heard. Drag over a chart to see that span, double-click to
        go back.
      </p>
      {props.failure === null ? null : <p class="notice tone-bad" role="alert">{props.failure}</p>}
      <MarkerLane
        markers={markers}
        span={span}
        zone={time.zone}
        onOpenAlarm={(alarm) => router.choose({ alarm })}
      />
      {sorted.map((one) => (
        <SignalCharts
          key={signalKeyOf(one)}
          series={one}
          view={props.views.find((view) => signalKeyOf(view) === signalKeyOf(one)) ?? null}
          tail={tails.get(signalKeyOf(one)) ?? []}
          span={span}
          nowMs={nowMs}
          zone={time.zone}
          bands={bandsOf(one, markers, props.alarms)}
          instants={instants}
          threshold={thresholdOf(one, props.alarms)}
          group="signals"
          onZoom={zoom.into}
          onZoomOut={zoom.back}
        />
      ))}
      <States items={items} markers={markers} tails={tails} span={span} zone={time.zone} />
      <MarkerList markers={markers} zone={time.zone} />
    </div>
  );
}

/** Spans one came from, to go back to; none left, back is out. */
function useZoom(time: ChosenTime, nowMs: number) {
  const before = useRef<TimeRange[]>([]);
  return {
    into(span: Span) {
      // Charts that share a cursor all tell of the one drag.
      if (before.current.at(-1) !== time.range) before.current.push(time.range);
      time.choose(absoluteRange(span));
    },
    back() {
      time.choose(before.current.pop() ?? widened(time.spanAt(nowMs), 2));
    },
  };
}

function States(
  props: {
    readonly items: readonly SampleSeries[];
    readonly markers: readonly ChartMarker[];
    readonly tails: Tails;
    readonly span: Span;
    readonly zone: ChosenTime["zone"];
  },
) {
  const { span } = props;
  const heard = heardSpans(
    props.items.map((series) => ({ series, resolutionMs: series.resolutionMs })),
    span.fromMs,
  );
  const streamed = [...props.tails.values()].flatMap((tail) => {
    const first = tail[0];
    return first === undefined ? [] : [{ fromMs: first.atMs, toMs: tail.at(-1)!.atMs }];
  });
  const alarms = props.markers
    .filter((marker) => marker.kind === "alarm")
    .map((marker) => ({
      fromMs: Date.parse(marker.at),
      toMs: marker.until === null ? span.toMs : Date.parse(marker.until),
    }));
  return <StateLane states={stateSpans(span, alarms, [...heard, ...streamed])} zone={props.zone} />;
}

/** What concerns all signals; alarms begin with their own spans. */
function instantsOf(markers: readonly ChartMarker[]): Instant[] {
  return markers
    .filter(({ kind }) => kind !== "cleared" && kind !== "alarm")
    .map(({ at }) => ({ atMs: Date.parse(at), isAlarm: false }));
}

/** Signals with active alarms first, the rest by name. */
function worstSignalsFirst(
  items: readonly SampleSeries[],
  views: readonly EquipmentView[],
): SampleSeries[] {
  const active = new Map(views.map((view) => [signalKeyOf(view), view.activeAlarms]));
  const rank = (series: SampleSeries) => (active.get(signalKeyOf(series)) ?? 0) > 0 ? 0 : 1;
  return [...items].sort((a, b) =>
    rank(a) - rank(b) || signalKeyOf(a).localeCompare(signalKeyOf(b))
  );
}

/** Alarms of the signal; one that is in no list is taken for one of every signal of its job. */
function bandsOf(
  series: SampleSeries,
  markers: readonly ChartMarker[],
  alarms: readonly AlarmView[],
): Band[] {
  const operatorOf = new Map(alarms.map((alarm) => [alarm.id, alarm.operatorUid]));
  return markers
    .filter(({ kind, jobId }) => kind === "alarm" && jobId === series.jobId)
    .filter(({ alarmId }) =>
      (operatorOf.get(alarmId ?? "") ?? series.operatorUid) === series.operatorUid
    )
    .map((marker) => ({
      fromMs: Date.parse(marker.at),
      toMs: marker.until === null ? null : Date.parse(marker.until),
      label: marker.text,
    }));
}

function thresholdOf(series: SampleSeries, alarms: readonly AlarmView[]): number | null {
  const own = alarms.find((alarm) =>
    signalKeyOf(alarm) === signalKeyOf(series) && alarm.threshold !== null
  );
  return own?.threshold ?? null;
}

function EquipmentAlarms(
  props: { readonly alarms: ListResource<AlarmView>; readonly equipment: string },
) {
  const { router } = useServices();
  const { view, query } = router.route.value;
  return (
    <LoadedList list={props.alarms}>
      {(items) => (
        <Table<AlarmView>
          caption="Alarms"
          isCaptionHidden
          rows={items.filter(({ equipment }) => equipment === props.equipment)}
          rowKey={(row) => row.id}
          rowClass={(row) => `${alarmRowClass(row)}${row.id === query["alarm"] ? " is-open" : ""}`}
          empty="This equipment never raised an alarm."
          columns={[
            {
              header: "Priority",
              cell: (row) => (
                <PriorityMark priority={row.priority} isUnacknowledged={!row.isAcknowledged} />
              ),
            },
            { header: "Alarm", isWide: true, cell: (row) => row.text },
            { header: "State", cell: (row) => <AlarmStateMark alarm={row} /> },
            { header: "Raised", cell: (row) => <Age at={row.raisedAt} /> },
            {
              header: "Evidence",
              cell: (row) => (
                <a href={hrefOf(view, { ...query, alarm: row.id })}>
                  Why<span class="visually-hidden">{row.text} rang at {row.raisedAt}</span>
                </a>
              ),
            },
          ]}
        />
      )}
    </LoadedList>
  );
}
