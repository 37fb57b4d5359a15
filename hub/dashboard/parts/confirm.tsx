/// <reference lib="dom" />
/**
 * A question before something that matters: what will happen, then yes or no.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "./dialog.tsx";

export interface ConfirmProps {
  readonly title: string;
  /** On the button that does it. */
  readonly action: string;
  readonly isDangerous?: boolean;
  /** What keeps it from being done; null when nothing does. */
  readonly missing?: string | null;
  /** The dialog closes when it is done; a failure is the caller's to say. */
  readonly onConfirm: () => Promise<void>;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

export function Confirm(props: ConfirmProps) {
  const [isSending, setIsSending] = useState(false);
  const missing = props.missing ?? null;
  const confirm = async (event: Event) => {
    event.preventDefault();
    if (missing !== null || isSending) return;
    setIsSending(true);
    await props.onConfirm();
    props.onClose();
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form class="stack" onSubmit={confirm}>
        {props.children}
        <div class="row">
          <button
            type="submit"
            class={props.isDangerous === true ? "danger" : "primary"}
            disabled={missing !== null || isSending}
          >
            {props.action}
          </button>
          <button type="button" onClick={props.onClose}>Leave it</button>
          {missing === null ? null : <span class="muted" role="status">{missing}</span>}
        </div>
      </form>
    </Dialog>
  );
}
