/// <reference lib="dom" />
/**
 * Last step of a rollback: save the present state, say why, accept the loss, do it.
 *
 * @module
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { OperationView } from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import type { JobDetail, RollbackPlan } from "@shared/job_api.ts";
import { plural } from "../format.ts";
import { gapRecords } from "../parts/rollback_plan.tsx";
import { changeFailure, failureText, isAbort } from "../state/api_client.ts";
import { useServices } from "../state/services.ts";

const LABEL_LENGTH_MAX = 200;

export interface RollbackFormProps {
  readonly job: JobDetail;
  readonly plan: RollbackPlan;
  /** Agents as the API wants them; empty for the whole job. */
  readonly selection: { readonly agents?: string[] };
  readonly label: string | null;
}

export function RollbackForm(props: RollbackFormProps) {
  const { plan } = props;
  const [reason, setReason] = useState("");
  const [hasConsent, setHasConsent] = useState(false);
  const [savesFirst, setSavesFirst] = useState(true);
  const { start, doing } = useRollback(props, { reason, hasConsent, savesFirst });
  const missing = missingFor(plan, reason, hasConsent);
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (missing === null) void start();
      }}
    >
      <label class="check">
        <input
          type="checkbox"
          checked={savesFirst}
          onChange={(event) => setSavesFirst(event.currentTarget.checked)}
        />
        <span>
          Take a savepoint of the present state first, so that this rollback can be rolled back
        </span>
      </label>
      <label class="field">
        <span>Reason (kept in the audit log)</span>
        <textarea
          rows={2}
          required
          maxLength={1000}
          value={reason}
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
      {plan.needsAllowGap
        ? (
          <label class="check">
            <input
              type="checkbox"
              checked={hasConsent}
              onChange={(event) => setHasConsent(event.currentTarget.checked)}
            />
            <span>
              I accept that {plural(gapRecords(plan), "record")}{" "}
              between the savepoint and now, and those that come until it is done, will not be
              counted.
            </span>
          </label>
        )
        : null}
      <div class="row">
        <button
          type="submit"
          class="danger"
          disabled={missing !== null || doing !== null}
          aria-describedby="rollback-missing"
        >
          Roll back to checkpoint {plan.checkpointId}
        </button>
        <span id="rollback-missing" class="muted" role="status">
          {doing ?? missing ?? "Ready."}
        </span>
      </div>
    </form>
  );
}

interface Answers {
  readonly reason: string;
  readonly hasConsent: boolean;
  readonly savesFirst: boolean;
}

const BEFORE_ROLLBACK = "before rolling back to ";
const BEFORE_UNDOING = "before undoing the rollback to ";

/** Names the savepoint of the present before a rollback to `target`; to and fro, it does not grow. */
export function presentLabel(target: string): string {
  const isUndoing = target.startsWith(BEFORE_ROLLBACK);
  const begin = isUndoing ? BEFORE_UNDOING : BEFORE_ROLLBACK;
  const end = target.replace(isUndoing ? BEFORE_ROLLBACK : BEFORE_UNDOING, "");
  return (begin + end).slice(0, LABEL_LENGTH_MAX);
}

function useRollback(props: RollbackFormProps, answers: Answers) {
  const { api, hub, router, toasts } = useServices();
  const { job, label, plan, selection } = props;
  const [doing, setDoing] = useState<string | null>(null);
  const gone = useRef(new AbortController());
  useEffect(() => () => gone.current.abort(), []);
  const param = { id: job.id };
  /** @returns Id of the savepoint. */
  const save = async (): Promise<string> => {
    setDoing("Saving the present state…");
    const json = { label: presentLabel(label ?? `checkpoint ${plan.checkpointId}`) };
    const asked = await read(hub.jobs[":id"].savepoints.$post({ param, json }));
    const saved = await api.follow(
      asked.id,
      ({ progress }) =>
        setDoing(`Saving the present state: ${progress.phase} ${progress.done}/${progress.total}`),
      gone.current.signal,
    );
    const id = saved.result?.["savepointId"];
    if (saved.status === "succeeded" && typeof id === "string") return id;
    throw new Error(
      `The present state could not be saved: ${saved.error?.detail ?? saved.status}. ` +
        `Roll back without saving it if it is not worth keeping.`,
    );
  };
  const start = async () => {
    setDoing("Starting…");
    let isAsked = false;
    try {
      // Of now, also after a start that failed: an older one would not lead back to here.
      const undo = answers.savesFirst ? await save() : null;
      setDoing("Starting the rollback…");
      const json = {
        savepointId: plan.savepointId,
        ...selection,
        allowGap: plan.needsAllowGap && answers.hasConsent,
        dryRun: false,
        reason: answers.reason.trim(),
      };
      isAsked = true;
      const answer = read(hub.jobs[":id"].rollbacks.$post({ param, json }));
      const operation = await answer as OperationView;
      // Another page may be shown by now; the operation is found in the job's history.
      if (!gone.current.signal.aborted) router.choose({ undo, rollbackOperation: operation.id });
    } catch (thrown) {
      if (isAbort(thrown)) return;
      const undone = "The rollback was not started.";
      toasts.failed(isAsked ? changeFailure(undone, thrown) : `${undone} ${failureText(thrown)}`);
      setDoing(null);
    }
  };
  return { start, doing };
}

/** What keeps the rollback from being started; null when nothing does. */
export function missingFor(
  plan: Pick<RollbackPlan, "needsAllowGap" | "operators">,
  reason: string,
  hasConsent: boolean,
): string | null {
  const incompatible = plan.operators.filter((one) => one.compatibility === "incompatible");
  if (incompatible.length > 0) {
    return `State of ${
      incompatible.map((one) => one.uid).join(", ")
    } does not fit the running version.`;
  }
  if (reason.trim() === "") return "Give a reason first.";
  if (plan.needsAllowGap && !hasConsent) return "Accept the gap first.";
  return null;
}
