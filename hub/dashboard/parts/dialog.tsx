/// <reference lib="dom" />
/**
 * A question that is answered before anything else: holds the focus, ends with Escape.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

export function Dialog(props: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const before = globalThis.document.activeElement;
    element.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog ref={element} class="dialog" aria-labelledby={titleId} onClose={props.onClose}>
      <div class="stack">
        <h2 id={titleId}>{props.title}</h2>
        {props.children}
      </div>
    </dialog>
  );
}

/** The row of buttons that ends a dialog; `refusal` says why it cannot be sent yet. */
export function DialogEnd(
  props: {
    readonly send: string;
    readonly refusal: string | null;
    readonly isSending: boolean;
    readonly onCancel: () => void;
  },
) {
  return (
    <div class="row">
      <button type="submit" class="primary" disabled={props.refusal !== null || props.isSending}>
        {props.send}
      </button>
      <button type="button" onClick={props.onCancel}>Cancel</button>
      {props.refusal === null ? null : <span class="muted">{props.refusal}</span>}
    </div>
  );
}
