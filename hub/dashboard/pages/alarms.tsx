/// <reference lib="dom" />
/**
 * The alarm list: what needs attention, filtered by the address, with one alarm opened beside it.
 *
 * @module
 */
import { alarmFilterOf, alarmPath, type AlarmStateChoice } from "../parts/alarm_filter.ts";
import { AlarmFilters } from "../parts/alarm_filters.tsx";
import { AlarmList, type AlarmOrder } from "../parts/alarm_list.tsx";
import { AlarmPanel } from "../parts/alarm_panel.tsx";
import { AlarmsHead } from "../parts/alarm_tabs.tsx";
import { Choice } from "../parts/choice.tsx";
import { FloodBanner, FloodGroups, useFlood } from "../parts/flood.tsx";
import { useServices } from "../state/services.ts";

const EMPTY: Readonly<Record<AlarmStateChoice, string>> = {
  "attention": "Nothing needs attention.",
  "active": "No alarm is active.",
  "unacknowledged": "Every alarm is acknowledged.",
  "shelved": "Nothing is shelved.",
  "suppressed": "Nothing is suppressed.",
  "out-of-service": "No alarm is out of service.",
  "all": "No alarm was ever raised.",
};

export function AlarmsPage() {
  const { router } = useServices();
  const { query } = router.route.value;
  const filter = alarmFilterOf(query);
  const order: AlarmOrder = query["order"] === "newest" ? "newest" : "urgent";
  const flood = useFlood();
  const isGrouped = flood !== null && query["group"] === "flood";
  const openId = query["alarm"] ?? null;
  return (
    <>
      <AlarmsHead />
      {flood === null ? null : <FloodBanner flood={flood} isGrouped={isGrouped} />}
      {flood !== null && isGrouped ? <FloodGroups flood={flood} /> : null}
      <div class={`alarm-seat${openId === null ? "" : " has-panel"}`}>
        <section class="section" aria-label="Alarm list">
          <AlarmFilters filter={filter}>
            <OrderChoice order={order} />
          </AlarmFilters>
          <AlarmList
            key={alarmPath(order, filter)}
            filter={filter}
            order={order}
            openId={openId}
            empty={EMPTY[filter.state]}
          />
        </section>
        {openId === null ? null : <AlarmPanel key={openId} id={openId} />}
      </div>
    </>
  );
}

function OrderChoice(props: { readonly order: AlarmOrder }) {
  const { router } = useServices();
  return (
    <Choice<AlarmOrder>
      legend="Order"
      name="alarm-order"
      options={[{ value: "urgent", text: "Most urgent first" }, {
        value: "newest",
        text: "Newest first",
      }]}
      chosen={props.order}
      onChoose={(order) => router.choose({ order: order === "urgent" ? null : order })}
    />
  );
}
