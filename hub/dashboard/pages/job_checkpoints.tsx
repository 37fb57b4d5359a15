/// <reference lib="dom" />
/**
 * Checkpoints of a job: how many of which fate, how long they take, the phases of the opened one, and all
 * there ever were.
 *
 * @module
 */
import type { CheckpointDetail, CheckpointView, JobDetail } from "@shared/job_api.ts";
import { read } from "@shared/hub_client.ts";
import { durationText, NONE, plural } from "../format.ts";
import { CheckpointStrip } from "../parts/checkpoint_strip.tsx";
import { CheckpointSummaryView } from "../parts/checkpoint_summary.tsx";
import { Choice } from "../parts/choice.tsx";
import { Facts, Loaded, Section } from "../parts/frame.tsx";
import { statusMark } from "../parts/health.ts";
import { LoadedRows } from "../parts/loaded_rows.tsx";
import { Badge, Time } from "../parts/marks.tsx";
import { PhaseStrip } from "../parts/phase_strip.tsx";
import { VirtualTable } from "../parts/virtual_table.tsx";
import { hrefOf } from "../router.ts";
import { usePaged } from "../state/paged_resource.ts";
import { from, until, useAnswer, useAnswers } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { CHECKPOINT_COLUMNS } from "./job_checkpoint_columns.tsx";

const FAMILY = ["checkpoint", "savepoint", "rollback"];
const STRIP_LIMIT = "60";
const PAGE_LIMIT = "100";

export function JobCheckpoints(props: { readonly job: JobDetail }) {
  const { hub, router } = useServices();
  const { job } = props;
  const param = { id: job.id };
  const { checkpoints } = hub.jobs[":id"];
  const latest = useAnswers(checkpoints, { param, query: { limit: STRIP_LIMIT } }, FAMILY);
  const summary = useAnswer(checkpoints.summary, { param }, FAMILY);
  const opened = router.route.value.query["checkpoint"] ?? null;
  return (
    <>
      <Section title="Last day">
        <Loaded resource={summary}>
          {(found) => <CheckpointSummaryView job={job} summary={found} />}
        </Loaded>
        <Loaded resource={latest}>
          {(page) => (
            <CheckpointStrip
              checkpoints={page.items}
              opened={opened}
              href={(id) =>
                hrefOf({ kind: "job", jobId: job.id, tab: "checkpoints" }, {
                  checkpoint: String(id),
                })}
            />
          )}
        </Loaded>
      </Section>
      {opened === null
        ? null
        : <CheckpointPanel key={opened} jobId={job.id} checkpointId={opened} />}
      <History jobId={job.id} opened={opened} />
    </>
  );
}

const KINDS = [
  { value: "all", text: "All", query: {} },
  { value: "failed", text: "Failed", query: { status: "aborted,degraded" } },
  { value: "savepoints", text: "Savepoints", query: { isSavepoint: "true" } },
] as const;
type Kind = typeof KINDS[number]["value"];

function History(props: { readonly jobId: string; readonly opened: string | null }) {
  const { hub, router } = useServices();
  const { jobId } = props;
  const kind = KINDS.find(({ value }) => value === router.route.value.query["kind"]) ?? KINDS[0];
  const list = usePaged<CheckpointView>(`${jobId} ${kind.value}`, {
    load(cursor, signal) {
      const query = { limit: PAGE_LIMIT, ...kind.query, ...from(cursor) };
      const { checkpoints } = hub.jobs[":id"];
      return read(checkpoints.$get({ param: { id: jobId }, query }, until(signal)));
    },
    keyOf: (one) => String(one.id),
    order: (a, b) => b.id - a.id,
  }, FAMILY);
  return (
    <Section
      title="History"
      actions={
        <Choice<Kind>
          legend="Which"
          name="checkpoint-kind"
          options={KINDS}
          chosen={kind.value}
          onChoose={(value) => router.choose({ kind: value === "all" ? null : value })}
        />
      }
    >
      <LoadedRows list={list}>
        <VirtualTable<CheckpointView>
          label="Checkpoints, newest first"
          columns={CHECKPOINT_COLUMNS}
          rows={list.items}
          rowKey={(row) => String(row.id)}
          rowClass={(row) => row.status === "aborted" ? "row-bad" : ""}
          rowPx={40}
          cardPx={172}
          empty="No checkpoint of this kind was triggered yet."
          hasMore={list.hasMore}
          onMore={list.more}
          onSpan={list.seen}
          onOpen={(row) => router.choose({ checkpoint: String(row.id) })}
          openKey={props.opened}
        />
      </LoadedRows>
    </Section>
  );
}

function CheckpointPanel(props: { readonly jobId: string; readonly checkpointId: string }) {
  const { hub, router } = useServices();
  const { checkpointId } = props;
  const checkpoint = useAnswer(
    hub.jobs[":id"].checkpoints[":n"],
    { param: { id: props.jobId, n: checkpointId } },
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
            <WhyFailed checkpoint={detail} />
            <PhaseStrip checkpoint={detail} />
          </>
        )}
      </Loaded>
    </Section>
  );
}

/** Who did not acknowledge, on which agent, and what it said; nothing where all did. */
function WhyFailed(props: { readonly checkpoint: CheckpointDetail }) {
  const unfinished = props.checkpoint.regions.filter((region) => region.completedAt === null);
  if (unfinished.length === 0) return null;
  const isFailed = props.checkpoint.status === "aborted";
  return (
    <div class={`notice ${isFailed ? "tone-bad" : "tone-warn"}`}>
      <p>
        <strong>
          {isFailed
            ? "Why it failed"
            : props.checkpoint.status === "pending"
            ? "Still waiting for"
            : "Not part of it"}
        </strong>
      </p>
      <ul class="reasons">
        {unfinished.map((region) => (
          <li key={region.regionId}>
            <strong>{region.regionId}</strong>, {region.status}
            {region.reason === null ? "" : `: ${region.reason}`}
            {region.missing.length === 0 ? null : <Missing region={region} />}
          </li>
        ))}
      </ul>
    </div>
  );
}

const MISSING_MAX = 20;

function Missing(props: { readonly region: CheckpointDetail["regions"][number] }) {
  const { missing } = props.region;
  // Those that say why come first; the others were only still under way.
  const told = [...missing].sort((a, b) => Number(a.reason === null) - Number(b.reason === null));
  return (
    <ul class="reasons">
      {told.slice(0, MISSING_MAX).map((one) => (
        <li key={one.subtaskId}>
          {one.subtaskId} on {one.agentName ?? one.agentId}: {one.reason ?? "was still under way"}
          {one.detail === null ? "" : `. ${one.detail}`}
        </li>
      ))}
      {told.length > MISSING_MAX
        ? <li>and {plural(told.length - MISSING_MAX, "subtask")} more</li>
        : null}
    </ul>
  );
}
