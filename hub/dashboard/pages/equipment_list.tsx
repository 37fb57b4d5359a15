/// <reference lib="dom" />
/**
 * All equipment, by its place in the plant, by name or worst first.
 *
 * @module
 */
import type { PlantView } from "@shared/plant_api.ts";
import { EquipmentBrowser, PLANT_EVERY_MS } from "../parts/equipment_browser.tsx";
import { PageHead } from "../parts/frame.tsx";
import { useGet } from "../state/resource.ts";

export function EquipmentListPage() {
  const plant = useGet<PlantView>("/plant", ["alarm"], PLANT_EVERY_MS);
  return (
    <>
      <PageHead title="Equipment" />
      <EquipmentBrowser plant={plant} />
    </>
  );
}
