/// <reference lib="dom" />
/**
 * Savepoints of a job: take one, look into one, and open the way back to one.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { read } from "@shared/hub_client.ts";
import type { JobDetail, SavepointView } from "@shared/job_api.ts";
import { bytesText, shortId } from "../format.ts";
import { Loaded, LoadedList, Section } from "../parts/frame.tsx";
import { rowClass, statusMark } from "../parts/health.ts";
import { Age, Badge, Who } from "../parts/marks.tsx";
import { OperationProgress } from "../parts/operation_progress.tsx";
import { Table } from "../parts/table.tsx";
import { hrefOf } from "../router.ts";
import { changeFailure } from "../state/api_client.ts";
import { useAnswer, useAnswers } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { mayAdminister, mayOperate } from "../state/session.ts";
import { RollbackPanel } from "./rollback_panel.tsx";
import { SavepointPanel } from "./savepoint_panel.tsx";

export function JobSavepoints(props: { readonly job: JobDetail }) {
  const { hub, router, session } = useServices();
  const { job } = props;
  const { query } = router.route.value;
  const family = ["savepoint", "checkpoint", "rollback"];
  const savepoints = useAnswers(hub.savepoints, { query: { jobId: job.id } }, family);
  const rollbackTo = query["rollback"] ?? null;
  const opened = query["savepoint"] ?? null;
  const who = session.session.value;
  const all = savepoints.value?.items ?? [];
  return (
    <>
      {rollbackTo === null ? null : (
        <RollbackPanel
          key={rollbackTo}
          job={job}
          savepointId={rollbackTo}
          label={all.find((one) => one.id === rollbackTo)?.label ?? null}
        />
      )}
      {opened === null ? null : <OpenedSavepoint key={opened} id={opened} job={job} all={all} />}
      {mayOperate(who) && rollbackTo === null && job.desiredState === "running"
        ? <TakeSavepoint job={job} />
        : null}
      <Section title="Savepoints">
        <LoadedList list={savepoints}>
          {(items) => (
            <SavepointTable
              job={job}
              savepoints={items}
              mayRollBack={mayAdminister(who)}
              opened={rollbackTo ?? opened}
            />
          )}
        </LoadedList>
      </Section>
    </>
  );
}

/** By its id, because it may be on a page of the list that is not loaded. */
function OpenedSavepoint(
  props: {
    readonly id: string;
    readonly job: JobDetail;
    readonly all: readonly SavepointView[];
  },
) {
  const { hub } = useServices();
  const { id, job, all } = props;
  const asked = { param: { id } };
  const savepoint = useAnswer(hub.savepoints[":id"], asked, ["savepoint", "checkpoint"]);
  const others = all.filter((one) => one.status === "completed" && one.id !== id);
  return (
    <Loaded resource={savepoint}>
      {(found) => <SavepointPanel job={job} savepoint={found} others={others} />}
    </Loaded>
  );
}

function TakeSavepoint(props: { readonly job: JobDetail }) {
  const { hub, router, toasts } = useServices();
  const [label, setLabel] = useState("");
  const [isSending, setIsSending] = useState(false);
  const operationId = router.route.value.query["savepointOperation"] ?? null;
  const take = async (event: Event) => {
    event.preventDefault();
    setIsSending(true);
    try {
      const param = { id: props.job.id };
      const json = label.trim() === "" ? {} : { label: label.trim() };
      const operation = await read(hub.jobs[":id"].savepoints.$post({ param, json }));
      setLabel("");
      router.choose({ savepointOperation: operation.id });
    } catch (thrown) {
      toasts.failed(changeFailure("No savepoint was taken.", thrown));
    } finally {
      setIsSending(false);
    }
  };
  return (
    <Section title="Take a savepoint">
      <form class="row" onSubmit={take}>
        <label class="field">
          <span>Label (optional)</span>
          <input
            type="text"
            value={label}
            maxLength={200}
            placeholder="before the new threshold"
            onInput={(event) => setLabel(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={isSending}>Take savepoint</button>
      </form>
      {operationId === null ? null : (
        <OperationProgress
          key={operationId}
          operationId={operationId}
          what="Savepoint"
          jobId={props.job.id}
          onDismiss={() => router.choose({ savepointOperation: null })}
        />
      )}
    </Section>
  );
}

function SavepointTable(
  props: {
    readonly job: JobDetail;
    readonly savepoints: readonly SavepointView[];
    readonly mayRollBack: boolean;
    readonly opened: string | null;
  },
) {
  const { job } = props;
  const tab = { kind: "job", jobId: job.id, tab: "savepoints" } as const;
  return (
    <Table<SavepointView>
      caption="Savepoints, newest first"
      isCaptionHidden
      rows={props.savepoints}
      rowKey={(row) => row.id}
      rowClass={(row) => row.id === props.opened ? "is-open" : rowClass(statusMark(row.status))}
      empty="No savepoint yet. One keeps the state of the whole job until you delete it."
      columns={[
        {
          header: "Label",
          isWide: true,
          cell: (row) => (
            <a class="strong" href={hrefOf(tab, { savepoint: row.id })}>
              {row.label ?? "no label"}
            </a>
          ),
        },
        { header: "Status", cell: (row) => <SavepointStatus savepoint={row} /> },
        { header: "Version", cell: (row) => <Version job={job} savepoint={row} /> },
        { header: "Checkpoint", isNumeric: true, cell: (row) => row.checkpointId },
        { header: "Size", isNumeric: true, cell: (row) => bytesText(row.fullBytes) },
        { header: "Owner", cell: (row) => <Who principal={row.owner} name={row.ownerName} /> },
        { header: "Taken", cell: (row) => <Age at={row.createdAt} /> },
        {
          header: "Action",
          cell: (row) =>
            props.mayRollBack && row.status === "completed" && job.desiredState === "running"
              ? (
                <a class="button" href={hrefOf(tab, { rollback: row.id })}>
                  Roll back…<span class="visually-hidden">to {row.label ?? row.id}</span>
                </a>
              )
              : (
                <a class="button" href={hrefOf(tab, { savepoint: row.id })}>
                  Look into<span class="visually-hidden">{row.label ?? row.id}</span>
                </a>
              ),
        },
      ]}
    />
  );
}

/** Whether it is of the version that runs; whether it fits is judged when it is opened. */
function Version(props: { readonly job: JobDetail; readonly savepoint: SavepointView }) {
  const { bundleDigest } = props.savepoint;
  const isSame = bundleDigest === props.job.bundleDigest;
  return (
    <span class="stack-tight">
      <code title={bundleDigest}>{shortId(bundleDigest)}</code>
      <span class="muted">{isSame ? "the running one" : "another one"}</span>
    </span>
  );
}

function SavepointStatus(props: { readonly savepoint: SavepointView }) {
  const { status, reason } = props.savepoint;
  return (
    <span class="stack-tight">
      <Badge mark={statusMark(status)} />
      {reason === null ? null : <span class="muted">{reason}</span>}
    </span>
  );
}
