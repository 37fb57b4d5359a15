/// <reference lib="dom" />
/**
 * The alarm list: what needs a response, filtered by state, acknowledged one by one or together.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { AlarmView } from "@shared/api.ts";
import { plural } from "../format.ts";
import { AlarmTable } from "../parts/alarm_table.tsx";
import { Choice } from "../parts/choice.tsx";
import { LoadedList, PageHead, Section } from "../parts/frame.tsx";
import { PRIORITY_RANK } from "../parts/health.ts";
import { failureText } from "../state/api_client.ts";
import { type ListResource, useList } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { mayOperate } from "../state/session.ts";

/** The hub takes no more in one call. */
const ALARMS_PER_CALL = 1000;
const FILTERS = [
  { value: "active", text: "Active" },
  { value: "unacknowledged", text: "Unacknowledged" },
  { value: "all", text: "All" },
] as const;
type Filter = typeof FILTERS[number]["value"];

export function AlarmsPage() {
  const { router } = useServices();
  const chosen = router.route.value.query["state"];
  const filter = FILTERS.find((one) => one.value === chosen)?.value ?? "active";
  const alarms = useList<AlarmView>(`/alarms?state=${filter}&limit=100`, ["alarm"]);
  return (
    <>
      <PageHead title="Alarms" />
      <Section
        title={FILTERS.find((one) => one.value === filter)!.text}
        actions={
          <Choice<Filter>
            legend="Which alarms"
            name="alarm-state"
            options={FILTERS}
            chosen={filter}
            onChoose={(state) => router.choose({ state })}
          />
        }
      >
        <AlarmList key={filter} alarms={alarms} filter={filter} />
      </Section>
    </>
  );
}

const EMPTY: Readonly<Record<Filter, string>> = {
  active: "No alarm is active.",
  unacknowledged: "Every alarm is acknowledged.",
  all: "No alarm was ever raised.",
};

function AlarmList(
  props: { readonly alarms: ListResource<AlarmView>; readonly filter: Filter },
) {
  const { session } = useServices();
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const acknowledge = useAcknowledge(props.alarms);
  const mayAct = mayOperate(session.session.value);
  const toggle = (id: string) => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    setSelected(next);
  };
  return (
    <LoadedList list={props.alarms}>
      {(items) => {
        const sorted = [...items].sort(mostUrgentFirst);
        const open = sorted.filter((alarm) => !alarm.isAcknowledged);
        const chosen = open.filter((alarm) => selected.has(alarm.id));
        const acknowledgeChosen = async () => {
          await acknowledge(chosen);
          setSelected(new Set());
        };
        return (
          <>
            {mayAct && open.length > 0
              ? (
                <div class="row bulk">
                  <button
                    type="button"
                    onClick={() => setSelected(new Set(open.map((alarm) => alarm.id)))}
                  >
                    Select all {open.length}
                  </button>
                  <button
                    type="button"
                    disabled={chosen.length === 0}
                    onClick={acknowledgeChosen}
                  >
                    Acknowledge selected ({chosen.length})
                  </button>
                </div>
              )
              : null}
            <AlarmTable
              alarms={sorted}
              empty={EMPTY[props.filter]}
              selection={mayAct ? { ids: selected, toggle } : null}
              onAcknowledge={mayAct ? (alarm) => void acknowledge([alarm]) : null}
            />
          </>
        );
      }}
    </LoadedList>
  );
}

/** Acknowledges alarms and says how many were; the list is fetched afresh. */
export function useAcknowledge(
  list: { reload(): void },
): (alarms: readonly AlarmView[]) => Promise<void> {
  const { api, toasts } = useServices();
  return async (alarms) => {
    try {
      const ids = alarms.map(({ id }) => id);
      for (let from = 0; from < ids.length; from += ALARMS_PER_CALL) {
        await api.post("/alarms/ack", { ids: ids.slice(from, from + ALARMS_PER_CALL) });
      }
      toasts.done(`${plural(ids.length, "alarm")} acknowledged.`);
    } catch (thrown) {
      toasts.failed(`Not all alarms were acknowledged. ${failureText(thrown)}`);
    }
    list.reload();
  };
}

function mostUrgentFirst(a: AlarmView, b: AlarmView): number {
  return Number(b.isActive) - Number(a.isActive) ||
    Number(a.isAcknowledged) - Number(b.isAcknowledged) ||
    PRIORITY_RANK[a.priority] - PRIORITY_RANK[b.priority] ||
    b.raisedAt.localeCompare(a.raisedAt);
}
