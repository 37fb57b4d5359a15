/// <reference lib="dom" />
/** Version of the hub and what it runs on. @module */
import { Facts, Loaded, Section } from "../parts/frame.tsx";
import { Badge } from "../parts/marks.tsx";
import { useResource } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

/** Answer of GET /version. */
interface HubVersion {
  readonly version: string;
  readonly hubId: string;
  readonly hubTerm: number;
}

/** Answer of GET /readyz. */
interface Readiness {
  readonly status: "ok" | "failed";
  readonly checks: Readonly<Record<string, string>>;
}

const EVERY_MS = 15_000;

export function SettingsAbout() {
  const { api } = useServices();
  const version = useResource<HubVersion>("version", () => api.getHub("/version"), []);
  const ready = useResource<Readiness>("ready", () => api.getHub("/readyz"), [], EVERY_MS);
  return (
    <div class="columns">
      <Section title="This hub">
        <Loaded resource={version}>
          {(hub) => (
            <Facts
              facts={[
                ["Version", hub.version],
                ["Hub", <code key="id">{hub.hubId}</code>],
                ["Term", `${hub.hubTerm} (grows by one whenever a hub takes over)`],
                ["API", <a key="a" href="/docs" data-external="">Reference of the API</a>],
              ]}
            />
          )}
        </Loaded>
      </Section>
      <Section title="What it runs on">
        <Loaded resource={ready}>
          {({ checks }) => (
            <Facts
              facts={Object.entries(checks).map(([name, outcome]) => [
                nameOf(name),
                <Badge
                  key={name}
                  mark={{
                    tone: outcome === "ok" ? "calm" : "bad",
                    text: outcome === "ok" ? "answers" : outcome,
                  }}
                />,
              ])}
            />
          )}
        </Loaded>
      </Section>
    </div>
  );
}

function nameOf(check: string): string {
  switch (check) {
    case "database":
      return "Database";
    case "objectStore":
      return "Object store";
    default:
      return check.replace(/^broker /, "Broker ");
  }
}
