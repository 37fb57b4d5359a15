/// <reference lib="dom" />
/**
 * A flood of alarms: said while it goes on, and read from the alarm that came first.
 *
 * @module
 */
import type { AlarmFlood } from "@shared/plant_api.ts";
import { plural } from "../format.ts";
import { hrefOf } from "../router.ts";
import { useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { Section } from "./frame.tsx";
import { Age, PriorityMark, Time } from "./marks.tsx";
import { Table } from "./table.tsx";

/** Not with each alarm: the figures of a day would be counted again and again in the very flood. */
const FLOOD_EVERY_MS = 10_000;

/** The flood that goes on now; null when there is none. */
export function useFlood(): AlarmFlood | null {
  const { hub } = useServices();
  const health = useAnswer(hub.alarms.health, {}, [], FLOOD_EVERY_MS);
  return health.value?.floods.find((flood) => flood.to === null) ?? null;
}

export function FloodBanner(
  props: { readonly flood: AlarmFlood; readonly isGrouped: boolean },
) {
  const { router } = useServices();
  const { flood, isGrouped } = props;
  return (
    <div class="notice tone-bad flood" role="status">
      <p>
        <strong>Alarm flood:</strong> {plural(flood.count, "alarm")} since <Time at={flood.from} />.
        {" "}
        First came <strong>{flood.firstOut.text}</strong> on {flood.firstOut.equipment}.
      </p>
      <button
        type="button"
        aria-pressed={isGrouped}
        onClick={() => router.choose({ group: isGrouped ? null : "flood" })}
      >
        {isGrouped ? "Show every alarm" : "Group by what came first"}
      </button>
    </div>
  );
}

/** What followed the first alarm, by the part of the plant; each part leads to its alarms. */
export function FloodGroups({ flood }: { readonly flood: AlarmFlood }) {
  const { router } = useServices();
  const first = flood.firstOut;
  return (
    <Section title="The flood, from what came first">
      <div class="row">
        <PriorityMark priority={first.priority} isUnacknowledged={!first.isAcknowledged} />
        <button type="button" onClick={() => router.choose({ alarm: first.id })}>
          {first.text} on {first.equipment}
        </button>
        <span class="muted">
          came first, <Age at={first.raisedAt} />
        </span>
      </div>
      {first.response === "" ? null : (
        <p>
          What to do: <strong>{first.response}</strong>
        </p>
      )}
      <Table<AlarmFlood["groups"][number]>
        caption="What followed, by part of the plant"
        rows={flood.groups}
        rowKey={(group) => group.path.join("/")}
        empty="Nothing else followed."
        columns={[
          {
            header: "Part of the plant",
            isWide: true,
            cell: (group) => (
              <a
                href={hrefOf({ kind: "alarms" }, {
                  state: "all",
                  path: group.path.map(encodeURIComponent).join("/"),
                  from: flood.from,
                })}
              >
                {group.path.length === 0 ? "no place given" : group.path.join(" / ")}
              </a>
            ),
          },
          { header: "Alarms", isNumeric: true, cell: (group) => group.count },
        ]}
      />
    </Section>
  );
}
