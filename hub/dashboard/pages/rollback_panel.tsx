/// <reference lib="dom" />
/**
 * The way back to a savepoint: the hub's plan first, then reason and consent, then its progress.
 *
 *   planning ──▶ plan shown ──reason, consent──▶ rolling back ──▶ result
 *
 * 1. Nothing is changed before a plan was shown.
 * 2. A plan that loses records needs its own consent; a plan that cannot work cannot be started.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { JobDetail, OperationView, RollbackPlan } from "@shared/api.ts";
import { Loaded, Section } from "../parts/frame.tsx";
import { OperationProgress } from "../parts/operation_progress.tsx";
import { RollbackPlanView } from "../parts/rollback_plan.tsx";
import { plural } from "../format.ts";
import { failureText } from "../state/api_client.ts";
import { useResource } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

export interface RollbackPanelProps {
  readonly job: JobDetail;
  readonly savepointId: string;
  /** Null for a savepoint without one. */
  readonly label: string | null;
}

export function RollbackPanel(props: RollbackPanelProps) {
  const { api, router } = useServices();
  const { job, label, savepointId } = props;
  const path = `/jobs/${encodeURIComponent(job.id)}/rollbacks`;
  const operationId = router.route.value.query["rollbackOperation"] ?? null;
  const plan = useResource<RollbackPlan>(
    operationId === null ? `${path}#${savepointId}` : null,
    (signal) => api.post<RollbackPlan>(path, { savepointId, dryRun: true }, signal),
    [],
  );
  const close = () => router.choose({ rollback: null, rollbackOperation: null });
  const actions = (
    <span class="row">
      {operationId === null
        ? <button type="button" onClick={() => plan.reload()}>Plan again</button>
        : null}
      <button type="button" onClick={close}>Close</button>
    </span>
  );
  return (
    <Section
      title={`Roll ${job.name} back to ${label === null ? savepointId : `"${label}"`}`}
      actions={actions}
    >
      {operationId === null
        ? (
          <Loaded resource={plan}>
            {(found) => (
              <>
                <RollbackPlanView plan={found} />
                <RollbackForm path={path} plan={found} />
              </>
            )}
          </Loaded>
        )
        : (
          <OperationProgress
            key={operationId}
            operationId={operationId}
            what="Rollback"
            onDismiss={close}
          />
        )}
    </Section>
  );
}

function RollbackForm(props: { readonly path: string; readonly plan: RollbackPlan }) {
  const { api, router, toasts } = useServices();
  const { plan } = props;
  const [reason, setReason] = useState("");
  const [hasConsent, setHasConsent] = useState(false);
  const [isSending, setIsSending] = useState(false);
  const missing = missingFor(plan, reason, hasConsent);
  const start = async (event: Event) => {
    event.preventDefault();
    if (missing !== null) return;
    setIsSending(true);
    try {
      const operation = await api.post<OperationView>(props.path, {
        savepointId: plan.savepointId,
        allowGap: plan.needsAllowGap && hasConsent,
        dryRun: false,
        reason: reason.trim(),
      });
      router.choose({ rollbackOperation: operation.id });
    } catch (thrown) {
      toasts.failed(`The rollback was not started. ${failureText(thrown)}`);
      setIsSending(false);
    }
  };
  return (
    <form class="stack" onSubmit={start}>
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
              I accept that {plural(recordsLost(plan), "record")}{" "}
              between the savepoint and now will not be counted.
            </span>
          </label>
        )
        : null}
      <div class="row">
        <button
          type="submit"
          class="danger"
          disabled={missing !== null || isSending}
          aria-describedby="rollback-missing"
        >
          Roll back to checkpoint {plan.checkpointId}
        </button>
        <span id="rollback-missing" class="muted" role="status">{missing ?? "Ready."}</span>
      </div>
    </form>
  );
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

/** Records that the plan gives up, over all splits. */
export function recordsLost(plan: Pick<RollbackPlan, "gaps">): number {
  return plan.gaps.reduce((sum, gap) => sum + gap.records, 0);
}
