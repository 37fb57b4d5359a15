/// <reference lib="dom" />
/**
 * What every page is made of: its head, its sections, and what stands there while or in place of content.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { Page } from "@shared/api.ts";
import type { ListResource, Resource } from "../state/resource.ts";

export function PageHead(
  props: {
    readonly title: string;
    readonly trail?: readonly { readonly text: string; readonly href: string }[];
    readonly children?: ComponentChildren;
  },
) {
  useEffect(() => {
    globalThis.document.title = `${props.title} · Penstock`;
  }, [props.title]);
  const trail = props.trail ?? [];
  return (
    <div class="page-head">
      {trail.length === 0 ? null : (
        <nav aria-label="Breadcrumb" class="trail">
          <ol>
            {trail.map((step) => (
              <li key={step.href}>
                <a href={step.href}>{step.text}</a>
              </li>
            ))}
          </ol>
        </nav>
      )}
      <div class="page-title">
        <h1 tabIndex={-1}>{props.title}</h1>
        {props.children}
      </div>
    </div>
  );
}

export function Section(
  props: {
    readonly title: string;
    readonly actions?: ComponentChildren;
    readonly children: ComponentChildren;
  },
) {
  return (
    <section class="section">
      <div class="section-head">
        <h2>{props.title}</h2>
        {props.actions}
      </div>
      {props.children}
    </section>
  );
}

/** Shows the answer once there is one; a failure beside the last answer, never instead of it. */
export function Loaded<T>(
  props: { readonly resource: Resource<T>; readonly children: (value: T) => ComponentChildren },
) {
  const { value, failure, reload } = props.resource;
  return (
    <>
      {failure === null ? null : (
        <div class="notice tone-bad" role="alert">
          <p>{failure}{value === null ? "" : " What follows is older."}</p>
          <button type="button" onClick={reload}>Try again</button>
        </div>
      )}
      {value !== null
        ? props.children(value)
        : failure === null
        ? <p class="loading" role="status">Loading…</p>
        : null}
    </>
  );
}

/** A list with a button for the next page. */
export function LoadedList<T>(
  props: {
    readonly list: ListResource<T>;
    readonly children: (items: readonly T[]) => ComponentChildren;
  },
) {
  return (
    <Loaded resource={props.list}>
      {(page: Page<T>) => (
        <>
          {props.children(page.items)}
          {page.next === null
            ? null
            : (
              <button type="button" class="more" onClick={() => props.list.more()}>
                Load more
              </button>
            )}
        </>
      )}
    </Loaded>
  );
}

/** Names and values side by side. */
export function Facts(
  props: { readonly facts: readonly (readonly [string, ComponentChildren])[] },
) {
  return (
    <dl class="facts">
      {props.facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
