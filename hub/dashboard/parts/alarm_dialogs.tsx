/// <reference lib="dom" />
/**
 * The questions before something is done to alarms: how long, and why.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { durationText, plural } from "../format.ts";
import { useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import type { AlarmActions, AlarmTarget, Shelving } from "./alarm_actions.ts";
import { Choice } from "./choice.tsx";
import { Dialog, DialogEnd } from "./dialog.tsx";
import { minutesRefusal, minutesText, SHELVE_SPANS } from "./shelve_duration.ts";

/** What is being asked; `what` names the alarms meant. */
export type Asking = {
  readonly kind: "acknowledge" | "shelve";
  readonly target: AlarmTarget;
  readonly what: string;
};

export function AlarmDialog(
  props: DialogParts,
) {
  return props.asking.kind === "acknowledge"
    ? <AcknowledgeDialog {...props} />
    : <ShelveDialog {...props} />;
}

interface DialogParts {
  readonly asking: Asking;
  readonly actions: AlarmActions;
  /** `isDone` is false when a person went back. */
  readonly onEnd: (isDone: boolean) => void;
}

function AcknowledgeDialog({ asking, actions, onEnd }: DialogParts) {
  const [comment, setComment] = useState("");
  const [isSending, setSending] = useState(false);
  const send = async (event: Event) => {
    event.preventDefault();
    setSending(true);
    const isDone = await actions.acknowledge(asking.target, comment.trim());
    setSending(false);
    if (isDone) onEnd(true);
  };
  return (
    <Dialog title={`Acknowledge ${asking.what}`} onClose={() => onEnd(false)}>
      <form class="stack" onSubmit={send}>
        <p>Acknowledging says that you have seen them. Those still active stay in the list.</p>
        <TextField label="Comment (optional)" value={comment} onInput={setComment} />
        <DialogEnd
          send="Acknowledge"
          refusal={null}
          isSending={isSending}
          onCancel={() => onEnd(false)}
        />
      </form>
    </Dialog>
  );
}

type SpanChoice = typeof SHELVE_SPANS[number]["value"] | "custom";

function ShelveDialog({ asking, actions, onEnd }: DialogParts) {
  const { hub } = useServices();
  const settings = useAnswer(hub.settings, {}, []);
  const longestMs = settings.value?.shelveMaxMs ?? null;
  const [span, setSpan] = useState<SpanChoice>("30m");
  const [minutes, setMinutes] = useState("60");
  const [reason, setReason] = useState("");
  const [isSending, setSending] = useState(false);
  const refusal = shelveRefusal(span, minutes, reason, longestMs);
  const send = async (event: Event) => {
    event.preventDefault();
    setSending(true);
    const shelving: Shelving = {
      for: span === "custom" ? minutesText(Number(minutes)) : span,
      reason: reason.trim(),
    };
    const isDone = await actions.shelve(asking.target, shelving);
    setSending(false);
    if (isDone) onEnd(true);
  };
  const allowed = SHELVE_SPANS.filter(({ ms }) => longestMs === null || ms <= longestMs);
  return (
    <Dialog title={`Shelve ${asking.what}`} onClose={() => onEnd(false)}>
      <form class="stack" onSubmit={send}>
        <p>
          A shelved alarm does not ring, nor does it when it comes again, until the time is over
          {longestMs === null ? "" : ` (${durationText(longestMs)} at most)`}.
        </p>
        <Choice<SpanChoice>
          legend="For how long"
          name="shelve-span"
          options={[...allowed, { value: "custom", text: "Other" }]}
          chosen={span}
          onChoose={setSpan}
        />
        {span === "custom"
          ? (
            <label class="field">
              <span>Minutes</span>
              <input
                type="number"
                min={1}
                step={1}
                value={minutes}
                onInput={(event) => setMinutes(event.currentTarget.value)}
              />
            </label>
          )
          : null}
        <TextField label="Reason (kept in the audit log)" value={reason} onInput={setReason} />
        <DialogEnd
          send="Shelve"
          refusal={refusal}
          isSending={isSending}
          onCancel={() => onEnd(false)}
        />
      </form>
    </Dialog>
  );
}

function shelveRefusal(
  span: SpanChoice,
  minutes: string,
  reason: string,
  longestMs: number | null,
): string | null {
  const tooLong = span === "custom" ? minutesRefusal(Number(minutes), longestMs) : null;
  if (tooLong !== null) return tooLong;
  return reason.trim() === "" ? "Give a reason first." : null;
}

export function TextField(
  props: {
    readonly label: string;
    readonly value: string;
    readonly onInput: (value: string) => void;
  },
) {
  return (
    <label class="field">
      <span>{props.label}</span>
      <textarea
        rows={2}
        maxLength={1000}
        value={props.value}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
    </label>
  );
}

/** `1 alarm` or `all 134 alarms of this filter`. */
export function targetText(target: AlarmTarget, count: number): string {
  return target.kind === "ids"
    ? plural(count, "alarm")
    : `all ${plural(count, "alarm")} of this filter`;
}
