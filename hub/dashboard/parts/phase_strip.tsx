/// <reference lib="dom" />
/**
 * The phases of one checkpoint, one bar per subtask on a common time axis, slowest first; outliers are named.
 *
 * @module
 */
import type { CheckpointDetail } from "@shared/job_api.ts";
import { bytesText, durationText } from "../format.ts";
import { Badge } from "./marks.tsx";
import { Table } from "./table.tsx";

type Region = CheckpointDetail["regions"][number];
type Subtask = Region["subtasks"][number];

export interface PhaseRow extends Subtask {
  readonly regionId: string;
  readonly totalMs: number;
  /** Far slower than the others: the checkpoint waited for it. */
  readonly isOutlier: boolean;
}

const PHASES = [
  { key: "startDelayMs", text: "start delay", css: "phase-delay" },
  { key: "alignmentMs", text: "alignment", css: "phase-alignment" },
  { key: "syncMs", text: "sync", css: "phase-sync" },
  { key: "asyncMs", text: "async", css: "phase-async" },
] as const;

/** Times the median, and ms above it, from which a subtask is an outlier. */
const OUTLIER_FACTOR = 2.5;
const OUTLIER_ABOVE_MS = 50;
/** Bars drawn; the table has all subtasks. */
const BARS_MAX = 60;

export function PhaseStrip(props: { readonly checkpoint: CheckpointDetail }) {
  const rows = phaseRows(props.checkpoint.regions);
  if (rows.length === 0) {
    return <p class="empty">No subtask has acknowledged this checkpoint.</p>;
  }
  const drawn = rows.slice(0, BARS_MAX);
  const endMs = niceEnd(drawn[0]!.totalMs);
  return (
    <>
      <ul class="legend" aria-label="Phases">
        {PHASES.map((phase) => (
          <li key={phase.key}>
            <span class={`swatch ${phase.css}`} aria-hidden="true" />
            {phase.text}
          </li>
        ))}
      </ul>
      <div class="gantt" aria-hidden="true">
        {drawn.map((row) => (
          <Bar
            key={`${row.regionId}/${row.subtaskId}`}
            row={row}
            endMs={endMs}
          />
        ))}
        <Axis endMs={endMs} />
      </div>
      {drawn.length === rows.length
        ? null
        : <p class="muted">The slowest {BARS_MAX} of {rows.length} are drawn; the table has all.
        </p>}
      <details class="alternative">
        <summary>Phases as a table</summary>
        <PhaseTable rows={rows} />
      </details>
    </>
  );
}

function Bar(props: { readonly row: PhaseRow; readonly endMs: number }) {
  const { row, endMs } = props;
  return (
    <div class={row.isOutlier ? "gantt-row is-outlier" : "gantt-row"}>
      <span class="gantt-name" title={`${row.subtaskId} on ${row.agentName ?? row.agentId}`}>
        {row.subtaskId} <span class="muted">{row.agentName ?? row.agentId}</span>
      </span>
      <span class="gantt-bar">
        {PHASES.map((phase) => (
          <span
            key={phase.key}
            class={phase.css}
            title={`${phase.text} ${durationText(row[phase.key])}`}
            style={{ width: `${(row[phase.key] / endMs) * 100}%` }}
          />
        ))}
      </span>
      <span class="gantt-total">
        {durationText(row.totalMs)}
        {row.isOutlier ? <Badge mark={{ tone: "warn", text: "outlier" }} /> : null}
      </span>
    </div>
  );
}

const TICKS = [0, 0.25, 0.5, 0.75, 1];

function Axis(props: { readonly endMs: number }) {
  return (
    <div class="gantt-row gantt-axis">
      <span />
      <span class="gantt-ticks">
        {TICKS.map((share) => <span key={share}>{durationText(share * props.endMs)}</span>)}
      </span>
      <span />
    </div>
  );
}

/** Subtasks of all regions, slowest first, with those that stand out against the median. */
export function phaseRows(regions: CheckpointDetail["regions"]): PhaseRow[] {
  const rows = regions.flatMap((region) =>
    region.subtasks.map((subtask) => ({
      ...subtask,
      regionId: region.regionId,
      totalMs: PHASES.reduce((sum, phase) => sum + subtask[phase.key], 0),
    }))
  ).sort((a, b) => b.totalMs - a.totalMs);
  const medianMs = rows[Math.floor(rows.length / 2)]?.totalMs ?? 0;
  return rows.map((row) => ({
    ...row,
    isOutlier: rows.length > 2 && row.totalMs > medianMs * OUTLIER_FACTOR &&
      row.totalMs - medianMs > OUTLIER_ABOVE_MS,
  }));
}

/** The next round figure from `ms` up: 1, 2, 2.5 or 5 times a power of ten. */
export function niceEnd(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, ms)));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= ms) ?? 10;
  return Math.max(4, step * power);
}

function PhaseTable(props: { readonly rows: readonly PhaseRow[] }) {
  return (
    <Table<PhaseRow>
      caption="Phases per subtask, slowest first"
      isCaptionHidden
      rows={props.rows}
      rowKey={(row) => `${row.regionId}/${row.subtaskId}`}
      rowClass={(row) => row.isOutlier ? "row-warn" : ""}
      empty=""
      columns={[
        { header: "Subtask", cell: (row) => row.subtaskId, isWide: true },
        { header: "Agent", cell: (row) => row.agentName ?? row.agentId },
        ...PHASES.map((phase) => ({
          header: phase.text[0]!.toUpperCase() + phase.text.slice(1),
          isNumeric: true,
          cell: (row: PhaseRow) => durationText(row[phase.key]),
        })),
        {
          header: "Total",
          isNumeric: true,
          cell: (row) => `${durationText(row.totalMs)}${row.isOutlier ? ", outlier" : ""}`,
        },
        { header: "Full", isNumeric: true, cell: (row) => bytesText(row.fullBytes) },
        { header: "Uploaded", isNumeric: true, cell: (row) => bytesText(row.uploadedBytes) },
      ]}
    />
  );
}
