/// <reference lib="dom" />
/** Says to a person who may not change something which role it takes. @module */
import { useServices } from "../state/services.ts";
import { mayAdminister } from "../state/session.ts";

/** Whether the viewer is an administrator. To be called while rendering. */
export function useMayAdminister(): boolean {
  const { session } = useServices();
  return mayAdminister(session.session.value);
}

export function AdminOnly(props: { readonly what: string }) {
  return useMayAdminister() ? null : <p class="muted">{props.what} needs the role admin.</p>;
}
