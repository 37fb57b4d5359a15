/// <reference lib="dom" />
/**
 * The first look: what needs a person now, then the plant with its worst equipment first.
 *
 * @module
 */
import type { PlantView } from "@shared/plant_api.ts";
import { Attention } from "../parts/attention.tsx";
import { EquipmentBrowser, PLANT_EVERY_MS } from "../parts/equipment_browser.tsx";
import { PageHead } from "../parts/frame.tsx";
import { useGet } from "../state/resource.ts";

export function OverviewPage() {
  const plant = useGet<PlantView>("/plant", ["alarm"], PLANT_EVERY_MS);
  return (
    <>
      <PageHead title="Overview" />
      <Attention plant={plant} />
      <EquipmentBrowser plant={plant} />
    </>
  );
}
