/// <reference lib="dom" />
/**
 * The frame around every page: navigation, freshness of what is shown, theme, messages.
 *
 * @module
 */
import { useEffect, useRef } from "preact/hooks";
import { countText } from "./format.ts";
import { LiveBadge } from "./parts/live_badge.tsx";
import { PageHead } from "./parts/frame.tsx";
import { AlarmHealthPage } from "./pages/alarm_health.tsx";
import { AlarmHistoryPage } from "./pages/alarm_history.tsx";
import { AlarmsPage } from "./pages/alarms.tsx";
import { AuditPage } from "./pages/audit.tsx";
import { EquipmentListPage } from "./pages/equipment_list.tsx";
import { EquipmentPage } from "./pages/equipment.tsx";
import { FleetPage } from "./pages/fleet.tsx";
import { JobPage } from "./pages/job.tsx";
import { JobsPage } from "./pages/jobs.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { SettingsPage } from "./pages/settings.tsx";
import { SignInPage } from "./pages/sign_in.tsx";
import { hrefOf, type View } from "./router.ts";
import { failureText } from "./state/api_client.ts";
import { useAnswer } from "./state/resource.ts";
import { useServices } from "./state/services.ts";
import { THEME_CHOICES } from "./state/theme.ts";

export function App() {
  const { session } = useServices();
  const who = session.session.value;
  return (
    <>
      <a class="skip" href="#main">Skip to content</a>
      <header class="top">
        <a class="brand" href="/">Penstock</a>
        {who.kind === "signedIn" ? <Navigation /> : <span class="grow" />}
        <div class="top-end">
          {who.kind === "signedIn" ? <LiveBadge /> : null}
          <ThemeChoice />
          {who.kind === "signedIn" ? <Identity name={who.me.name} role={who.me.role} /> : null}
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {who.kind === "checking"
          ? <p class="loading" role="status">Looking for the hub…</p>
          : who.kind === "signedOut"
          ? <SignInPage reason={who.reason} />
          : <CurrentPage />}
      </main>
      <ToastList />
    </>
  );
}

const NAVIGATION: readonly (readonly [View, string])[] = [
  [{ kind: "overview" }, "Overview"],
  [{ kind: "equipmentList" }, "Equipment"],
  [{ kind: "alarms" }, "Alarms"],
  [{ kind: "jobs" }, "Jobs"],
  [{ kind: "fleet" }, "Fleet"],
  [{ kind: "audit" }, "Audit"],
  [{ kind: "settings", tab: "general" }, "Settings"],
];

function Navigation() {
  const { router } = useServices();
  const current = sectionOf(router.route.value.view);
  const element = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a narrow screen the entries scroll: the current one is among those seen.
    element.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }, [current]);
  return (
    <nav ref={element} class="main-nav grow" aria-label="Main">
      <ul>
        {NAVIGATION.map(([view, text]) => (
          <li key={text}>
            <a href={hrefOf(view)} aria-current={view.kind === current ? "page" : undefined}>
              {text}
              {view.kind === "alarms" ? <AlarmCount /> : null}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** The entry of the navigation that a view belongs to. */
function sectionOf(view: View): View["kind"] {
  switch (view.kind) {
    case "job":
      return "jobs";
    case "equipment":
      return "equipmentList";
    case "alarmHistory":
    case "alarmHealth":
      return "alarms";
    default:
      return view.kind;
  }
}

/** Shelving ends by the hub's clock; the count is looked at again though no event told of it. */
const COUNT_EVERY_MS = 60_000;

function AlarmCount() {
  const { hub } = useServices();
  const asked = { query: { state: "attention" } } as const;
  const counted = useAnswer(hub.alarms.count, asked, ["alarm"], COUNT_EVERY_MS);
  const count = counted.value?.unacknowledged ?? 0;
  if (count === 0) return null;
  return (
    <span class="count unacknowledged">
      {countText(count)}
      <span class="visually-hidden">unacknowledged</span>
    </span>
  );
}

function ThemeChoice() {
  const { theme } = useServices();
  return (
    <label class="theme">
      <span class="visually-hidden">Colours</span>
      <select
        value={theme.choice.value}
        onChange={(event) => {
          const chosen = THEME_CHOICES.find((choice) => choice === event.currentTarget.value);
          if (chosen !== undefined) theme.choose(chosen);
        }}
      >
        {THEME_CHOICES.map((choice) => (
          <option key={choice} value={choice}>
            {choice === "system" ? "As system" : choice === "light" ? "Light" : "Dark"}
          </option>
        ))}
      </select>
    </label>
  );
}

function Identity(props: { readonly name: string; readonly role: string }) {
  const { session, toasts } = useServices();
  const signOut = async () => {
    try {
      await session.signOut();
    } catch (thrown) {
      toasts.failed(`You are still signed in. ${failureText(thrown)}`);
    }
  };
  const who = props.name === props.role ? props.name : `${props.name} (${props.role})`;
  return (
    <span class="identity">
      <span class="muted">{who}</span>
      <button type="button" onClick={signOut}>Sign out</button>
    </span>
  );
}

function CurrentPage() {
  const { router } = useServices();
  const { view } = router.route.value;
  const isFirst = useRef(true);
  const place = placeOf(view);
  useEffect(() => {
    // A new page is announced by its heading; the first one is announced by the browser.
    if (!isFirst.current) globalThis.document.querySelector("h1")?.focus({ preventScroll: true });
    isFirst.current = false;
  }, [place]);
  return <PageOf key={place} view={view} />;
}

/** Tabs are one place: the focus stays where it is. */
function placeOf(view: View): string {
  switch (view.kind) {
    case "job":
      return `job ${view.jobId}`;
    case "alarms":
    case "alarmHistory":
    case "alarmHealth":
    case "settings":
      return sectionOf(view);
    default:
      return hrefOf(view);
  }
}

function PageOf(props: { readonly view: View }) {
  const { view } = props;
  switch (view.kind) {
    case "overview":
      return <OverviewPage />;
    case "jobs":
      return <JobsPage />;
    case "job":
      return <JobPage jobId={view.jobId} tab={view.tab} />;
    case "equipmentList":
      return <EquipmentListPage />;
    case "equipment":
      return <EquipmentPage equipment={view.equipment} />;
    case "alarms":
      return <AlarmsPage />;
    case "alarmHistory":
      return <AlarmHistoryPage />;
    case "alarmHealth":
      return <AlarmHealthPage />;
    case "fleet":
      return <FleetPage />;
    case "audit":
      return <AuditPage />;
    case "settings":
      return <SettingsPage tab={view.tab} />;
    case "notFound":
      return (
        <>
          <PageHead title="Not found" />
          <p>
            There is no page at <code>{view.path}</code>. <a href="/">Go to the overview</a>.
          </p>
        </>
      );
  }
}

function ToastList() {
  const { toasts } = useServices();
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.shown.value.map((toast) => (
        <div key={toast.id} class={`toast ${toast.kind === "failed" ? "tone-bad" : "tone-calm"}`}>
          <span>{toast.text}</span>
          <button
            type="button"
            aria-label={`Dismiss: ${toast.text}`}
            onClick={() =>
              toasts.dismiss(toast.id)}
          >
            Dismiss
          </button>
        </div>
      ))}
    </div>
  );
}
