/// <reference lib="dom" />
/**
 * The alarm list: any number of alarms, live, acknowledged and shelved one by one or together.
 *
 * 1. While somebody points at the list no row moves; what came meanwhile is counted and waits.
 * 2. Before all alarms of a filter are acknowledged, their number is said.
 *
 * @module
 */
import { useMemo, useState } from "preact/hooks";
import { read } from "@shared/hub_client.ts";
import type { AlarmPriority, AlarmView } from "@shared/plant_api.ts";
import { plural } from "../format.ts";
import { type PagedResource, usePaged } from "../state/paged_resource.ts";
import { chained, type PagedWorld } from "../state/paged_list.ts";
import { from, until, useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { mayOperate } from "../state/session.ts";
import { type AlarmActions, type AlarmTarget, useAlarmActions } from "./alarm_actions.ts";
import { alarmColumns } from "./alarm_columns.tsx";
import { AlarmDialog, type Asking, targetText } from "./alarm_dialogs.tsx";
import {
  type AlarmCounts,
  type AlarmFilter,
  alarmPath,
  alarmQuery,
  type AlarmRow,
  byNewest,
  byUrgency,
  foldedRows,
  PRIORITIES,
  sourceOf,
} from "./alarm_filter.ts";
import { alarmRowClass } from "./alarm_marks.tsx";
import { calmRows } from "./calm_rows.ts";
import { LoadedRows } from "./loaded_rows.tsx";
import { type Selection, VirtualTable } from "./virtual_table.tsx";

export type AlarmOrder = "urgent" | "newest";

type Ask = (kind: Asking["kind"], target: AlarmTarget, count: number) => void;

const PAGE_LIMIT = "200";

export interface AlarmListProps {
  readonly filter: AlarmFilter;
  readonly order: AlarmOrder;
  readonly openId: string | null;
  readonly empty: string;
}

export function AlarmList(props: AlarmListProps) {
  const { hub, session } = useServices();
  const list = useAlarms(props.filter, props.order);
  const counts = useAnswer(hub.alarms.count, { query: alarmQuery(props.filter) }, ["alarm"]);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [asking, setAsking] = useState<Asking | null>(null);
  const actions = useAlarmActions(list.reload);
  const mayAct = mayOperate(session.session.value);
  const chosen = list.items.filter(({ id }) => selected.has(id));
  const ask: Ask = (kind, target, count) =>
    setAsking({ kind, target, what: targetText(target, count) });
  return (
    <>
      <BulkBar
        filter={props.filter}
        counts={counts.value}
        chosen={chosen}
        mayAct={mayAct}
        ask={ask}
      />
      <LoadedRows list={list}>
        <Rows
          {...props}
          list={list}
          total={counts.value?.total ?? null}
          selection={mayAct ? { ids: selected, onChange: setSelected } : null}
          actions={actions}
          mayAct={mayAct}
          ask={ask}
        />
      </LoadedRows>
      {asking === null ? null : (
        <AlarmDialog
          asking={asking}
          actions={actions}
          onEnd={(isDone) => {
            setAsking(null);
            if (isDone) setSelected(new Set());
          }}
        />
      )}
    </>
  );
}

interface RowsProps extends AlarmListProps {
  readonly list: PagedResource<AlarmView>;
  readonly total: number | null;
  readonly selection: Selection | null;
  readonly actions: AlarmActions;
  readonly mayAct: boolean;
  readonly ask: Ask;
}

function Rows(props: RowsProps) {
  const { router } = useServices();
  const { list, total, actions, mayAct, ask } = props;
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set());
  const [held, setHeld] = useState<readonly AlarmRow[] | null>(null);
  const rows = useMemo(() => foldedRows(list.items, unfolded), [list.items, unfolded]);
  const calm = useMemo(() => calmRows(held, rows, keyOf), [held, rows]);
  const unfold = (alarm: AlarmView) => {
    const next = new Set(unfolded);
    const source = sourceOf(alarm);
    if (!next.delete(source)) next.add(source);
    setUnfolded(next);
    setHeld(null);
  };
  const isCounted = total !== null && rows.length === list.items.length;
  return (
    <>
      <Waiting count={calm.waiting} onShow={() => setHeld(null)} />
      <div onPointerEnter={() => setHeld(rows)} onPointerLeave={() => setHeld(null)}>
        <VirtualTable<AlarmRow>
          label="Alarms"
          rows={calm.rows}
          rowKey={keyOf}
          rowLabel={({ alarm }) => `${alarm.text} on ${alarm.equipment}`}
          rowClass={(row) =>
            alarmRowClass(row.alarm) + (calm.gone.has(keyOf(row)) ? " is-gone" : "")}
          columns={alarmColumns({
            actions,
            mayAct,
            ask,
            unfold,
            isBrief: props.openId !== null,
            isGone: ({ id }) => calm.gone.has(id),
          })}
          empty={props.empty}
          {...(isCounted ? { total: Math.max(total, rows.length) } : {})}
          rowPx={54}
          cardPx={204}
          hasMore={list.hasMore}
          onMore={list.more}
          onSpan={list.seen}
          selection={props.selection}
          openKey={props.openId}
          onOpen={({ alarm }) => router.choose({ alarm: alarm.id })}
        />
      </div>
    </>
  );
}

function keyOf(row: AlarmRow): string {
  return row.alarm.id;
}

function Waiting(props: { readonly count: number; readonly onShow: () => void }) {
  return (
    <div class="waiting" role="status">
      {props.count === 0 ? null : (
        <button type="button" onClick={props.onShow}>
          Show {plural(props.count, "newer alarm")}
        </button>
      )}
    </div>
  );
}

interface BulkBarProps {
  readonly filter: AlarmFilter;
  readonly counts: AlarmCounts | null;
  readonly chosen: readonly AlarmView[];
  readonly mayAct: boolean;
  readonly ask: Ask;
}

function BulkBar(props: BulkBarProps) {
  const { filter, counts, chosen, mayAct, ask } = props;
  const total = counts?.total ?? 0;
  const open = counts?.unacknowledged ?? 0;
  const ids: AlarmTarget = { kind: "ids", ids: chosen.map(({ id }) => id) };
  const all: AlarmTarget = { kind: "filter", filter };
  return (
    <div class="row bulk">
      <span class="bulk-count">
        <strong>{counts === null ? "…" : plural(total, "alarm")}</strong>
        {open === 0 ? "" : `, ${open} unacknowledged`}
      </span>
      {mayAct
        ? chosen.length > 0
          ? (
            <>
              <button type="button" onClick={() => ask("acknowledge", ids, chosen.length)}>
                Acknowledge selected ({chosen.length})
              </button>
              <button type="button" onClick={() => ask("shelve", ids, chosen.length)}>
                Shelve selected ({chosen.length})…
              </button>
            </>
          )
          : (
            <>
              <button
                type="button"
                disabled={open === 0}
                onClick={() => ask("acknowledge", all, open)}
              >
                Acknowledge all{open === 0 ? "" : ` ${open}`}…
              </button>
              <button
                type="button"
                disabled={total === 0}
                onClick={() => ask("shelve", all, total)}
              >
                Shelve all{total === 0 ? "" : ` ${total}`}…
              </button>
            </>
          )
        : <span class="muted">Acknowledging and shelving need the role operator.</span>}
    </div>
  );
}

function useAlarms(filter: AlarmFilter, order: AlarmOrder) {
  const { hub } = useServices();
  const loaderOf = (priorities: readonly AlarmPriority[]): PagedWorld<AlarmView>["load"] => {
    const asked = { ...alarmQuery({ ...filter, priorities }), limit: PAGE_LIMIT };
    return (cursor, signal) =>
      read(hub.alarms.$get({ query: { ...asked, ...from(cursor) } }, until(signal)));
  };
  const wanted = filter.priorities.length === 0 ? PRIORITIES : filter.priorities;
  const load = order === "newest"
    ? loaderOf(filter.priorities)
    : chained(wanted.map((priority) => loaderOf([priority])));
  const world: PagedWorld<AlarmView> = {
    load,
    keyOf: ({ id }) => id,
    order: order === "newest" ? byNewest : byUrgency,
  };
  return usePaged(`${order} ${alarmPath("", filter)}`, world, ["alarm"]);
}
