/// <reference lib="dom" />
/**
 * What stands around a long list: that it loads, and why it could not.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import type { PagedResource } from "../state/paged_resource.ts";

export function LoadedRows<T>(
  props: { readonly list: PagedResource<T>; readonly children: ComponentChildren },
) {
  const { failure, isLoaded, reload } = props.list;
  return (
    <>
      {failure === null ? null : (
        <div class="notice tone-bad" role="alert">
          <p>{failure}{isLoaded ? " What follows is older." : ""}</p>
          <button type="button" onClick={reload}>Try again</button>
        </div>
      )}
      {isLoaded
        ? props.children
        : failure === null
        ? <p class="loading" role="status">Loading…</p>
        : null}
    </>
  );
}
