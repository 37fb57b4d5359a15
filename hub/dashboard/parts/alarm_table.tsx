/// <reference lib="dom" />
/**
 * Alarms with priority, state and what to do about them; one or many can be acknowledged.
 *
 * @module
 */
import type { AlarmView } from "@shared/api.ts";
import { timeText, valueText } from "../format.ts";
import { hrefOf } from "../router.ts";
import { alarmStateText } from "./health.ts";
import { Age, Badge, PriorityMark } from "./marks.tsx";
import { type Column, Table } from "./table.tsx";

export interface AlarmTableProps {
  readonly alarms: readonly AlarmView[];
  readonly empty: string;
  /** Null where nothing may be selected. */
  readonly selection: {
    readonly ids: ReadonlySet<string>;
    readonly toggle: (id: string) => void;
  } | null;
  /** Null for a person who may not acknowledge. */
  readonly onAcknowledge: ((alarm: AlarmView) => void) | null;
}

export function AlarmTable(props: AlarmTableProps) {
  const { selection, onAcknowledge } = props;
  const columns: Column<AlarmView>[] = [
    {
      header: "Priority",
      cell: (row) => (
        <PriorityMark
          priority={row.priority}
          isUnacknowledged={!row.isAcknowledged}
        />
      ),
    },
    {
      header: "Equipment",
      cell: (row) => (
        <a class="strong" href={hrefOf({ kind: "equipment", equipment: row.equipment })}>
          {row.equipment}
        </a>
      ),
    },
    { header: "Alarm", isWide: true, cell: (row) => <AlarmText alarm={row} /> },
    { header: "State", cell: (row) => <AlarmState alarm={row} /> },
    { header: "Raised", cell: (row) => <Age at={row.raisedAt} /> },
    { header: "Score", isNumeric: true, cell: (row) => <Score alarm={row} /> },
  ];
  if (onAcknowledge !== null) {
    columns.push({ header: "Action", cell: (row) => acknowledgeButton(row, onAcknowledge) });
  }
  if (selection !== null) {
    columns.unshift({ header: "Select", cell: (row) => selectBox(row, selection) });
  }
  return (
    <Table<AlarmView>
      caption="Alarms"
      isCaptionHidden
      rows={props.alarms}
      rowKey={(row) => row.id}
      rowClass={(row) => row.isActive ? "row-bad" : ""}
      empty={props.empty}
      columns={columns}
    />
  );
}

function acknowledgeButton(alarm: AlarmView, acknowledge: (alarm: AlarmView) => void) {
  if (alarm.isAcknowledged) return <span class="muted">none</span>;
  return (
    <button type="button" onClick={() => acknowledge(alarm)}>
      Acknowledge<span class="visually-hidden">{alarm.text} on {alarm.equipment}</span>
    </button>
  );
}

function selectBox(alarm: AlarmView, selection: NonNullable<AlarmTableProps["selection"]>) {
  if (alarm.isAcknowledged) return <span class="muted">–</span>;
  return (
    <input
      type="checkbox"
      aria-label={`Select ${alarm.text} on ${alarm.equipment}`}
      checked={selection.ids.has(alarm.id)}
      onChange={() => selection.toggle(alarm.id)}
    />
  );
}

function AlarmText(props: { readonly alarm: AlarmView }) {
  const { text, response, operatorUid } = props.alarm;
  return (
    <span class="stack-tight">
      <span>{text}</span>
      {response === "" ? null : <span class="muted">Do: {response}</span>}
      <span class="muted">{operatorUid}</span>
    </span>
  );
}

function AlarmState(props: { readonly alarm: AlarmView }) {
  const { alarm } = props;
  const tone = alarm.isActive ? "bad" : alarm.isAcknowledged ? "calm" : "warn";
  return (
    <span class="stack-tight">
      <Badge mark={{ tone, text: alarmStateText(alarm) }} />
      {alarm.clearedAt === null
        ? null
        : <span class="muted">cleared {timeText(alarm.clearedAt)}</span>}
      {alarm.acknowledgedBy === null
        ? null
        : <span class="muted">acknowledged by {alarm.acknowledgedBy}</span>}
    </span>
  );
}

function Score(props: { readonly alarm: AlarmView }) {
  const { score, threshold, value } = props.alarm;
  return (
    <span class="stack-tight">
      <span>
        {valueText(score)}
        {threshold === null ? "" : ` of ${valueText(threshold)}`}
      </span>
      {value === null ? null : <span class="muted">at value {valueText(value)}</span>}
    </span>
  );
}
