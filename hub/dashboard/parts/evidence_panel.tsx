/// <reference lib="dom" />
/**
 * Why an alarm rang: the signal around it, what the detector took for normal then and now, what to do,
 * and what a person may do from here.
 *
 * @module
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { AlarmEvidence, AlarmView } from "@shared/plant_api.ts";
import { NONE, valueText } from "../format.ts";
import { hrefOf } from "../router.ts";
import { useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { mayOperate } from "../state/session.ts";
import { type AlarmTarget, useAlarmActions } from "./alarm_actions.ts";
import { AlarmDialog, type Asking } from "./alarm_dialogs.tsx";
import { AlarmStateMark, canAcknowledge } from "./alarm_marks.tsx";
import { Chart } from "./chart.tsx";
import { Facts, Loaded } from "./frame.tsx";
import { PriorityMark } from "./marks.tsx";
import { expectedText } from "./signal_charts.tsx";
import { Table } from "./table.tsx";
import { instantText, type Zone } from "./time_span.ts";

const SCORE_HEIGHT_PX = 104;

export interface EvidencePanelProps {
  readonly alarmId: string;
  readonly zone: Zone;
  readonly onClose: () => void;
}

export function EvidencePanel(props: EvidencePanelProps) {
  const { hub } = useServices();
  const asked = { param: { id: props.alarmId } };
  const alarm = useAnswer(hub.alarms[":id"], asked, ["alarm"]);
  const evidence = useAnswer(hub.alarms[":id"].evidence, asked, ["alarm"]);
  const panel = useRef<HTMLElement>(null);
  const isThere = alarm.value !== null;
  useEffect(() => {
    if (isThere) panel.current?.focus();
  }, [props.alarmId, isThere]);
  return (
    <section class="section evidence" ref={panel} tabIndex={-1} aria-label="Evidence of the alarm">
      <div class="section-head">
        <h2>Why it rang</h2>
        <button type="button" onClick={props.onClose}>Close evidence</button>
      </div>
      <Loaded resource={alarm}>
        {(detail) => (
          <>
            <EvidenceHead alarm={detail} reload={alarm.reload} />
            <div class="evidence-columns">
              <Loaded resource={evidence}>
                {(found) => <EvidenceCharts evidence={found} alarm={detail} zone={props.zone} />}
              </Loaded>
              <EvidenceFacts alarm={detail} evidence={evidence.value} zone={props.zone} />
            </div>
            <SimilarAlarms alarms={detail.similar} zone={props.zone} />
          </>
        )}
      </Loaded>
    </section>
  );
}

function EvidenceHead(props: { readonly alarm: AlarmView; readonly reload: () => void }) {
  const { alarm } = props;
  const { session } = useServices();
  const actions = useAlarmActions(props.reload);
  const [asking, setAsking] = useState<Asking | null>(null);
  const target: AlarmTarget = { kind: "ids", ids: [alarm.id] };
  const ask = (kind: Asking["kind"]) => setAsking({ kind, target, what: "this alarm" });
  return (
    <div class="evidence-head">
      <PriorityMark priority={alarm.priority} isUnacknowledged={!alarm.isAcknowledged} />
      <strong>{alarm.text}</strong>
      <AlarmStateMark alarm={alarm} />
      {mayOperate(session.session.value)
        ? (
          <span class="row">
            {canAcknowledge(alarm)
              ? <button type="button" onClick={() => ask("acknowledge")}>Acknowledge…</button>
              : null}
            {alarm.shelvedUntil === null
              ? <button type="button" onClick={() => ask("shelve")}>Shelve…</button>
              : (
                <button type="button" onClick={() => void actions.unshelve(alarm)}>
                  Take from the shelf
                </button>
              )}
          </span>
        )
        : null}
      {asking === null
        ? null
        : <AlarmDialog asking={asking} actions={actions} onEnd={() => setAsking(null)} />}
    </div>
  );
}

function EvidenceCharts(
  props: {
    readonly evidence: AlarmEvidence;
    readonly alarm: AlarmView;
    readonly zone: Zone;
  },
) {
  const { evidence, alarm, zone } = props;
  const { series } = evidence;
  if (series === null || series.at.length === 0) {
    return (
      <p class="empty">
        The samples around this alarm are not kept any more. What it said is beside.
      </p>
    );
  }
  const raisedMs = Date.parse(alarm.raisedAt);
  const shared = {
    at: series.at,
    fromMs: Date.parse(evidence.from),
    toMs: Date.parse(evidence.to),
    bands: [{
      fromMs: raisedMs,
      toMs: alarm.clearedAt === null ? null : Date.parse(alarm.clearedAt),
      label: alarm.text,
    }],
    instants: [{ atMs: raisedMs, isAlarm: true }],
    group: `evidence ${alarm.id}`,
    zone,
  };
  const hasRange = series.low.some((value) => value !== null);
  return (
    <div class="signal">
      <h3>{series.operatorUid} around the alarm</h3>
      <Chart
        {...shared}
        title="Value"
        values={series.value}
        limit={null}
        {...hasRange ? { low: series.low, high: series.high } : {}}
      />
      <Chart
        {...shared}
        title="Anomaly score"
        values={series.score}
        limit={alarm.threshold}
        heightPx={SCORE_HEIGHT_PX}
      />
    </div>
  );
}

function EvidenceFacts(
  props: {
    readonly alarm: AlarmView;
    readonly evidence: AlarmEvidence | null;
    readonly zone: Zone;
  },
) {
  const { alarm, evidence, zone } = props;
  const said = (text: string) => text === "" ? <span class="muted">not said</span> : text;
  const score = valueText(alarm.score) +
    (alarm.threshold === null ? "" : ` of ${valueText(alarm.threshold)}`);
  return (
    <Facts
      facts={[
        ["What to do", said(alarm.response)],
        ["Cause", said(alarm.cause)],
        ["Consequence", said(alarm.consequence)],
        ["Raised", instantText(Date.parse(alarm.raisedAt), zone)],
        [
          "Over",
          alarm.clearedAt === null
            ? "still active"
            : instantText(Date.parse(alarm.clearedAt), zone),
        ],
        ["Value then", valueText(alarm.value)],
        ["Score then", score],
        ["Expected then", expectedText(evidence?.then ?? alarm)],
        ["Expected now", evidence === null ? NONE : expectedText(evidence.now)],
        ["Occurrences", String(alarm.occurrences)],
        ["Acknowledged", acknowledgedText(alarm, zone)],
      ]}
    />
  );
}

function acknowledgedText(alarm: AlarmView, zone: Zone): string {
  if (alarm.acknowledgedAt === null) return "by nobody";
  const comment = alarm.comment === null || alarm.comment === "" ? "" : `: ${alarm.comment}`;
  const at = instantText(Date.parse(alarm.acknowledgedAt), zone);
  return `${at} by ${alarm.acknowledgedBy ?? "nobody known"}${comment}`;
}

function SimilarAlarms(props: { readonly alarms: readonly AlarmView[]; readonly zone: Zone }) {
  const { router } = useServices();
  const { view, query } = router.route.value;
  const time = (at: string | null) => at === null ? NONE : instantText(Date.parse(at), props.zone);
  return (
    <Table<AlarmView>
      caption="Similar events before"
      rows={props.alarms}
      rowKey={(row) => row.id}
      empty="It has not rung before."
      columns={[
        {
          header: "Raised",
          cell: (row) => (
            <a href={hrefOf(view, { ...query, alarm: row.id })}>{time(row.raisedAt)}</a>
          ),
        },
        { header: "Over", cell: (row) => time(row.clearedAt) },
        { header: "Value", isNumeric: true, cell: (row) => valueText(row.value) },
        { header: "Score", isNumeric: true, cell: (row) => valueText(row.score) },
        { header: "Acknowledged", isWide: true, cell: (row) => acknowledgedText(row, props.zone) },
      ]}
    />
  );
}
