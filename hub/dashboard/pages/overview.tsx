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

/** A heartbeat is no event: the time of the last one is asked for. */
export const HEARTBEAT_MS = 5_000;
export const NO_JOBS = "No job yet. Deploy one with: penstock jobs deploy FILE.ts";
export const NO_AGENTS = "No agent yet. An agent appears here as soon as it has enrolled.";

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
