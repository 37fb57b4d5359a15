/// <reference lib="dom" />
/**
 * The columns of an alarm list, most telling first.
 *
 * @module
 */
import type { AlarmView } from "@shared/plant_api.ts";
import { NONE, valueText } from "../format.ts";
import { hrefOf } from "../router.ts";
import type { AlarmActions, AlarmTarget } from "./alarm_actions.ts";
import type { Asking } from "./alarm_dialogs.tsx";
import type { AlarmRow } from "./alarm_filter.ts";
import { AlarmStateMark, canAcknowledge, Since } from "./alarm_marks.tsx";
import { Badge, PriorityMark } from "./marks.tsx";
import type { VirtualColumn } from "./virtual_table.tsx";

export interface AlarmColumnWorld {
  readonly actions: AlarmActions;
  readonly mayAct: boolean;
  readonly ask: (kind: Asking["kind"], target: AlarmTarget, count: number) => void;
  /** With an alarm opened beside the list there is room for the most telling columns alone. */
  readonly isBrief: boolean;
  /** Whether it left the list, and stands there only because nothing moves under the pointer. */
  readonly isGone: (alarm: AlarmView) => boolean;
  /** Shows or hides the other occurrences of a chattering source. */
  readonly unfold: (alarm: AlarmView) => void;
}

export function alarmColumns(world: AlarmColumnWorld): readonly VirtualColumn<AlarmRow>[] {
  const columns: readonly VirtualColumn<AlarmRow>[] = [
    {
      key: "priority",
      header: "Priority",
      width: "92px",
      inCard: "bare",
      cell: ({ alarm }) => (
        <PriorityMark priority={alarm.priority} isUnacknowledged={!alarm.isAcknowledged} />
      ),
    },
    { key: "since", header: "Since", width: "132px", cell: sinceCell },
    { key: "equipment", header: "Equipment", width: "minmax(130px, 0.6fr)", cell: equipmentCell },
    {
      key: "text",
      header: "Alarm",
      width: "minmax(190px, 1.5fr)",
      inCard: "bare",
      cell: (row) => <TextCell row={row} world={world} />,
    },
    {
      key: "state",
      header: "State",
      width: "176px",
      cell: ({ alarm }) =>
        world.isGone(alarm)
          ? <Badge mark={{ tone: "calm", text: "left this list" }} />
          : <AlarmStateMark alarm={alarm} />,
    },
    {
      key: "value",
      header: "Value",
      width: "84px",
      isNumeric: true,
      inCard: "none",
      cell: valueCell,
    },
    {
      key: "by",
      header: "Acknowledged by",
      width: "112px",
      inCard: "none",
      cell: ({ alarm }) => alarm.acknowledgedBy ?? <span class="muted">{NONE}</span>,
    },
    {
      key: "action",
      header: "Action",
      width: "124px",
      inCard: "bare",
      cell: ({ alarm }) => <ActionCell alarm={alarm} world={world} />,
    },
  ];
  return world.isBrief ? columns.filter(({ key }) => !LEFT_OUT.includes(key)) : columns;
}

/** What the opened alarm shows as well. */
const LEFT_OUT = ["value", "by", "action"];

function sinceCell({ alarm }: AlarmRow) {
  return <Since at={alarm.raisedAt} />;
}

function equipmentCell({ alarm }: AlarmRow) {
  return (
    <a
      class="strong"
      title={alarm.equipment}
      href={hrefOf({ kind: "equipment", equipment: alarm.equipment })}
    >
      {alarm.equipment}
    </a>
  );
}

function TextCell(props: { readonly row: AlarmRow; readonly world: AlarmColumnWorld }) {
  const { row: { alarm, folded, isUnfolded }, world } = props;
  const isPlain = !alarm.isChattering && alarm.kind === "condition" && alarm.occurrences === 1;
  return (
    <span class="alarm-text" title={alarm.text}>
      <span class="alarm-words">{alarm.text}</span>
      {isPlain ? null : (
        <span class="alarm-signs">
          {alarm.kind === "no-data" ? <span class="chip">no data</span> : null}
          {alarm.occurrences > 1 ? <span class="chip">{alarm.occurrences}×</span> : null}
          {alarm.isChattering
            ? (
              <span class="chip is-warn" title="It comes and goes again and again">
                chattering
              </span>
            )
            : null}
          {folded === 0 && !isUnfolded
            ? null
            : (
              <button type="button" aria-expanded={isUnfolded} onClick={() => world.unfold(alarm)}>
                {isUnfolded ? "fold" : `+${folded} more`}
              </button>
            )}
          {alarm.isChattering ? <ShelveOffer alarm={alarm} world={world} /> : null}
        </span>
      )}
    </span>
  );
}

/** What chatters is better off the list for a while. */
function ShelveOffer(props: { readonly alarm: AlarmView; readonly world: AlarmColumnWorld }) {
  const { alarm, world } = props;
  if (!world.mayAct || alarm.shelvedUntil !== null) return null;
  return (
    <button
      type="button"
      onClick={() => world.ask("shelve", { kind: "ids", ids: [alarm.id] }, 1)}
    >
      shelve…<span class="visually-hidden">{alarm.equipment}</span>
    </button>
  );
}

function valueCell({ alarm }: AlarmRow) {
  const { value, threshold, score } = alarm;
  if (value === null && score === null) return <span class="muted">{NONE}</span>;
  const limit = threshold === null ? "" : `limit ${valueText(threshold)}`;
  const scored = score === null ? "" : `score ${valueText(score)}`;
  return (
    <span title={[scored, limit].filter((one) => one !== "").join(", ")}>
      {valueText(value ?? score)}
    </span>
  );
}

function ActionCell(props: { readonly alarm: AlarmView; readonly world: AlarmColumnWorld }) {
  const { alarm, world: { mayAct, actions } } = props;
  if (!mayAct || props.world.isGone(alarm)) return null;
  const name = <span class="visually-hidden">{alarm.text} on {alarm.equipment}</span>;
  if (alarm.state === "shelved") {
    return <button type="button" onClick={() => actions.unshelve(alarm)}>Unshelve{name}</button>;
  }
  if (alarm.state === "out-of-service") {
    return (
      <button type="button" onClick={() => actions.returnToService(alarm)}>To service{name}</button>
    );
  }
  if (!canAcknowledge(alarm)) return null;
  return (
    <button
      type="button"
      onClick={() => actions.acknowledge({ kind: "ids", ids: [alarm.id] })}
    >
      Acknowledge{name}
    </button>
  );
}
