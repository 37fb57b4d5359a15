/**
 * One point of alarms in memory: edges, acts and ticks go in as the store would hand them over, what the
 * pure life cycle decides is kept as the store would keep it.
 */
import type { AlarmRules } from "../../hub/coordinator/alarm_rules.ts";
import { type Alarm, settlePoint } from "../../hub/coordinator/alarm_settlement.ts";
import { type AlarmEdgeInput, type AlarmSpan, spanOf } from "../../hub/coordinator/alarm_spans.ts";
import type { AlarmStep } from "../../hub/coordinator/alarm_state.ts";

export interface AlarmPoint {
  /** Everything told so far. */
  readonly told: readonly AlarmStep[];
  readonly alarms: readonly Alarm[];
  /** Takes edges in at `nowMs`; known ones are dropped. */
  deliver(edges: readonly (AlarmEdgeInput & { readonly spanId: string })[], nowMs: number): void;
  raise(id: string, atMs: number, heardAtMs?: number): void;
  clear(id: string, atMs: number, heardAtMs?: number): void;
  tick(nowMs: number): void;
  acknowledge(id: string, nowMs: number): void;
  alarm(id: string): { isActive: boolean; isAcknowledged: boolean; occurrences: number };
}

export function alarmPoint(rules: AlarmRules, operatorUid = "drift"): AlarmPoint {
  const edges = new Map<string, AlarmEdgeInput & { readonly spanId: string }>();
  const belongsTo = new Map<string, string>();
  let alarms: readonly Alarm[] = [];
  const told: AlarmStep[] = [];
  const settle = (nowMs: number, cause: "edge" | "clock") => {
    const spans: AlarmSpan[] = [];
    for (const id of new Set([...edges.values()].map(({ spanId }) => spanId))) {
      const own = [...edges.values()].filter(({ spanId }) => spanId === id);
      const span = spanOf(own, { id, operatorUid, alarmId: belongsTo.get(id) ?? null });
      if (span !== null) spans.push(span);
    }
    const settled = settlePoint({ spans, alarms }, rules, nowMs, cause);
    for (const [span, alarm] of settled.joined) belongsTo.set(span, alarm);
    alarms = settled.alarms;
    told.push(...settled.steps);
  };
  const point: AlarmPoint = {
    told,
    get alarms() {
      return alarms;
    },
    deliver(batch, nowMs) {
      for (const edge of batch) if (!edges.has(edge.edgeId)) edges.set(edge.edgeId, edge);
      settle(nowMs, "edge");
    },
    raise(id, atMs, heardAtMs = atMs) {
      const edge = { spanId: id, edgeId: `${id}-raise`, isActive: true, atMs, heardAtMs };
      point.deliver([edge], heardAtMs);
    },
    clear(id, atMs, heardAtMs = atMs) {
      const edge = { spanId: id, edgeId: `${id}-clear`, isActive: false, atMs, heardAtMs };
      point.deliver([edge], heardAtMs);
    },
    tick: (nowMs) => settle(nowMs, "clock"),
    acknowledge(id, nowMs) {
      alarms = alarms.map((alarm) =>
        alarm.id === id && !alarm.isAcknowledged
          ? { ...alarm, isAcknowledged: true, acknowledgedAtMs: nowMs }
          : alarm
      );
      settle(nowMs, "clock");
    },
    alarm(id) {
      const found = alarms.find((alarm) => alarm.id === id);
      if (found === undefined) throw new Error(`No alarm ${id}`);
      const { isActive, isAcknowledged, occurrences } = found;
      return { isActive, isAcknowledged, occurrences };
    },
  };
  return point;
}
