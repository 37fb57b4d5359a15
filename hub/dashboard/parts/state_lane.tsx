/// <reference lib="dom" />
/**
 * In what state equipment was when: normal, alarm or unknown, below the charts and in words.
 *
 * @module
 */
import { durationText, percentText } from "../format.ts";
import { laneShare, type PlantState, type StateSpan } from "./chart_marks.ts";
import { Table } from "./table.tsx";
import { instantText, type Zone } from "./time_span.ts";

/** Narrower spans carry no word. */
const WORD_PX = 62;
const LIST_MAX = 100;
/** Less than this would be written as 0 %. */
const SAID_SHARE = 0.005;
const STATES: readonly PlantState[] = ["alarm", "unknown", "normal"];

export function StateLane(
  props: { readonly states: readonly StateSpan[]; readonly zone: Zone },
) {
  const { states } = props;
  const first = states[0];
  const last = states.at(-1);
  if (first === undefined || last === undefined) return null;
  const lengthMs = last.toMs - first.fromMs;
  const wordShare = laneShare(WORD_PX, globalThis.innerWidth);
  const share = (span: StateSpan) => (span.toMs - span.fromMs) / lengthMs;
  const inWords = STATES
    .map((state) => ({ state, part: sum(states.filter((one) => one.state === state).map(share)) }))
    .filter(({ part }) => part >= SAID_SHARE)
    .map(({ state, part }) => `${state} ${percentText(part)}`)
    .join(", ");
  return (
    <div class="lane-block">
      <p class="lane-title">State of the equipment: {inWords} of the span</p>
      <div class="lane state-lane" aria-hidden="true">
        {states.map((span) => (
          <span
            key={span.fromMs}
            class={`state-span state-${span.state}`}
            style={{
              left: `${100 * (span.fromMs - first.fromMs) / lengthMs}%`,
              width: `${100 * share(span)}%`,
            }}
            title={`${span.state}, ${durationText(span.toMs - span.fromMs)} from ${
              instantText(span.fromMs, props.zone)
            }`}
          >
            {share(span) < wordShare ? "" : span.state}
          </span>
        ))}
      </div>
      <StateList {...props} />
    </div>
  );
}

function sum(parts: readonly number[]): number {
  return parts.reduce((total, part) => total + part, 0);
}

function StateList(props: { readonly states: readonly StateSpan[]; readonly zone: Zone }) {
  const rows = [...props.states].reverse().slice(0, LIST_MAX);
  return (
    <details class="alternative">
      <summary>States as a table</summary>
      <Table<StateSpan>
        caption="States of the equipment, newest first"
        isCaptionHidden
        rows={rows}
        rowKey={(row) => String(row.fromMs)}
        empty="No state."
        columns={[
          { header: "State", cell: (row) => row.state },
          { header: "From", cell: (row) => instantText(row.fromMs, props.zone) },
          { header: "To", cell: (row) => instantText(row.toMs, props.zone) },
          { header: "Lasted", cell: (row) => durationText(row.toMs - row.fromMs) },
        ]}
      />
    </details>
  );
}
