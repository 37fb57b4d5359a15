/// <reference lib="dom" />
/**
 * What people set while the hub runs: limits, tokens, who is told of alarms; and what the hub runs on.
 *
 * @module
 */
import { hrefOf, type SettingsTab } from "../router.ts";
import { PageHead } from "../parts/frame.tsx";
import { SettingsAbout } from "./settings_about.tsx";
import { SettingsBrokers } from "./settings_brokers.tsx";
import { SettingsGeneral } from "./settings_general.tsx";
import { SettingsNotifications } from "./settings_notifications.tsx";
import { SettingsTokens } from "./settings_tokens.tsx";

const TABS: readonly (readonly [SettingsTab, string])[] = [
  ["general", "Limits"],
  ["tokens", "Tokens"],
  ["notifications", "Notifications"],
  ["brokers", "Brokers"],
  ["about", "About"],
];

export function SettingsPage(props: { readonly tab: SettingsTab }) {
  return (
    <>
      <PageHead title="Settings" />
      <nav class="tabs" aria-label="Settings">
        {TABS.map(([tab, text]) => (
          <a
            key={tab}
            href={hrefOf({ kind: "settings", tab })}
            aria-current={tab === props.tab ? "page" : undefined}
          >
            {text}
          </a>
        ))}
      </nav>
      <TabBody tab={props.tab} />
    </>
  );
}

function TabBody(props: { readonly tab: SettingsTab }) {
  switch (props.tab) {
    case "general":
      return <SettingsGeneral />;
    case "tokens":
      return <SettingsTokens />;
    case "notifications":
      return <SettingsNotifications />;
    case "brokers":
      return <SettingsBrokers />;
    case "about":
      return <SettingsAbout />;
  }
}
