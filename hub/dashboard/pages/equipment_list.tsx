/// <reference lib="dom" />
/**
 * All equipment with its freshest signal; filtered by name and by health.
 *
 * @module
 */
import type { EquipmentView } from "@shared/api.ts";
import { Choice } from "../parts/choice.tsx";
import { withLiveSample } from "../parts/equipment_live.ts";
import { EquipmentTable } from "../parts/equipment_table.tsx";
import { LoadedList, PageHead, Section } from "../parts/frame.tsx";
import { freshnessOf } from "../parts/health.ts";
import { useList } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { DISCOVERY_MS } from "./overview.tsx";

const FILTERS = [
  { value: "all", text: "All" },
  { value: "alarm", text: "In alarm" },
  { value: "silent", text: "Stale or unknown" },
] as const;
type Filter = typeof FILTERS[number]["value"];

export function EquipmentListPage() {
  const { live, now, router } = useServices();
  const { query } = router.route.value;
  const filter = FILTERS.find((one) => one.value === query["state"])?.value ?? "all";
  const text = query["text"] ?? "";
  const equipment = useList<EquipmentView>("/equipment?limit=200", ["alarm"], DISCOVERY_MS);
  const shown = (one: EquipmentView) => {
    if (!one.equipment.toLowerCase().includes(text.toLowerCase())) return false;
    switch (filter) {
      case "all":
        return true;
      case "alarm":
        return one.activeAlarms > 0;
      case "silent": {
        const latest = withLiveSample(one, live.samples.value);
        return freshnessOf(latest.lastAt, now.value) !== "fresh";
      }
    }
  };
  return (
    <>
      <PageHead title="Equipment" />
      <Section
        title="Signals, worst first"
        actions={
          <span class="row">
            <label class="field inline">
              <span>Name</span>
              <input
                type="search"
                value={text}
                onInput={(event) => router.choose({ text: event.currentTarget.value })}
              />
            </label>
            <Choice<Filter>
              legend="Which equipment"
              name="equipment-state"
              options={FILTERS}
              chosen={filter}
              onChoose={(state) => router.choose({ state: state === "all" ? null : state })}
            />
          </span>
        }
      >
        <LoadedList list={equipment}>
          {(items) => (
            <EquipmentTable
              caption="Equipment, worst first"
              equipment={items.filter(shown)}
              empty={items.length === 0
                ? "No equipment has sent a signal yet."
                : "No equipment matches the filter."}
            />
          )}
        </LoadedList>
      </Section>
    </>
  );
}
