/// <reference lib="dom" />
/**
 * One equipment: its signals live or past, its alarms, and the same as tables.
 *
 * @module
 */
import { useEffect, useRef } from "preact/hooks";
import type { AlarmView, EquipmentView, Page, SampleSeries } from "@shared/api.ts";
import { AlarmTable } from "../parts/alarm_table.tsx";
import { Choice } from "../parts/choice.tsx";
import { withLiveSample, worstFirst } from "../parts/equipment_live.ts";
import { Loaded, LoadedList, PageHead, Section } from "../parts/frame.tsx";
import { equipmentMark } from "../parts/health.ts";
import { Badge } from "../parts/marks.tsx";
import { SignalCharts } from "../parts/signal_charts.tsx";
import { hrefOf } from "../router.ts";
import { useList, useResource } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { mayOperate } from "../state/session.ts";
import { useAcknowledge } from "./alarms.tsx";

const MINUTE_MS = 60_000;

/** Ranges up to `isLive` grow with the stream; longer ones are fetched again as the clock moves on. */
const RANGES = [
  { value: "5m", text: "5 min", spanMs: 5 * MINUTE_MS, refetchMs: 60 * MINUTE_MS, isLive: true },
  { value: "1h", text: "1 h", spanMs: 60 * MINUTE_MS, refetchMs: 15_000, isLive: false },
  { value: "6h", text: "6 h", spanMs: 360 * MINUTE_MS, refetchMs: 60_000, isLive: false },
] as const;
type RangeName = typeof RANGES[number]["value"];

export function EquipmentPage(props: { readonly equipment: string }) {
  const { router } = useServices();
  const chosen = router.route.value.query["range"];
  const range = RANGES.find((one) => one.value === chosen) ?? RANGES[0];
  const named = `equipment=${encodeURIComponent(props.equipment)}`;
  const alarms = useList<AlarmView>(`/alarms?state=all&limit=100&${named}`, ["alarm"]);
  const own = alarms.value?.items.filter((alarm) => alarm.equipment === props.equipment) ?? [];
  return (
    <>
      <PageHead
        title={props.equipment}
        trail={[{ text: "Equipment", href: hrefOf({ kind: "equipmentList" }) }]}
      >
        <EquipmentHealth equipment={props.equipment} />
      </PageHead>
      <Section
        title="Signals"
        actions={
          <Choice<RangeName>
            legend="Time range"
            name="range"
            options={RANGES}
            chosen={range.value}
            onChoose={(value) => router.choose({ range: value })}
          />
        }
      >
        <Signals equipment={props.equipment} range={range} alarms={own} />
      </Section>
      <Section title="Alarms of this equipment">
        <EquipmentAlarms alarms={alarms} own={own} />
      </Section>
    </>
  );
}

function EquipmentAlarms(
  props: {
    readonly alarms: ReturnType<typeof useList<AlarmView>>;
    readonly own: readonly AlarmView[];
  },
) {
  const { session } = useServices();
  const acknowledge = useAcknowledge(props.alarms);
  const mayAct = mayOperate(session.session.value);
  return (
    <LoadedList list={props.alarms}>
      {() => (
        <AlarmTable
          alarms={props.own}
          empty="This equipment never raised an alarm."
          selection={null}
          onAcknowledge={mayAct ? (alarm) => void acknowledge([alarm]) : null}
        />
      )}
    </LoadedList>
  );
}

function EquipmentHealth(props: { readonly equipment: string }) {
  const { live, now } = useServices();
  const list = useList<EquipmentView>("/equipment?limit=200", ["alarm"]);
  const own = list.value?.items.filter((one) => one.equipment === props.equipment) ?? [];
  const worst = own.map((one) => withLiveSample(one, live.samples.value)).sort(worstFirst)[0];
  if (list.value === null) return null;
  const unheard = { activeAlarms: 0, lastAt: null };
  return <Badge mark={equipmentMark(worst ?? unheard, now.value)} />;
}

function Signals(
  props: {
    readonly equipment: string;
    readonly range: typeof RANGES[number];
    readonly alarms: readonly AlarmView[];
  },
) {
  const { api, now } = useServices();
  const { equipment, range } = props;
  const path = `/equipment/${encodeURIComponent(equipment)}/samples`;
  const series = useResource<readonly SampleSeries[]>(
    `${path}?${range.value}`,
    async (signal) => {
      const toMs = now.peek();
      const from = new Date(toMs - range.spanMs).toISOString();
      const query = new URLSearchParams({ from, to: new Date(toMs).toISOString() });
      return (await api.get<Page<SampleSeries>>(`${path}?${query}`, signal)).items;
    },
    [],
  );
  const step = Math.floor(now.value / range.refetchMs);
  const lastStep = useRef(step);
  useEffect(() => {
    if (lastStep.current !== step) series.reload();
    lastStep.current = step;
  }, [step]);
  return (
    <Loaded resource={series}>
      {(items) =>
        items.length === 0
          ? <p class="empty">No signal was recorded in the last {range.text}.</p>
          : items.map((one) => (
            <SignalCharts
              key={`${one.jobId}/${one.operatorUid}`}
              series={one}
              spanMs={range.spanMs}
              isLive={range.isLive}
              alarms={props.alarms.filter((alarm) => alarm.jobId === one.jobId)}
            />
          ))}
    </Loaded>
  );
}
