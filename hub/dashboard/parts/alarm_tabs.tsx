/// <reference lib="dom" />
/** The three views on alarms, as tabs. @module */
import { hrefOf, type View } from "../router.ts";
import { useServices } from "../state/services.ts";
import { PageHead } from "./frame.tsx";

const TABS: readonly (readonly [View, string])[] = [
  [{ kind: "alarms" }, "List"],
  [{ kind: "alarmHistory" }, "History"],
  [{ kind: "alarmHealth" }, "Health"],
];

export function AlarmsHead() {
  const { router } = useServices();
  const { view } = router.route.value;
  return (
    <>
      <PageHead title="Alarms" />
      <nav class="tabs" aria-label="Alarms">
        {TABS.map(([tab, text]) => (
          <a
            key={text}
            href={hrefOf(tab)}
            aria-current={tab.kind === view.kind ? "page" : undefined}
          >
            {text}
          </a>
        ))}
      </nav>
    </>
  );
}
