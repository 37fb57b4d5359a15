/// <reference lib="dom" />
/**
 * The phases of one checkpoint, one bar per subtask on a common time axis, slowest first.
 *
 * @module
 */
import type { CheckpointDetail } from "@shared/api.ts";
import { bytesText, durationText } from "../format.ts";
import { Table } from "./table.tsx";

type Region = CheckpointDetail["regions"][number];
type Subtask = Region["subtasks"][number];

interface Row extends Subtask {
  readonly agent: string;
  readonly totalMs: number;
}

const PHASES = [
  { key: "startDelayMs", text: "start delay", css: "phase-delay" },
  { key: "alignmentMs", text: "alignment", css: "phase-alignment" },
  { key: "syncMs", text: "sync", css: "phase-sync" },
  { key: "asyncMs", text: "async", css: "phase-async" },
] as const;

export function PhaseStrip(props: { readonly checkpoint: CheckpointDetail }) {
  const rows = props.checkpoint.regions
    .flatMap((region) => region.subtasks.map((subtask) => rowOf(region, subtask)))
    .sort((a, b) => b.totalMs - a.totalMs);
  const longestMs = Math.max(1, ...rows.map((row) => row.totalMs));
  if (rows.length === 0) {
    return <p class="empty">No subtask has acknowledged this checkpoint.</p>;
  }
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
      <div class="strips" aria-hidden="true">
        {rows.map((row) => (
          <div key={row.subtaskId} class="strip">
            <span class="strip-name" title={row.subtaskId}>{row.subtaskId}</span>
            <span class="strip-bar">
              {PHASES.map((phase) => (
                <span
                  key={phase.key}
                  class={phase.css}
                  style={{ width: `${(row[phase.key] / longestMs) * 100}%` }}
                />
              ))}
            </span>
            <span class="strip-total">{durationText(row.totalMs)}</span>
          </div>
        ))}
      </div>
      <PhaseTable rows={rows} />
    </>
  );
}

function rowOf(region: Region, subtask: Subtask): Row {
  const totalMs = PHASES.reduce((sum, phase) => sum + subtask[phase.key], 0);
  return { ...subtask, agent: region.agentName ?? region.agentId, totalMs };
}

function PhaseTable(props: { readonly rows: readonly Row[] }) {
  return (
    <Table<Row>
      caption="Phases per subtask, slowest first"
      rows={props.rows}
      rowKey={(row) => row.subtaskId}
      empty=""
      columns={[
        { header: "Subtask", cell: (row) => row.subtaskId, isWide: true },
        { header: "Agent", cell: (row) => row.agent },
        ...PHASES.map((phase) => ({
          header: phase.text[0]!.toUpperCase() + phase.text.slice(1),
          isNumeric: true,
          cell: (row: Row) => durationText(row[phase.key]),
        })),
        { header: "Full", isNumeric: true, cell: (row) => bytesText(row.fullBytes) },
        { header: "Uploaded", isNumeric: true, cell: (row) => bytesText(row.uploadedBytes) },
      ]}
    />
  );
}
