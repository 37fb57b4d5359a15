/// <reference lib="dom" />
/**
 * What differs between two savepoints of a job: counts by operator, then key by key.
 *
 * @module
 */
import type { SavepointView } from "@shared/job_api.ts";
import type { SavepointDiff } from "@shared/state_api.ts";
import { countText, timeText } from "../format.ts";
import { useAnswer } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { Loaded } from "./frame.tsx";
import { Table } from "./table.tsx";

const KEYS = 50;
const VALUE_LENGTH_MAX = 160;

export function SavepointDiffView(
  props: { readonly savepoint: SavepointView; readonly others: readonly SavepointView[] },
) {
  const { router } = useServices();
  const { savepoint, others } = props;
  const against = router.route.value.query["against"] ?? "";
  const other = others.find((one) => one.id === against) ?? null;
  if (others.length === 0) {
    return <p class="muted">There is no other savepoint of this job to hold it against.</p>;
  }
  return (
    <>
      <label class="field inline">
        <span>Compare with</span>
        <select
          value={against}
          onChange={(event) => router.choose({ against: event.currentTarget.value })}
        >
          <option value="">nothing</option>
          {others.map((one) => (
            <option key={one.id} value={one.id}>
              {one.label ?? "no label"}, {timeText(one.createdAt)}
            </option>
          ))}
        </select>
      </label>
      {other === null ? null : <Differences savepoint={savepoint} other={other} />}
    </>
  );
}

type Item = SavepointDiff["items"][number];
type Counts = SavepointDiff["operators"][number];

function Differences(props: { readonly savepoint: SavepointView; readonly other: SavepointView }) {
  // The earlier one comes first, so that "added" means what came since.
  const [before, after] = [props.savepoint, props.other]
    .sort((a, b) => a.checkpointId - b.checkpointId);
  const { hub } = useServices();
  const diff = useAnswer(hub.savepoints[":id"].diff, {
    param: { id: before!.id },
    query: { against: after!.id, limit: String(KEYS) },
  }, []);
  return (
    <Loaded resource={diff}>
      {(found) => (
        <>
          <p>
            From <strong>{before!.label ?? before!.id}</strong> to{" "}
            <strong>{after!.label ?? after!.id}</strong>:
          </p>
          <CountTable operators={found.operators} />
          <KeyTable items={found.items} />
          {found.next === null
            ? null
            : <p class="muted">The first {KEYS} keys are shown; the command line lists all.</p>}
        </>
      )}
    </Loaded>
  );
}

function CountTable(props: { readonly operators: readonly Counts[] }) {
  return (
    <Table<Counts>
      caption="Keys that differ, by operator"
      rows={props.operators}
      rowKey={(row) => row.operator}
      empty="Neither of them holds state."
      columns={[
        { header: "Operator", isWide: true, cell: (row) => <strong>{row.operator}</strong> },
        { header: "Added", isNumeric: true, cell: (row) => countText(row.added) },
        { header: "Removed", isNumeric: true, cell: (row) => countText(row.removed) },
        { header: "Changed", isNumeric: true, cell: (row) => countText(row.changed) },
        { header: "Unchanged", isNumeric: true, cell: (row) => countText(row.unchanged) },
      ]}
    />
  );
}

function KeyTable(props: { readonly items: readonly Item[] }) {
  if (props.items.length === 0) return <p>No key differs.</p>;
  return (
    <Table<Item>
      caption="Keys that differ"
      rows={props.items}
      rowKey={(row) => `${row.operator}/${row.key}`}
      empty=""
      columns={[
        { header: "Operator", cell: (row) => row.operator },
        { header: "Key", cell: (row) => <code>{row.key}</code> },
        { header: "What", cell: (row) => row.kind },
        { header: "Before", isWide: true, cell: (row) => <code>{valueOf(row.before)}</code> },
        { header: "After", isWide: true, cell: (row) => <code>{valueOf(row.after)}</code> },
      ]}
    />
  );
}

function valueOf(value: unknown): string {
  if (value === null || value === undefined) return "–";
  const text = JSON.stringify(value);
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
}
