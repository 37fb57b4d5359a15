/// <reference lib="dom" />
/**
 * Asks for an API token; the hub answers it with a cookie.
 *
 * @module
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { PageHead } from "../parts/frame.tsx";
import { useServices } from "../state/services.ts";

export function SignInPage(props: { readonly reason: string | null }) {
  const { session } = useServices();
  const [token, setToken] = useState("");
  const [isSending, setIsSending] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const send = async (event: Event) => {
    event.preventDefault();
    if (token.trim() === "") return;
    setIsSending(true);
    await session.signIn(token.trim());
    setIsSending(false);
  };
  return (
    <div class="sign-in">
      <PageHead title="Sign in" />
      {props.reason === null ? null : <p class="notice tone-bad" role="alert">{props.reason}</p>}
      <form class="stack" onSubmit={send}>
        <label class="field">
          <span>API token</span>
          <input
            ref={field}
            type="password"
            autocomplete="current-password"
            spellcheck={false}
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={isSending}>Sign in</button>
      </form>
      <p class="muted">
        The hub prints its admin token once, at its first start, and keeps it in the file{" "}
        <code>admin-token</code> of its data directory.
      </p>
    </div>
  );
}
