/// <reference lib="dom" />
/**
 * One equipment in a word: alarm, normal, stale or unknown, after all of its signals.
 *
 * @module
 */
import type { EquipmentView, Freshness } from "@shared/plant_api.ts";
import { plural } from "../format.ts";
import { FreshnessMark } from "./freshness_mark.tsx";
import { isPriority, PRIORITY_RANK } from "./health.ts";
import { PriorityMark } from "./marks.tsx";

const FRESHEST: readonly Freshness[] = ["good", "stale", "unknown"];

/** @param views Its signals; null before they are known. */
export function EquipmentHealth(props: { readonly views: readonly EquipmentView[] | null }) {
  const { views } = props;
  if (views === null) return null;
  const active = views.reduce((count, view) => count + view.activeAlarms, 0);
  const open = views.reduce((count, view) => count + view.unacknowledgedAlarms, 0);
  const freshness = FRESHEST.find((one) => views.some((view) => view.freshness === one));
  const highest = views
    .map((view) => view.highestPriority)
    .filter(isPriority)
    .sort((a, b) => PRIORITY_RANK[a] - PRIORITY_RANK[b])[0];
  return (
    <span class="row">
      {active > 0 && highest !== undefined
        ? <PriorityMark priority={highest} isUnacknowledged={open > 0} />
        : null}
      <span>{active === 0 ? "no active alarm" : plural(active, "active alarm")}</span>
      {freshness === "good" ? null : <FreshnessMark freshness={freshness ?? "unknown"} />}
    </span>
  );
}
