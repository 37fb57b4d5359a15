/// <reference lib="dom" />
/**
 * The regions of a job: what restarts together, on which agents, and from where.
 *
 * @module
 */
import type { JobDetail, RegionView } from "@shared/job_api.ts";
import { countText, NONE, plural, rateText } from "../format.ts";
import { rowClass, statusMark } from "./health.ts";
import { Badge } from "./marks.tsx";
import type { SubtaskFigures } from "./subtask_figures.ts";
import { Table } from "./table.tsx";

export function RegionTable(
  props: { readonly job: JobDetail; readonly subtasks: readonly SubtaskFigures[] },
) {
  const of = (region: RegionView) =>
    props.subtasks.filter((one) => one.regionId === region.regionId);
  return (
    <Table<RegionView>
      caption="Regions"
      isCaptionHidden
      rows={props.job.regions}
      rowKey={(region) => region.regionId}
      rowClass={(region) => rowClass(statusMark(region.status))}
      empty="The job has no regions yet."
      columns={[
        { header: "Region", isWide: true, cell: (region) => <RegionName region={region} /> },
        { header: "State", cell: (region) => <Badge mark={statusMark(region.status)} /> },
        { header: "Agents", isWide: true, cell: (region) => agentsText(region) },
        { header: "Attempt", isNumeric: true, cell: (region) => region.attempt },
        { header: "Subtasks", isNumeric: true, cell: (region) => region.subtasks.length },
        {
          header: "Records in",
          isNumeric: true,
          cell: (region) => rateText(region.metrics?.recordsInPerSecond ?? null),
        },
        {
          header: "Position",
          isNumeric: true,
          cell: (region) => countText(positionOf(of(region))),
        },
        {
          header: "Restored from",
          isNumeric: true,
          cell: (region) => region.restoredFromId ?? "nothing",
        },
        {
          header: "Last checkpoint",
          isNumeric: true,
          cell: (region) => region.lastCompletedId ?? NONE,
        },
      ]}
    />
  );
}

/** Records read by its sources; null before the first report. */
function positionOf(subtasks: readonly SubtaskFigures[]): number | null {
  const known = subtasks.flatMap(({ metrics }) => metrics?.position ?? []);
  return known.length === 0 ? null : known.reduce((sum, position) => sum + position, 0);
}

/** Every agent that runs a part of `region`. */
export function agentsText(region: RegionView): string {
  const names = region.subtasks.flatMap((one) => one.agentName ?? one.agentId ?? []);
  const all = new Set([...names, ...names.length > 0 ? [] : [region.agentName ?? "none"]]);
  return [...all].sort().join(", ");
}

function RegionName(props: { readonly region: RegionView }) {
  const { region } = props;
  return (
    <span class="stack-tight">
      <strong>{region.regionId}</strong>
      {region.isPossiblyAutonomous
        ? <span class="muted">may still run cut off: reassigning needs a gap allowed</span>
        : null}
      {region.consecutiveFailures > 0
        ? <span class="muted">{plural(region.consecutiveFailures, "failure")} in a row</span>
        : null}
    </span>
  );
}
