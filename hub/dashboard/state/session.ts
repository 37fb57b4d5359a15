/**
 * Decides who sits at the page: signed in by cookie, by a token in the address, or by the form.
 *
 *   checking ──me──▶ signedIn ──401 or sign out──▶ signedOut ──token──▶ signedIn
 *
 * Touches the API and the address of the page.
 *
 * 1. A token in `#token=` leaves the address before anything else happens; the fragment never reaches a
 *    server, and the token itself is kept nowhere: the hub answers it with a cookie.
 *
 * @module
 */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { SessionView } from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import { type ApiClient, ApiError, failureText } from "./api_client.ts";

export type Session =
  | { readonly kind: "checking" }
  | { readonly kind: "signedOut"; readonly reason: string | null }
  | { readonly kind: "signedIn"; readonly me: SessionView };

export interface SessionControl {
  readonly session: ReadonlySignal<Session>;
  start(): Promise<void>;
  signIn(token: string): Promise<void>;
  signOut(): Promise<void>;
  /** The hub no longer knows us. */
  expired(): void;
}

/** The fragment of the page's address, without `#`; `clear` removes it from the address. */
export interface Fragment {
  read(): string;
  clear(): void;
}

export function createSession(
  hub: ApiClient["hub"],
  fragment: Fragment,
): SessionControl {
  const session = signal<Session>({ kind: "checking" });
  const look = async (refusedReason: string | null) => {
    try {
      session.value = { kind: "signedIn", me: await read(hub.me.$get()) };
    } catch (thrown) {
      const isUnknown = thrown instanceof ApiError && thrown.status === 401;
      const reason = isUnknown ? refusedReason : failureText(thrown);
      session.value = { kind: "signedOut", reason };
    }
  };
  const signIn = async (token: string) => {
    try {
      await hub.session.$post({ json: { token } });
    } catch (thrown) {
      const isRefused = thrown instanceof ApiError && thrown.status === 401;
      const reason = isRefused
        ? "The hub does not know this token, or it was revoked."
        : failureText(thrown);
      session.value = { kind: "signedOut", reason };
      return;
    }
    await look("The browser did not keep the session cookie. Allow cookies for this address.");
  };
  return {
    session,
    async start() {
      const token = new URLSearchParams(fragment.read()).get("token");
      if (token === null) return await look(null);
      fragment.clear();
      await signIn(token);
    },
    signIn,
    async signOut() {
      await hub.session.$delete();
      session.value = { kind: "signedOut", reason: null };
    },
    expired() {
      if (session.value.kind !== "signedIn") return;
      session.value = { kind: "signedOut", reason: "The session is over. Sign in again." };
    },
  };
}

/** Whether this person may roll back and add agents. */
export function mayAdminister(session: Session): boolean {
  return session.kind === "signedIn" && session.me.role === "admin";
}

/** Whether this person may acknowledge alarms and take savepoints. */
export function mayOperate(session: Session): boolean {
  return session.kind === "signedIn" &&
    (session.me.role === "operator" || session.me.role === "admin");
}
