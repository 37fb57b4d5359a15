/// <reference lib="dom" />
/**
 * Checkpoints of a job: counts, how long they take, and the phases of the one that is opened.
 *
 * @module
 */
import type { CheckpointDetail, CheckpointView, JobDetail } from "@shared/api.ts";
import { bytesText, durationText, NONE } from "../format.ts";
import { Facts, Loaded, LoadedList, Section } from "../parts/frame.tsx";
import { statusMark } from "../parts/health.ts";
import { Badge, Figure, Time } from "../parts/marks.tsx";
import { PhaseStrip } from "../parts/phase_strip.tsx";
import { Table } from "../parts/table.tsx";
import { hrefOf } from "../router.ts";
import { useGet, useList } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

export function JobCheckpoints(props: { readonly job: JobDetail }) {
  const { router } = useServices();
  const path = `/jobs/${encodeURIComponent(props.job.id)}/checkpoints`;
  const checkpoints = useList<CheckpointView>(path, ["checkpoint", "savepoint", "rollback"]);
  const opened = router.route.value.query["checkpoint"] ?? null;
  return (
    <>
      {opened === null ? null : <CheckpointPanel path={path} checkpointId={opened} />}
      <LoadedList list={checkpoints}>
        {(items) => (
          <>
            <Summary checkpoints={items} />
            <Section title="History">
              <HistoryTable jobId={props.job.id} checkpoints={items} opened={opened} />
            </Section>
          </>
        )}
      </LoadedList>
    </>
  );
}

function Summary(props: { readonly checkpoints: readonly CheckpointView[] }) {
  const { checkpoints } = props;
  const count = (...statuses: string[]) =>
    checkpoints.filter((one) => statuses.includes(one.status)).length;
  const durations = checkpoints
    .filter((one) => one.status !== "aborted")
    .flatMap((one) => one.durationMs === null ? [] : [one.durationMs])
    .sort((a, b) => a - b);
  const aborted = count("aborted");
  const degraded = count("degraded");
  const slowest = durations.at(-1) ?? null;
  return (
    <dl class="figures" aria-label={`The last ${checkpoints.length} checkpoints`}>
      <Figure
        label="Completed"
        value={count("completed", "subsumed")}
        note={`of the last ${checkpoints.length}`}
      />
      <Figure label="Degraded" value={degraded} tone={degraded > 0 ? "warn" : "calm"} />
      <Figure label="Aborted" value={aborted} tone={aborted > 0 ? "bad" : "calm"} />
      <Figure label="In progress" value={count("pending")} />
      <Figure
        label="Duration, median"
        value={durationText(quantile(durations, 0.5))}
        note={`p95 ${durationText(quantile(durations, 0.95))}, longest ${durationText(slowest)}`}
      />
    </dl>
  );
}

/** The value below which `share` of the ascending values lie; null when there are none. */
export function quantile(ascending: readonly number[], share: number): number | null {
  if (ascending.length === 0) return null;
  const index = Math.min(ascending.length - 1, Math.floor(share * ascending.length));
  return ascending[index]!;
}

function HistoryTable(
  props: {
    readonly jobId: string;
    readonly checkpoints: readonly CheckpointView[];
    readonly opened: string | null;
  },
) {
  const href = (id: number) =>
    hrefOf({ kind: "job", jobId: props.jobId, tab: "checkpoints" }, { checkpoint: String(id) });
  return (
    <Table<CheckpointView>
      caption="Checkpoints, newest first"
      isCaptionHidden
      rows={props.checkpoints}
      rowKey={(row) => String(row.id)}
      rowClass={(row) => String(row.id) === props.opened ? "is-open" : ""}
      empty="No checkpoint was triggered yet."
      columns={[
        {
          header: "Checkpoint",
          cell: (row) => (
            <a class="strong" href={href(row.id)}>
              {row.id}
              {row.isSavepoint ? " savepoint" : ""}
            </a>
          ),
        },
        { header: "Status", cell: (row) => <Badge mark={statusMark(row.status)} /> },
        { header: "Triggered", cell: (row) => <Time at={row.triggeredAt} /> },
        { header: "Trigger", cell: (row) => row.trigger },
        { header: "Duration", isNumeric: true, cell: (row) => durationText(row.durationMs) },
        {
          header: "Regions",
          isNumeric: true,
          cell: (row) => `${row.regionsCompleted} of ${row.regionsTotal}`,
        },
        { header: "Full", isNumeric: true, cell: (row) => bytesText(row.fullBytes) },
        { header: "Uploaded", isNumeric: true, cell: (row) => bytesText(row.uploadedBytes) },
        { header: "Reason", isWide: true, cell: (row) => row.reason ?? NONE },
      ]}
    />
  );
}

function CheckpointPanel(props: { readonly path: string; readonly checkpointId: string }) {
  const { router } = useServices();
  const checkpoint = useGet<CheckpointDetail>(
    `${props.path}/${encodeURIComponent(props.checkpointId)}`,
    ["checkpoint"],
  );
  const close = (
    <button type="button" onClick={() => router.choose({ checkpoint: null })}>Close</button>
  );
  return (
    <Section title={`Checkpoint ${props.checkpointId}`} actions={close}>
      <Loaded resource={checkpoint}>
        {(detail) => (
          <>
            <Facts
              facts={[
                ["Status", <Badge key="status" mark={statusMark(detail.status)} />],
                ["Triggered", <Time key="at" at={detail.triggeredAt} />],
                ["Duration", durationText(detail.durationMs)],
                ["Trigger", detail.trigger],
                ["Lineage", detail.lineage],
                ["Reason", detail.reason ?? NONE],
              ]}
            />
            <UnfinishedRegions checkpoint={detail} />
            <PhaseStrip checkpoint={detail} />
          </>
        )}
      </Loaded>
    </Section>
  );
}

function UnfinishedRegions(props: { readonly checkpoint: CheckpointDetail }) {
  const unfinished = props.checkpoint.regions.filter((region) => region.completedAt === null);
  if (unfinished.length === 0) return null;
  return (
    <ul class="reasons">
      {unfinished.map((region) => (
        <li key={region.regionId}>
          <strong>{region.regionId}</strong> on {region.agentName ?? region.agentId}:{" "}
          {region.status}
          {region.reason === null ? "" : `, ${region.reason}`}
        </li>
      ))}
    </ul>
  );
}
