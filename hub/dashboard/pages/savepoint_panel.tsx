/// <reference lib="dom" />
/**
 * One savepoint: whether the running version can restore it, what has changed since another one, delete it.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { JobDetail, SavepointView } from "@shared/job_api.ts";
import type { SavepointCompatibility } from "@shared/state_api.ts";
import { bytesText, shortId } from "../format.ts";
import { Confirm } from "../parts/confirm.tsx";
import { Facts, Loaded, Section } from "../parts/frame.tsx";
import { type Mark, statusMark } from "../parts/health.ts";
import { Age, Badge, Time, Who } from "../parts/marks.tsx";
import { SavepointDiffView } from "../parts/savepoint_diff.tsx";
import { Table } from "../parts/table.tsx";
import { hrefOf } from "../router.ts";
import { changeFailure } from "../state/api_client.ts";
import { useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { mayAdminister } from "../state/session.ts";

export interface SavepointPanelProps {
  readonly job: JobDetail;
  readonly savepoint: SavepointView;
  /** Completed ones it can be held against. */
  readonly others: readonly SavepointView[];
}

export function SavepointPanel(props: SavepointPanelProps) {
  const { hub, router } = useServices();
  const { job, savepoint } = props;
  const isComplete = savepoint.status === "completed";
  const asked = { param: { id: savepoint.id }, query: { jobId: job.id } };
  const judged = useAnswer(
    hub.savepoints[":id"].compatibility,
    isComplete ? asked : null,
    ["job"],
  );
  return (
    <Section
      title={savepoint.label ?? "Savepoint without a label"}
      actions={
        <span class="row">
          <PanelActions job={job} savepoint={savepoint} />
          <button
            type="button"
            onClick={() => router.choose({ savepoint: null, against: null })}
          >
            Close
          </button>
        </span>
      }
    >
      <Facts
        facts={[
          ["Status", <Badge key="status" mark={statusMark(savepoint.status)} />],
          ["Id", <code key="id">{savepoint.id}</code>],
          [
            "Taken",
            <span key="at" class="inline">
              <Time at={savepoint.createdAt} /> <Age at={savepoint.createdAt} />
            </span>,
          ],
          ["Owner", <Who key="who" principal={savepoint.owner} name={savepoint.ownerName} />],
          ["Size", bytesText(savepoint.fullBytes)],
          [
            "Version",
            <code key="version" title={savepoint.bundleDigest}>
              {shortId(savepoint.bundleDigest)}
            </code>,
          ],
          ...savepoint.claimedByJobId === null
            ? []
            : [["Taken over by", <code key="by">{savepoint.claimedByJobId}</code>] as const],
        ]}
      />
      {isComplete
        ? <Loaded resource={judged}>{(found) => <Compatibility found={found} />}</Loaded>
        : <p class="muted">{savepoint.reason ?? "It holds nothing yet."}</p>}
      {isComplete ? <SavepointDiffView savepoint={savepoint} others={props.others} /> : null}
    </Section>
  );
}

function PanelActions(props: { readonly job: JobDetail; readonly savepoint: SavepointView }) {
  const { hub, router, session, toasts } = useServices();
  const { job, savepoint } = props;
  const [isAsked, setIsAsked] = useState(false);
  if (!mayAdminister(session.session.value)) return null;
  const remove = async () => {
    try {
      await hub.savepoints[":id"].$delete({ param: { id: savepoint.id } });
      toasts.done("The savepoint was deleted.");
      router.choose({ savepoint: null, against: null });
    } catch (thrown) {
      toasts.failed(changeFailure("The savepoint stays.", thrown));
    }
  };
  return (
    <>
      {savepoint.status === "completed" && job.desiredState === "running"
        ? (
          <a
            class="button"
            href={hrefOf({ kind: "job", jobId: job.id, tab: "savepoints" }, {
              rollback: savepoint.id,
            })}
          >
            Roll back…
          </a>
        )
        : null}
      <button type="button" onClick={() => setIsAsked(true)}>Delete…</button>
      {isAsked
        ? (
          <Confirm
            title={`Delete ${savepoint.label ?? savepoint.id}`}
            action="Delete savepoint"
            isDangerous
            onConfirm={remove}
            onClose={() => setIsAsked(false)}
          >
            <p>
              Its {bytesText(savepoint.fullBytes)}{" "}
              are given up for good: nobody can roll back to it or start a job from it any more. The
              hub refuses while a running job could recover from nothing else.
            </p>
          </Confirm>
        )
        : null}
    </>
  );
}

type Verdict = SavepointCompatibility["verdict"];

/** What a verdict means for the person who wants to go back. */
export function verdictMark(verdict: Verdict): Mark {
  switch (verdict) {
    case "as-is":
    case "new":
      return { tone: "calm", text: "fits as it is" };
    case "migrates":
      return { tone: "calm", text: "fits, reached by migrations" };
    case "dropped":
      return { tone: "warn", text: "part of its state has no place any more" };
    case "incompatible":
      return { tone: "bad", text: "does not fit" };
  }
}

type OperatorVerdict = SavepointCompatibility["operators"][number];

function Compatibility(props: { readonly found: SavepointCompatibility }) {
  const { found } = props;
  return (
    <>
      <p class="row">
        <strong>With the running version:</strong>
        <Badge mark={verdictMark(found.verdict)} />
        <span class="muted">
          {found.isSameVersion ? "It is of the version that runs." : "It is of another version."}
        </span>
      </p>
      <Table<OperatorVerdict>
        caption="Compatibility of each operator"
        isCaptionHidden
        rows={found.operators}
        rowKey={(row) => row.uid}
        rowClass={(row) =>
          row.compatibility === "incompatible"
            ? "row-bad"
            : row.compatibility === "dropped"
            ? "row-warn"
            : ""}
        empty="It holds no state."
        columns={[
          { header: "Operator", cell: (row) => <strong>{row.uid}</strong> },
          { header: "State", cell: (row) => row.compatibility },
          { header: "Why", isWide: true, cell: (row) => row.reason },
          {
            header: "States",
            isWide: true,
            cell: (row) => (
              <span class="chips">
                {row.states.map((state) => (
                  <span key={state.name} class="chip" title={state.reason}>
                    {state.name}: {state.compatibility}
                  </span>
                ))}
              </span>
            ),
          },
        ]}
      />
    </>
  );
}
