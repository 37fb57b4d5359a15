/// <reference lib="dom" />
/**
 * Subtasks with what is known of each, the worst first, and why it is the worst.
 *
 * @module
 */
import type { MetricSeries } from "@shared/job_api.ts";
import { countText, durationText, NONE, rateText } from "../format.ts";
import { watermarkText } from "./graph_view.tsx";
import { Badge, ShareBar } from "./marks.tsx";
import { Sparkline } from "./sparkline.tsx";
import {
  BACKPRESSURE_WARN,
  BUSY_WARN,
  isSilent,
  lagOf,
  type RankedSubtask,
  WINDOW_WARN,
  windowShare,
} from "./subtask_figures.ts";
import { type Column, Table } from "./table.tsx";

export interface SubtaskTableProps {
  readonly caption: string;
  readonly subtasks: readonly RankedSubtask[];
  /** What the sparkline of each row shows, by subtask; null leaves the column out. */
  readonly past: {
    readonly title: string;
    readonly bySubtask: ReadonlyMap<string, MetricSeries>;
  } | null;
  readonly empty: string;
}

export function SubtaskTable(props: SubtaskTableProps) {
  const { past } = props;
  const sparklines: Column<RankedSubtask>[] = past === null ? [] : [{
    header: past.title,
    cell: (row) => <Sparkline series={past.bySubtask.get(row.subtaskId) ?? null} />,
  }];
  return (
    <Table<RankedSubtask>
      caption={props.caption}
      isCaptionHidden
      rows={props.subtasks}
      rowKey={(row) => `${row.regionId}/${row.subtaskId}`}
      rowClass={(row) => row.reasons.length > 0 ? "row-warn" : ""}
      empty={props.empty}
      columns={[
        { header: "Subtask", cell: (row) => <SubtaskName subtask={row} /> },
        {
          header: "Agent",
          cell: (row) => <span class="unbroken">{row.agentName ?? row.agentId ?? "none"}</span>,
        },
        { header: "Why", isWide: true, cell: (row) => <Reasons subtask={row} /> },
        ...sparklines,
        ...FIGURES,
      ]}
    />
  );
}

const FIGURES: readonly Column<RankedSubtask>[] = [
  {
    header: "In",
    isNumeric: true,
    cell: (row) => rateText(heard(row)?.recordsInPerSecond ?? null),
  },
  {
    header: "Busy",
    cell: (row) => <ShareBar share={heard(row)?.busyRatio ?? null} warnAbove={BUSY_WARN} />,
  },
  {
    header: "Held up",
    cell: (row) => (
      <ShareBar share={heard(row)?.backpressuredRatio ?? null} warnAbove={BACKPRESSURE_WARN} />
    ),
  },
  { header: "Behind", isNumeric: true, cell: (row) => durationText(lagOf(heard(row))) },
  {
    header: "Watermark",
    isNumeric: true,
    cell: (row) => watermarkText(heard(row)?.watermarkMs ?? null),
  },
  {
    header: "Queue",
    isNumeric: true,
    cell: (row) => countText(heard(row)?.inputQueued ?? null),
  },
  { header: "Window", cell: (row) => <WindowFill subtask={row} /> },
  {
    header: "Entries",
    isNumeric: true,
    cell: (row) => countText(heard(row)?.stateEntries ?? null),
  },
];

/** Figures of a silent subtask are of another time: they are not shown as if they were of now. */
function heard(subtask: RankedSubtask): RankedSubtask["metrics"] {
  return isSilent(subtask) ? null : subtask.metrics;
}

function SubtaskName(props: { readonly subtask: RankedSubtask }) {
  const { subtask } = props;
  return (
    <span class="stack-tight">
      <strong>{subtask.subtaskId}</strong>
      {subtask.keyGroups === null
        ? null
        : <span class="muted unbroken">keys {subtask.keyGroups[0]}–{subtask.keyGroups[1]}</span>}
    </span>
  );
}

function Reasons(props: { readonly subtask: RankedSubtask }) {
  const { subtask } = props;
  if (isSilent(subtask)) {
    return <Badge mark={{ tone: "unknown", text: subtask.reasons[0] ?? "no report" }} />;
  }
  if (subtask.reasons.length === 0) return <span class="muted">nothing stands out</span>;
  return <strong class="why">{subtask.reasons.join(" · ")}</strong>;
}

function WindowFill(props: { readonly subtask: RankedSubtask }) {
  const metrics = heard(props.subtask);
  if (metrics === null) return <span>{NONE}</span>;
  if (!metrics.isConnected) return <Badge mark={{ tone: "bad", text: "broker away" }} />;
  const share = windowShare(metrics);
  if (share === null) return <span>{NONE}</span>;
  const left = metrics.windowSecondsLeft;
  return (
    <span
      class="stack-tight"
      title={`${countText(metrics.windowUsed)} of ${countText(metrics.windowSize)} unacknowledged`}
    >
      <ShareBar share={share} warnAbove={WINDOW_WARN} />
      {left === null || share <= WINDOW_WARN
        ? null
        : <span class="muted">full in {durationText(left * 1000)}</span>}
    </span>
  );
}
