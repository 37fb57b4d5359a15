/// <reference lib="dom" />
/**
 * One alarm: what and where, why and what to do, its life so far with who did what, and what came before.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { AlarmDetail, AlarmTransitionView, AlarmView } from "@shared/plant_api.ts";
import { NONE, valueText } from "../format.ts";
import { hrefOf } from "../router.ts";
import { useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { mayOperate } from "../state/session.ts";
import { type AlarmActions, useAlarmActions } from "./alarm_actions.ts";
import { AlarmDialog, type Asking, TextField } from "./alarm_dialogs.tsx";
import { AlarmStateMark, canAcknowledge, STATE_TEXT } from "./alarm_marks.tsx";
import { Dialog, DialogEnd } from "./dialog.tsx";
import { Facts, Loaded } from "./frame.tsx";
import { Age, PriorityMark, Time } from "./marks.tsx";

/** What is seen of the signal before the alarm and behind its end. */
const AROUND_MS = 15 * 60_000;

export function AlarmPanel(props: { readonly id: string }) {
  const { hub, router } = useServices();
  const alarm = useAnswer(hub.alarms[":id"], { param: { id: props.id } }, ["alarm"]);
  const heading = useRef<HTMLHeadingElement>(null);
  const isLoaded = alarm.value !== null;
  useEffect(() => {
    if (isLoaded) heading.current?.focus();
  }, [props.id, isLoaded]);
  return (
    <aside class="section alarm-panel" aria-label="Alarm">
      <div class="section-head">
        <h2 ref={heading} tabIndex={-1}>{alarm.value?.text ?? "Alarm"}</h2>
        <button type="button" onClick={() => router.choose({ alarm: null })}>Close</button>
      </div>
      <Loaded resource={alarm}>
        {(detail) => <PanelBody alarm={detail} reload={alarm.reload} />}
      </Loaded>
    </aside>
  );
}

function PanelBody(props: { readonly alarm: AlarmDetail; readonly reload: () => void }) {
  const { alarm } = props;
  const actions = useAlarmActions(props.reload);
  return (
    <>
      <div class="row">
        <PriorityMark priority={alarm.priority} isUnacknowledged={!alarm.isAcknowledged} />
        <AlarmStateMark alarm={alarm} />
        {alarm.isChattering ? <span class="chip is-warn">chattering</span> : null}
      </div>
      <PanelActions alarm={alarm} actions={actions} />
      <Facts facts={factsOf(alarm)} />
      <Life transitions={alarm.transitions} />
      <CommentForm alarm={alarm} actions={actions} />
      <Similar alarms={alarm.similar} />
    </>
  );
}

function factsOf(alarm: AlarmDetail): Parameters<typeof Facts>[0]["facts"] {
  const facts: [string, ComponentChildren][] = [
    ["Equipment", <EquipmentAt key="e" alarm={alarm} />],
  ];
  if (alarm.path.length > 0) facts.push(["Place", alarm.path.join(" / ")]);
  facts.push(
    [
      "Since",
      <span key="s">
        <Time at={alarm.raisedAt} /> (<Age at={alarm.raisedAt} />)
      </span>,
    ],
  );
  if (alarm.clearedAt !== null) facts.push(["Over", <Time key="c" at={alarm.clearedAt} />]);
  if (alarm.cause !== "") facts.push(["Cause", alarm.cause]);
  if (alarm.consequence !== "") facts.push(["If nobody acts", alarm.consequence]);
  if (alarm.response !== "") facts.push(["What to do", <strong key="r">{alarm.response}</strong>]);
  facts.push(...figuresOf(alarm), ...standingOf(alarm));
  facts.push(
    [
      "Job",
      alarm.jobName === null
        ? alarm.jobId
        : (
          <a key="j" href={hrefOf({ kind: "job", jobId: alarm.jobId, tab: "graph" })}>
            {alarm.jobName}
          </a>
        ),
    ],
    ["Rang", `${alarm.occurrences}× by ${alarm.operatorUid} through ${alarm.sinkUid}`],
  );
  return facts;
}

function figuresOf(alarm: AlarmView): [string, string][] {
  const facts: [string, string][] = [];
  if (alarm.value !== null) facts.push(["Value", valueText(alarm.value)]);
  if (alarm.threshold !== null || alarm.score !== null) {
    facts.push(["Score", `${valueText(alarm.score)} (limit ${valueText(alarm.threshold)})`]);
  }
  if (alarm.low !== null || alarm.high !== null) {
    facts.push(["Expected", `${valueText(alarm.low)} to ${valueText(alarm.high)}`]);
  }
  return facts;
}

/** Why it does not ring, and who saw it. */
function standingOf(alarm: AlarmView): [string, ComponentChildren][] {
  const facts: [string, ComponentChildren][] = [];
  if (alarm.acknowledgedBy !== null) {
    facts.push([
      "Acknowledged",
      <span key="a">
        {alarm.acknowledgedBy}, <Time at={alarm.acknowledgedAt} />
        {alarm.comment === null ? "" : `: ${alarm.comment}`}
      </span>,
    ]);
  }
  if (alarm.shelvedUntil !== null) {
    facts.push([
      "Shelved until",
      <span key="u">
        <Time at={alarm.shelvedUntil} /> by {alarm.shelvedBy ?? NONE}: {alarm.shelveReason ?? NONE}
      </span>,
    ]);
  }
  if (alarm.suppressedBy !== null) facts.push(["Suppressed by", alarm.suppressedBy]);
  if (alarm.outOfServiceBy !== null) {
    facts.push(["Out of service", `${alarm.outOfServiceBy}: ${alarm.outOfServiceReason ?? NONE}`]);
  }
  return facts;
}

/** The equipment as it was around the alarm. */
function EquipmentAt({ alarm }: { readonly alarm: AlarmView }) {
  const nowMs = useServices().now.peek();
  const endMs = alarm.clearedAt === null ? nowMs : Date.parse(alarm.clearedAt);
  const from = new Date(Date.parse(alarm.raisedAt) - AROUND_MS).toISOString();
  const to = new Date(Math.min(endMs + AROUND_MS, nowMs)).toISOString();
  return (
    <span class="row">
      <a class="strong" href={hrefOf({ kind: "equipment", equipment: alarm.equipment })}>
        {alarm.equipment}
      </a>
      <a href={hrefOf({ kind: "equipment", equipment: alarm.equipment }, { from, to })}>
        at that time
      </a>
    </span>
  );
}

function PanelActions(props: { readonly alarm: AlarmDetail; readonly actions: AlarmActions }) {
  const { session } = useServices();
  const [asking, setAsking] = useState<Asking | null>(null);
  const [isTakingOut, setTakingOut] = useState(false);
  const { alarm, actions } = props;
  if (!mayOperate(session.session.value)) {
    return <p class="muted">Acknowledging and shelving need the role operator.</p>;
  }
  const target = { kind: "ids", ids: [alarm.id] } as const;
  const what = `${alarm.text} on ${alarm.equipment}`;
  return (
    <div class="row">
      <button
        type="button"
        class="primary"
        disabled={!canAcknowledge(alarm)}
        onClick={() => setAsking({ kind: "acknowledge", target, what })}
      >
        Acknowledge…
      </button>
      {alarm.shelvedUntil === null
        ? (
          <button type="button" onClick={() => setAsking({ kind: "shelve", target, what })}>
            Shelve…
          </button>
        )
        : <button type="button" onClick={() => actions.unshelve(alarm)}>Unshelve</button>}
      {alarm.outOfServiceBy === null
        ? <button type="button" onClick={() => setTakingOut(true)}>Out of service…</button>
        : (
          <button type="button" onClick={() => actions.returnToService(alarm)}>
            Return to service
          </button>
        )}
      {asking === null
        ? null
        : <AlarmDialog asking={asking} actions={actions} onEnd={() => setAsking(null)} />}
      {isTakingOut
        ? <OutOfServiceDialog alarm={alarm} actions={actions} onEnd={() => setTakingOut(false)} />
        : null}
    </div>
  );
}

function OutOfServiceDialog(
  props: {
    readonly alarm: AlarmDetail;
    readonly actions: AlarmActions;
    readonly onEnd: () => void;
  },
) {
  const { alarm, actions, onEnd } = props;
  const [reason, setReason] = useState("");
  const [isSending, setSending] = useState(false);
  const send = async (event: Event) => {
    event.preventDefault();
    setSending(true);
    const isDone = await actions.takeOutOfService(alarm, reason.trim());
    setSending(false);
    if (isDone) onEnd();
  };
  return (
    <Dialog title={`Take ${alarm.text} out of service`} onClose={onEnd}>
      <form class="stack" onSubmit={send}>
        <p>
          For maintenance: it does not ring on {alarm.equipment}{" "}
          until somebody returns it to service.
        </p>
        <TextField label="Reason (kept in the audit log)" value={reason} onInput={setReason} />
        <DialogEnd
          send="Take out of service"
          refusal={reason.trim() === "" ? "Give a reason first." : null}
          isSending={isSending}
          onCancel={onEnd}
        />
      </form>
    </Dialog>
  );
}

export const KIND_TEXT: Readonly<Record<AlarmTransitionView["kind"], string>> = {
  "raised": "raised",
  "cleared": "over",
  "acknowledged": "acknowledged",
  "re-alarmed": "rang again",
  "shelved": "shelved",
  "unshelved": "back from the shelf",
  "suppressed": "suppressed",
  "unsuppressed": "no longer suppressed",
  "out-of-service": "out of service",
  "returned-to-service": "back in service",
  "commented": "commented",
};

/** What happened, in the words of the lists. */
export function transitionText(transition: AlarmTransitionView): string {
  return KIND_TEXT[transition.kind] ?? transition.kind;
}

function Life(props: { readonly transitions: readonly AlarmTransitionView[] }) {
  if (props.transitions.length === 0) return null;
  return (
    <div class="stack">
      <h3>Its life so far</h3>
      <ol class="life">
        {props.transitions.map((one) => (
          <li key={one.id} class={`life-${one.kind}`}>
            <Time at={one.at} />
            <span>
              <strong>{transitionText(one)}</strong>
              {one.by === null
                ? <span class="muted">({one.cause})</span>
                : <span>by {one.by}</span>}
              {one.kind === "commented" || one.from === null || one.from === one.to
                ? null
                : <span class="muted">→ {STATE_TEXT[one.to]}</span>}
              {one.value === null ? null : <span class="muted">at {valueText(one.value)}</span>}
              {one.comment === null ? null : <q class="comment">{one.comment}</q>}
            </span>
          </li>
        ))}
      </ol>
    </div>
  );
}

function CommentForm(props: { readonly alarm: AlarmDetail; readonly actions: AlarmActions }) {
  const { session } = useServices();
  const [text, setText] = useState("");
  const [isSending, setSending] = useState(false);
  if (!mayOperate(session.session.value)) return null;
  const send = async (event: Event) => {
    event.preventDefault();
    setSending(true);
    if (await props.actions.comment(props.alarm, text.trim())) setText("");
    setSending(false);
  };
  return (
    <form class="stack" onSubmit={send}>
      <TextField label="Comment" value={text} onInput={setText} />
      <div>
        <button type="submit" disabled={text.trim() === "" || isSending}>Add comment</button>
      </div>
    </form>
  );
}

function Similar(props: { readonly alarms: readonly AlarmView[] }) {
  const { router } = useServices();
  if (props.alarms.length === 0) return <p class="muted">It never rang here before.</p>;
  const query = router.route.value.query;
  return (
    <div class="stack">
      <h3>Before, on the same equipment</h3>
      <ul class="plain">
        {props.alarms.map((alarm) => (
          <li key={alarm.id} class="inline">
            <a href={hrefOf(router.route.value.view, { ...query, alarm: alarm.id })}>
              <Time at={alarm.raisedAt} />
            </a>
            <span class="muted">
              {STATE_TEXT[alarm.state]}
              {alarm.value === null ? "" : `, value ${valueText(alarm.value)}`}
              {alarm.comment === null ? "" : `, “${alarm.comment}”`}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
