/// <reference lib="dom" />
/**
 * Savepoints of a job: take one, and open the way back to one.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { JobDetail, OperationView, SavepointView } from "@shared/api.ts";
import { bytesText } from "../format.ts";
import { LoadedList, Section } from "../parts/frame.tsx";
import { statusMark } from "../parts/health.ts";
import { Badge, Time, Who } from "../parts/marks.tsx";
import { OperationProgress } from "../parts/operation_progress.tsx";
import { Table } from "../parts/table.tsx";
import { hrefOf } from "../router.ts";
import { failureText } from "../state/api_client.ts";
import { useList } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { mayAdminister, mayOperate } from "../state/session.ts";
import { RollbackPanel } from "./rollback_panel.tsx";

export function JobSavepoints(props: { readonly job: JobDetail }) {
  const { router, session } = useServices();
  const { job } = props;
  const { query } = router.route.value;
  const path = `/savepoints?jobId=${encodeURIComponent(job.id)}`;
  const savepoints = useList<SavepointView>(path, ["savepoint", "checkpoint", "rollback"]);
  const rollbackTo = query["rollback"] ?? null;
  const who = session.session.value;
  const label = savepoints.value?.items.find((one) => one.id === rollbackTo)?.label ?? null;
  return (
    <>
      {rollbackTo === null
        ? null
        : <RollbackPanel key={rollbackTo} job={job} savepointId={rollbackTo} label={label} />}
      {mayOperate(who) ? <TakeSavepoint job={job} /> : null}
      <Section title="Savepoints">
        <LoadedList list={savepoints}>
          {(items) => (
            <SavepointTable
              jobId={job.id}
              savepoints={items}
              mayRollBack={mayAdminister(who)}
              opened={rollbackTo}
            />
          )}
        </LoadedList>
      </Section>
    </>
  );
}

function TakeSavepoint(props: { readonly job: JobDetail }) {
  const { api, router, toasts } = useServices();
  const [label, setLabel] = useState("");
  const [isSending, setIsSending] = useState(false);
  const operationId = router.route.value.query["savepointOperation"] ?? null;
  const take = async (event: Event) => {
    event.preventDefault();
    setIsSending(true);
    try {
      const path = `/jobs/${encodeURIComponent(props.job.id)}/savepoints`;
      const body = label.trim() === "" ? {} : { label: label.trim() };
      const operation = await api.post<OperationView>(path, body);
      setLabel("");
      router.choose({ savepointOperation: operation.id });
    } catch (thrown) {
      toasts.failed(`No savepoint was taken. ${failureText(thrown)}`);
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
          onDismiss={() => router.choose({ savepointOperation: null })}
        />
      )}
    </Section>
  );
}

function SavepointTable(
  props: {
    readonly jobId: string;
    readonly savepoints: readonly SavepointView[];
    readonly mayRollBack: boolean;
    readonly opened: string | null;
  },
) {
  const href = (savepoint: SavepointView) =>
    hrefOf({ kind: "job", jobId: props.jobId, tab: "savepoints" }, { rollback: savepoint.id });
  return (
    <Table<SavepointView>
      caption="Savepoints, newest first"
      isCaptionHidden
      rows={props.savepoints}
      rowKey={(row) => row.id}
      rowClass={(row) => row.id === props.opened ? "is-open" : ""}
      empty="No savepoint yet. One keeps the state of the whole job until you delete it."
      columns={[
        {
          header: "Label",
          isWide: true,
          cell: (row) => <strong>{row.label ?? "no label"}</strong>,
        },
        { header: "Status", cell: (row) => <SavepointStatus savepoint={row} /> },
        { header: "Checkpoint", isNumeric: true, cell: (row) => row.checkpointId },
        { header: "Size", isNumeric: true, cell: (row) => bytesText(row.fullBytes) },
        { header: "Owner", cell: (row) => <Who principal={row.owner} name={row.ownerName} /> },
        { header: "Taken", cell: (row) => <Time at={row.createdAt} /> },
        {
          header: "Action",
          cell: (row) =>
            props.mayRollBack && row.status === "completed"
              ? (
                <a class="button" href={href(row)}>
                  Roll back…<span class="visually-hidden">to {row.label ?? row.id}</span>
                </a>
              )
              : <span class="muted">none</span>,
        },
      ]}
    />
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
