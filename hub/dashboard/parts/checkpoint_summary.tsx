/// <reference lib="dom" />
/**
 * How the checkpoints of a span did: counts by fate, the latest of each kind, percentiles of phases and sizes.
 *
 * @module
 */
import type { CheckpointSummary, CheckpointView, JobDetail, Percentiles } from "@shared/job_api.ts";
import { bytesText, countText, durationText, NONE, plural } from "../format.ts";
import { hrefOf } from "../router.ts";
import { Facts } from "./frame.tsx";
import { Age, Figure } from "./marks.tsx";
import { Table } from "./table.tsx";

export function CheckpointSummaryView(
  props: { readonly job: JobDetail; readonly summary: CheckpointSummary },
) {
  const { counts, durationMs } = props.summary;
  const count = (status: string) => counts[status] ?? 0;
  const triggered = Object.values(counts).reduce((sum, value) => sum + value, 0);
  const aborted = count("aborted");
  const degraded = count("degraded");
  return (
    <>
      <dl class="figures" aria-label="Checkpoints of the last day">
        <Figure
          label="Completed"
          value={countText(count("completed") + count("subsumed"))}
          note={`of ${countText(triggered)} triggered`}
        />
        <Figure
          label="Failed"
          value={countText(aborted)}
          note={aborted === 0 ? "none" : "the history says why"}
          tone={aborted > 0 ? "bad" : "calm"}
        />
        <Figure
          label="Degraded"
          value={countText(degraded)}
          note="an absent region's last part stood in"
          tone={degraded > 0 ? "warn" : "calm"}
        />
        <Figure label="In progress" value={countText(count("pending"))} />
        <Figure
          label="Duration, median"
          value={durationText(durationMs?.p50 ?? null)}
          note={durationMs === null
            ? "none completed"
            : `p95 ${durationText(durationMs.p95)}, longest ${durationText(durationMs.max)}`}
        />
      </dl>
      <div class="columns">
        <LatestFacts {...props} />
        <PercentileTable summary={props.summary} />
      </div>
    </>
  );
}

function LatestFacts(
  props: { readonly job: JobDetail; readonly summary: CheckpointSummary },
) {
  const { job, summary: { config, latest } } = props;
  const link = (id: number, at: string | null) => (
    <span class="inline">
      <a
        href={hrefOf({ kind: "job", jobId: job.id, tab: "checkpoints" }, {
          checkpoint: String(id),
        })}
      >
        {id}
      </a>
      <Age at={at} />
    </span>
  );
  const of = (one: CheckpointView | null) =>
    one === null ? "none" : link(one.id, one.endedAt ?? one.triggeredAt);
  const { failed, restored } = latest;
  return (
    <Facts
      facts={[
        ["Latest completed", of(latest.completed)],
        [
          "Latest failed",
          failed === null ? "none" : (
            <span class="stack-tight">
              {of(failed)}
              <span class="muted">{failed.reason ?? ""}</span>
            </span>
          ),
        ],
        ["Latest savepoint", of(latest.savepoint)],
        [
          "Latest restore",
          restored === null ? "none" : link(restored.checkpointId, restored.at),
        ],
        ["Interval", durationText(config.intervalMs)],
        ["Given up after", durationText(config.timeoutMs)],
        ["Kept to restore from", plural(config.retained, "checkpoint")],
      ]}
    />
  );
}

interface PercentileRow {
  readonly name: string;
  readonly of: Percentiles | null;
  readonly format: (value: number | null) => string;
}

function PercentileTable(props: { readonly summary: CheckpointSummary }) {
  const { summary } = props;
  const rows: PercentileRow[] = [
    { name: "Duration", of: summary.durationMs, format: durationText },
    { name: "Start delay", of: summary.startDelayMs, format: durationText },
    { name: "Alignment", of: summary.alignmentMs, format: durationText },
    { name: "Sync", of: summary.syncMs, format: durationText },
    { name: "Async", of: summary.asyncMs, format: durationText },
    { name: "Full size", of: summary.fullBytes, format: bytesText },
    { name: "Uploaded", of: summary.uploadedBytes, format: bytesText },
  ];
  const column = (header: string, key: keyof Percentiles) => ({
    header,
    isNumeric: true,
    cell: (row: PercentileRow) => row.of === null ? NONE : row.format(row.of[key]),
  });
  return (
    <Table<PercentileRow>
      caption="Completed checkpoints; a phase counts with its slowest subtask"
      rows={rows}
      rowKey={(row) => row.name}
      empty=""
      columns={[
        { header: "Figure", cell: (row) => row.name, isWide: true },
        column("Least", "min"),
        column("Mean", "average"),
        column("p50", "p50"),
        column("p95", "p95"),
        column("p99", "p99"),
        column("Most", "max"),
      ]}
    />
  );
}
