/// <reference lib="dom" />
/**
 * All equipment, by its place in the plant, by name or worst first.
 *
 * @module
 */
import { EquipmentBrowser, PLANT_EVERY_MS } from "../parts/equipment_browser.tsx";
import { PageHead } from "../parts/frame.tsx";
import { useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

export function EquipmentListPage() {
  const { hub } = useServices();
  const plant = useAnswer(hub.plant, {}, ["alarm"], PLANT_EVERY_MS);
  return (
    <>
      <PageHead title="Equipment" />
      <EquipmentBrowser plant={plant} />
    </>
  );
}
