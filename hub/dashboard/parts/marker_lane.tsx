/// <reference lib="dom" />
/**
 * What happened, above the charts as signs in their place in time, and as a list.
 *
 * @module
 */
import type { ChartMarker } from "@shared/plant_api.ts";
import { hrefOf } from "../router.ts";
import { useServices } from "../state/services.ts";
import {
  kindsIn,
  laneShare,
  MARKER_TEXT,
  type PlacedMarkers,
  placedMarkers,
} from "./chart_marks.ts";
import { PriorityMark, PriorityShape } from "./marks.tsx";
import { Table } from "./table.tsx";
import { instantText, type Span, type Zone } from "./time_span.ts";

/** Signs nearer than this to each other are drawn as one. */
const NEAR_PX = 24;
const LIST_MAX = 200;

/** Sixteen by sixteen; lines, so that none is taken for the filled shape of a priority. */
const SIGN: Readonly<Record<ChartMarker["kind"], string>> = {
  alarm: "M8 2L14 13H2Z",
  acknowledged: "M3 8.5L6.5 12L13 4.5",
  cleared: "M8 3A5 5 0 1 1 8 13A5 5 0 1 1 8 3Z",
  deploy: "M8 13V3M4 7L8 3L12 7M3 14H13",
  savepoint: "M4 14V2M4 3H12L10 5.5L12 8H4",
  restore: "M13 8A5 5 0 1 1 11.5 4.5M11.5 1.5V5H8",
  rollback: "M6 4L2.5 7.5L6 11M3 7.5H10A3 3 0 0 1 10 13.5H7",
};

export interface MarkerLaneProps {
  readonly markers: readonly ChartMarker[];
  readonly span: Span;
  readonly zone: Zone;
  readonly onOpenAlarm: (alarmId: string) => void;
}

export function MarkerLane(props: MarkerLaneProps) {
  const { markers, span } = props;
  const nearShare = laneShare(NEAR_PX, globalThis.innerWidth);
  return (
    <div class="lane-block">
      <div class="lane marker-lane" aria-hidden="true">
        {placedMarkers(markers, span, nearShare).map((placed) => (
          <PlacedSign
            key={`${placed.markers[0]!.at}${placed.share}`}
            placed={placed}
            lane={props}
          />
        ))}
      </div>
      <MarkerLegend markers={markers} />
    </div>
  );
}

function PlacedSign(props: { readonly placed: PlacedMarkers; readonly lane: MarkerLaneProps }) {
  const { placed, lane } = props;
  const first = placed.markers[0]!;
  const { alarmId } = first;
  const title = placed.markers
    .map((one) =>
      `${instantText(Date.parse(one.at), lane.zone)}  ${MARKER_TEXT[one.kind]}: ${one.text}`
    )
    .join("\n");
  return (
    <span
      class={`lane-sign${alarmId === null ? "" : " is-pressable"}`}
      style={{ left: `${placed.share * 100}%` }}
      title={title}
      onClick={alarmId === null ? undefined : () => lane.onOpenAlarm(alarmId)}
    >
      <MarkerSign marker={first} />
      {placed.markers.length > 1 ? <span class="lane-count">{placed.markers.length}</span> : null}
    </span>
  );
}

function MarkerSign(props: { readonly marker: Pick<ChartMarker, "kind" | "priority"> }) {
  const { kind, priority } = props.marker;
  if (kind === "alarm" && priority !== null) return <PriorityShape priority={priority} />;
  return (
    <svg class="sign" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={SIGN[kind]} />
    </svg>
  );
}

function MarkerLegend(props: { readonly markers: readonly ChartMarker[] }) {
  const kinds = kindsIn(props.markers);
  if (kinds.length === 0) return null;
  return (
    <ul class="legend" aria-label="Signs above the charts">
      {kinds.map((kind) => (
        <li key={kind}>
          <MarkerSign marker={{ kind, priority: null }} />
          {MARKER_TEXT[kind]}
        </li>
      ))}
    </ul>
  );
}

/** The same as a list, newest first. */
export function MarkerList(
  props: { readonly markers: readonly ChartMarker[]; readonly zone: Zone },
) {
  const { router } = useServices();
  const { view, query } = router.route.value;
  const rows = [...props.markers].sort((a, b) => b.at.localeCompare(a.at)).slice(0, LIST_MAX);
  return (
    <details class="alternative">
      <summary>What happened, as a list ({rows.length})</summary>
      <Table<ChartMarker>
        caption="What happened"
        isCaptionHidden
        rows={rows}
        rowKey={(row) => `${row.at}/${row.kind}/${row.alarmId ?? row.text}`}
        empty="Nothing happened in this span."
        columns={[
          { header: "Time", cell: (row) => instantText(Date.parse(row.at), props.zone) },
          { header: "What", cell: (row) => <span>{MARKER_TEXT[row.kind]}</span> },
          {
            header: "Priority",
            cell: (row) =>
              row.priority === null
                ? <span class="muted">none</span>
                : <PriorityMark priority={row.priority} />,
          },
          {
            header: "Text",
            isWide: true,
            cell: (row) =>
              row.alarmId === null
                ? row.text
                : <a href={hrefOf(view, { ...query, alarm: row.alarmId })}>{row.text}</a>,
          },
          {
            header: "Until",
            cell: (row) =>
              row.until === null ? "–" : instantText(Date.parse(row.until), props.zone),
          },
        ]}
      />
    </details>
  );
}
