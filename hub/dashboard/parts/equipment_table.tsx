/// <reference lib="dom" />
/**
 * Equipment with its freshest signal and its alarms, worst first.
 *
 * @module
 */
import type { EquipmentView } from "@shared/api.ts";
import { valueText } from "../format.ts";
import { hrefOf } from "../router.ts";
import { useServices } from "../state/services.ts";
import { withLiveSample, worstFirst } from "./equipment_live.ts";
import { equipmentMark } from "./health.ts";
import { Age, Badge, PriorityMark } from "./marks.tsx";
import { Table } from "./table.tsx";

export function EquipmentTable(
  props: {
    readonly caption: string;
    readonly equipment: readonly EquipmentView[];
    readonly empty: string;
  },
) {
  const { live, now } = useServices();
  const samples = live.samples.value;
  const rows = props.equipment.map((one) => withLiveSample(one, samples)).sort(worstFirst);
  return (
    <Table<EquipmentView>
      caption={props.caption}
      isCaptionHidden
      rows={rows}
      rowKey={(row) => `${row.jobId}/${row.operatorUid}/${row.equipment}`}
      rowClass={(row) => row.activeAlarms > 0 ? "row-bad" : ""}
      empty={props.empty}
      columns={[
        { header: "Equipment", isWide: true, cell: (row) => <EquipmentLink equipment={row} /> },
        { header: "Health", cell: (row) => <Badge mark={equipmentMark(row, now.value)} /> },
        { header: "Value", isNumeric: true, cell: (row) => valueText(row.value) },
        { header: "Score", isNumeric: true, cell: (row) => valueText(row.score) },
        { header: "Signal", cell: (row) => <Age at={row.lastAt} /> },
        { header: "Alarms", cell: (row) => <AlarmCounts equipment={row} /> },
        { header: "Operator", cell: (row) => row.operatorUid },
      ]}
    />
  );
}

function EquipmentLink(props: { readonly equipment: EquipmentView }) {
  const { equipment } = props;
  const href = hrefOf({ kind: "equipment", equipment: equipment.equipment });
  return <a href={href} class="strong">{equipment.equipment}</a>;
}

function AlarmCounts(props: { readonly equipment: EquipmentView }) {
  const { activeAlarms, unacknowledgedAlarms, highestPriority } = props.equipment;
  if (activeAlarms === 0 && unacknowledgedAlarms === 0) return <span class="muted">none</span>;
  return (
    <span class="inline">
      {highestPriority === null || activeAlarms === 0
        ? null
        : <PriorityMark priority={highestPriority} isUnacknowledged={unacknowledgedAlarms > 0} />}
      <span>{activeAlarms} active, {unacknowledgedAlarms} unacknowledged</span>
    </span>
  );
}
