/// <reference lib="dom" />
/**
 * Decides which view an URL names, and keeps the URL and the shown view the same.
 *
 * `parseRoute` and `hrefOf` are pure; `createRouter` touches the history of the window.
 *
 * 1. All view state is in the path and the query: a reload or a shared link shows the same view.
 * 2. `parseRoute(hrefOf(route))` gives the route back.
 *
 * @module
 */
import { type ReadonlySignal, signal } from "@preact/signals";

export type JobTab = "graph" | "checkpoints" | "savepoints" | "history";
export type SettingsTab = "general" | "tokens" | "notifications" | "brokers" | "about";

export type View =
  | { readonly kind: "overview" }
  | { readonly kind: "jobs" }
  | { readonly kind: "job"; readonly jobId: string; readonly tab: JobTab }
  | { readonly kind: "equipmentList" }
  | { readonly kind: "equipment"; readonly equipment: string }
  /** The list; `?alarm=ID` opens one beside it. */
  | { readonly kind: "alarms" }
  | { readonly kind: "alarmHistory" }
  | { readonly kind: "alarmHealth" }
  | { readonly kind: "fleet" }
  | { readonly kind: "audit" }
  | { readonly kind: "settings"; readonly tab: SettingsTab }
  | { readonly kind: "notFound"; readonly path: string };

/** A view with the choices made in it (filter, range, opened row), by name. */
export interface Route {
  readonly view: View;
  readonly query: Readonly<Record<string, string>>;
}

const JOB_TABS: readonly JobTab[] = ["graph", "checkpoints", "savepoints", "history"];
const SETTINGS_TABS: readonly SettingsTab[] = [
  "general",
  "tokens",
  "notifications",
  "brokers",
  "about",
];

export function parseRoute(url: URL): Route {
  const query = Object.fromEntries(url.searchParams.entries());
  return { view: parseView(url.pathname), query };
}

function parseView(path: string): View {
  const notFound: View = { kind: "notFound", path };
  const segments = decodeSegments(path);
  if (segments === null) return notFound;
  const [noun, id, part] = segments;
  if (noun === undefined) return { kind: "overview" };
  switch (noun) {
    case "jobs": {
      if (id === undefined) return { kind: "jobs" };
      const tab = JOB_TABS.find((known) => known === (part ?? "graph"));
      return tab === undefined || segments.length > 3 ? notFound : { kind: "job", jobId: id, tab };
    }
    case "equipment":
      if (id === undefined) return { kind: "equipmentList" };
      return segments.length > 2 ? notFound : { kind: "equipment", equipment: id };
    case "alarms":
      return segments.length > 2 ? notFound : alarmView(id) ?? notFound;
    case "settings": {
      const tab = SETTINGS_TABS.find((known) => known === (id ?? "general"));
      return tab === undefined || segments.length > 2 ? notFound : { kind: "settings", tab };
    }
    case "fleet":
    case "audit":
      return segments.length > 1 ? notFound : { kind: noun };
    default:
      return notFound;
  }
}

function alarmView(part: string | undefined): View | null {
  switch (part) {
    case undefined:
      return { kind: "alarms" };
    case "history":
      return { kind: "alarmHistory" };
    case "health":
      return { kind: "alarmHealth" };
    default:
      return null;
  }
}

function decodeSegments(path: string): string[] | null {
  try {
    return path.split("/").filter((segment) => segment !== "").map(decodeURIComponent);
  } catch {
    return null;
  }
}

/** Path and query that show `view` with these choices; choices without a value are left out. */
export function hrefOf(view: View, query: Readonly<Record<string, string | null>> = {}): string {
  const chosen = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== "") chosen.set(name, value);
  }
  const text = chosen.toString();
  return pathOf(view) + (text === "" ? "" : `?${text}`);
}

function pathOf(view: View): string {
  switch (view.kind) {
    case "overview":
      return "/";
    case "jobs":
      return "/jobs";
    case "job": {
      const path = `/jobs/${encodeURIComponent(view.jobId)}`;
      return view.tab === "graph" ? path : `${path}/${view.tab}`;
    }
    case "equipmentList":
      return "/equipment";
    case "equipment":
      return `/equipment/${encodeURIComponent(view.equipment)}`;
    case "alarms":
    case "fleet":
    case "audit":
      return `/${view.kind}`;
    case "alarmHistory":
      return "/alarms/history";
    case "alarmHealth":
      return "/alarms/health";
    case "settings":
      return view.tab === "general" ? "/settings" : `/settings/${view.tab}`;
    case "notFound":
      return view.path;
  }
}

export interface Router {
  readonly route: ReadonlySignal<Route>;
  /** Shows `href` as a new entry of the history. */
  go(href: string): void;
  /** Changes choices of the shown view in place; null removes one. */
  choose(choices: Readonly<Record<string, string | null>>): void;
}

/** Follows the address of `window`; plain clicks on links of this origin no longer load a page. */
export function createRouter(window: Window): Router {
  const here = () => parseRoute(new URL(window.location.href));
  const route = signal(here());
  const show = (href: string, how: "push" | "replace") => {
    if (how === "push") window.history.pushState(null, "", href);
    else window.history.replaceState(null, "", href);
    route.value = here();
  };
  const go = (href: string) => {
    show(href, "push");
    window.scrollTo(0, 0);
  };
  window.addEventListener("popstate", () => route.value = here());
  window.document.addEventListener("click", (event) => {
    const href = linkOf(event, window.location.origin);
    if (href === null) return;
    event.preventDefault();
    go(href);
  });
  return {
    route,
    go,
    choose(choices) {
      const { view, query } = route.value;
      show(hrefOf(view, { ...query, ...choices }), "replace");
    },
  };
}

/** The address a plain click on a link of the dashboard asks for; null for all other clicks. */
function linkOf(event: MouseEvent, origin: string): string | null {
  const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey &&
    !event.altKey && !event.defaultPrevented;
  if (!isPlain || !(event.target instanceof Element)) return null;
  const link = event.target.closest("a");
  if (link === null || link.hasAttribute("download") || link.target !== "") return null;
  const url = new URL(link.href);
  if (url.origin !== origin || url.hash !== "" || link.hasAttribute("data-external")) return null;
  return url.pathname + url.search;
}
