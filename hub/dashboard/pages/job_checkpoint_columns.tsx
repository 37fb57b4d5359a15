/// <reference lib="dom" />
/**
 * What the history of checkpoints says of each.
 *
 * @module
 */
import type { CheckpointView } from "@shared/job_api.ts";
import { bytesText, durationText, NONE } from "../format.ts";
import { statusMark } from "../parts/health.ts";
import { Badge, Time } from "../parts/marks.tsx";
import type { VirtualColumn } from "../parts/virtual_table.tsx";
import { useServices } from "../state/services.ts";

export const CHECKPOINT_COLUMNS: readonly VirtualColumn<CheckpointView>[] = [
  {
    key: "id",
    header: "Checkpoint",
    width: "minmax(110px, 0.8fr)",
    inCard: "bare",
    cell: (row) => <CheckpointLink checkpoint={row} />,
  },
  {
    key: "status",
    header: "Status",
    width: "110px",
    cell: (row) => <Badge mark={statusMark(row.status)} />,
  },
  {
    key: "triggered",
    header: "Triggered",
    width: "170px",
    cell: (row) => <Time at={row.triggeredAt} />,
  },
  { key: "trigger", header: "Trigger", width: "110px", inCard: "none", cell: (row) => row.trigger },
  {
    key: "duration",
    header: "Duration",
    width: "90px",
    isNumeric: true,
    cell: (row) => durationText(row.durationMs),
  },
  {
    key: "regions",
    header: "Regions",
    width: "90px",
    isNumeric: true,
    cell: (row) => `${row.regionsCompleted} of ${row.regionsTotal}`,
  },
  {
    key: "full",
    header: "Full",
    width: "90px",
    isNumeric: true,
    inCard: "none",
    cell: (row) => bytesText(row.fullBytes),
  },
  {
    key: "uploaded",
    header: "Uploaded",
    width: "90px",
    isNumeric: true,
    inCard: "none",
    cell: (row) => bytesText(row.uploadedBytes),
  },
  {
    key: "reason",
    header: "Reason",
    width: "minmax(160px, 2fr)",
    cell: (row) => <span title={row.reason ?? ""}>{row.reason ?? NONE}</span>,
  },
];

function CheckpointLink(props: { readonly checkpoint: CheckpointView }) {
  const { router } = useServices();
  const { id, isSavepoint } = props.checkpoint;
  return (
    <button
      type="button"
      class="link"
      onClick={() => router.choose({ checkpoint: String(id) })}
    >
      {id}
      {isSavepoint ? " savepoint" : ""}
    </button>
  );
}
