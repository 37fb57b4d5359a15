/// <reference lib="dom" />
/**
 * The plant's tree, and beside it the equipment of the part that is chosen, worst first.
 *
 * Touches the address of the page: part, search and order are choices in its query.
 *
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import type { EquipmentSummary, PlantView } from "@shared/plant_api.ts";
import { countText, plural, valueText } from "../format.ts";
import { hrefOf } from "../router.ts";
import { type Resource, useAnswers } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { Loaded, Section } from "./frame.tsx";
import { FreshnessMark } from "./freshness_mark.tsx";
import { oddestText } from "./health.ts";
import { Age, PriorityMark } from "./marks.tsx";
import { pathFrom, pathText, type PlantPath, trailOf } from "./plant_nodes.ts";
import { PlantTree } from "./plant_tree.tsx";
import { type VirtualColumn, VirtualTable } from "./virtual_table.tsx";

/** Values come with a new look at them; an overview is read, not watched. */
export const PLANT_EVERY_MS = 10_000;
const SEARCH_PAUSE_MS = 250;

export function EquipmentBrowser(props: { readonly plant: Resource<PlantView> }) {
  const { router } = useServices();
  const path = pathFrom(router.route.value.query["path"]);
  const choose = (next: PlantPath) => router.choose({ path: pathText(next) });
  return (
    <div class="browser">
      <Section title="Plant">
        <Loaded resource={props.plant}>
          {(plant) => <PlantTree plant={plant} chosen={path} onChoose={choose} />}
        </Loaded>
      </Section>
      <EquipmentOf path={path} plant={props.plant.value} />
    </div>
  );
}

function EquipmentOf(props: { readonly path: PlantPath; readonly plant: PlantView | null }) {
  const { hub, router } = useServices();
  const { query } = router.route.value;
  const text = pathText(props.path);
  const search = query["search"] ?? "";
  const sort = query["sort"] === "name" ? "name" : "worst";
  const asked = {
    sort,
    limit: "200",
    ...text === "" ? {} : { path: text },
    ...search === "" ? {} : { search },
  } as const;
  const list = useAnswers(hub.plant.equipment, { query: asked }, ["alarm"], PLANT_EVERY_MS);
  const node = props.plant?.nodes.find((one) => pathText(one.path) === text);
  return (
    <Section
      title={props.path.at(-1) ?? "Whole plant"}
      actions={<SearchField search={search} />}
    >
      <Trail path={props.path} />
      <Loaded resource={list}>
        {(page) => (
          <VirtualTable<EquipmentSummary>
            label={`Equipment, ${sort === "name" ? "by name" : "worst first"}`}
            columns={COLUMNS}
            rows={page.items}
            rowKey={(row) => row.equipment}
            rowClass={rowClassOf}
            empty={search === ""
              ? "No equipment has sent a signal yet. It appears once a job with a detector runs."
              : `No equipment here is called “${search}”.`}
            {...node === undefined || search !== "" ? {} : { total: node.equipment }}
            hasMore={page.next !== null}
            onMore={list.more}
            cardPx={118}
            sort={{ key: sort === "name" ? "equipment" : "state", isDescending: false }}
            onSort={({ key }) => router.choose({ sort: key === "equipment" ? "name" : null })}
            onOpen={(row) => router.go(hrefOf({ kind: "equipment", equipment: row.equipment }))}
          />
        )}
      </Loaded>
    </Section>
  );
}

/** Where one is, and the way up. */
function Trail(props: { readonly path: PlantPath }) {
  const { router } = useServices();
  const { view } = router.route.value;
  if (props.path.length === 0) return null;
  const here = view.kind === "equipmentList" ? view : { kind: "overview" } as const;
  const steps = [
    { text: "Whole plant", href: hrefOf(here) },
    ...trailOf(props.path, here),
  ];
  return (
    <nav class="trail" aria-label="Place in the plant">
      <ol>
        {steps.map((step, index) => (
          <li key={step.href}>
            <a href={step.href} aria-current={index === steps.length - 1 ? "location" : undefined}>
              {step.text}
            </a>
          </li>
        ))}
      </ol>
    </nav>
  );
}

/** Asks the hub once the typing pauses. */
function SearchField(props: { readonly search: string }) {
  const { clock, router } = useServices();
  const [typed, setTyped] = useState(props.search);
  useEffect(() => setTyped(props.search), [props.search]);
  useEffect(() => {
    if (typed === props.search) return;
    return clock.after(SEARCH_PAUSE_MS, () => router.choose({ search: typed }));
  }, [typed]);
  return (
    <label class="field inline">
      <span>Find</span>
      <input
        type="search"
        value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)}
      />
    </label>
  );
}

function rowClassOf(row: EquipmentSummary): string {
  if (row.highestPriority === null) return "";
  return row.highestPriority === "critical" || row.highestPriority === "high"
    ? "row-bad"
    : "row-warn";
}

const COLUMNS: readonly VirtualColumn<EquipmentSummary>[] = [
  {
    key: "equipment",
    header: "Equipment",
    width: "minmax(130px, 1.3fr)",
    isSortable: true,
    inCard: "bare",
    cell: (row) => (
      <a class="strong" href={hrefOf({ kind: "equipment", equipment: row.equipment })}>
        {row.equipment}
      </a>
    ),
  },
  {
    key: "state",
    header: "State",
    width: "minmax(270px, 2fr)",
    isSortable: true,
    inCard: "bare",
    cell: (row) => <State row={row} />,
  },
  {
    key: "freshness",
    header: "Signal",
    width: "minmax(150px, 1.2fr)",
    cell: (row) => <Heard row={row} />,
  },
  {
    key: "score",
    header: "Worst score",
    width: "92px",
    isNumeric: true,
    cell: (row) => valueText(row.worst?.score ?? null),
  },
  {
    key: "watched",
    header: "Oddest signal",
    width: "minmax(110px, 1fr)",
    inCard: "none",
    cell: (row) => <span class="muted">{oddestText(row)}</span>,
  },
  {
    key: "signals",
    header: "Signals",
    width: "64px",
    isNumeric: true,
    inCard: "none",
    cell: (row) => countText(row.signals),
  },
];

function State(props: { readonly row: EquipmentSummary }) {
  const { alarms, highestPriority } = props.row;
  const open = alarms.critical + alarms.high + alarms.medium + alarms.low;
  const shelved = alarms.shelved === 0
    ? null
    : <span class="muted">{countText(alarms.shelved)} shelved</span>;
  if (highestPriority === null || open === 0) {
    return (
      <span class="inline">
        {alarms.unacknowledged > 0
          ? <span>over, {countText(alarms.unacknowledged)} unacknowledged</span>
          : <span class="muted">{props.row.freshness === "good" ? "normal" : "no alarm"}</span>}
        {shelved}
      </span>
    );
  }
  return (
    <span class="inline">
      <PriorityMark priority={highestPriority} isUnacknowledged={alarms.unacknowledged > 0} />
      <span class="muted">
        {alarms.unacknowledged > 0
          ? `${countText(alarms.unacknowledged)} unacknowledged`
          : plural(open, "alarm")}
      </span>
      {shelved}
    </span>
  );
}

function Heard(props: { readonly row: EquipmentSummary }) {
  const { freshness, lastAt } = props.row;
  return (
    <span class="inline">
      {freshness === "good" ? null : <FreshnessMark freshness={freshness} />}
      <span class="muted">
        <Age at={lastAt} />
      </span>
    </span>
  );
}
