/// <reference lib="dom" />
/**
 * A secret that the hub shows this one time, to be copied.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

export interface SecretProps {
  readonly title: string;
  readonly secret: string;
  readonly onClose: () => void;
  readonly children?: ComponentChildren;
}

export function SecretNotice(props: SecretProps) {
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await globalThis.navigator.clipboard.writeText(props.secret);
      setSaid("Copied.");
    } catch {
      // Pages served over plain http may not use the clipboard.
      setSaid("The browser did not allow it: select the text and copy it yourself.");
    }
  };
  return (
    <div class="notice tone-warn" role="status">
      <p>
        <strong>{props.title}</strong> It is shown this once.
      </p>
      <code class="command">{props.secret}</code>
      {props.children}
      <div class="row">
        <button type="button" onClick={copy}>Copy</button>
        <button type="button" onClick={props.onClose}>I have kept it</button>
        <span class="muted">{said}</span>
      </div>
    </div>
  );
}
