/// <reference lib="dom" />
/**
 * The first look: what needs a person now, then the plant with its worst equipment first.
 *
 * @module
 */
import { Attention } from "../parts/attention.tsx";
import { EquipmentBrowser, PLANT_EVERY_MS } from "../parts/equipment_browser.tsx";
import { PageHead } from "../parts/frame.tsx";
import { useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

export function OverviewPage() {
  const { hub } = useServices();
  const plant = useAnswer(hub.plant, {}, ["alarm"], PLANT_EVERY_MS);
  return (
    <>
      <PageHead title="Overview" />
      <Attention plant={plant} />
      <EquipmentBrowser plant={plant} />
    </>
  );
}
