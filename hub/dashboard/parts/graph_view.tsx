/// <reference lib="dom" />
/**
 * The operators of a job as a drawing, with what flows through each; a table says the same.
 *
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import type { JobGraph, OperatorNode } from "@shared/job_graph.ts";
import { rateText } from "../format.ts";
import type { OperatorRate } from "../state/live_state.ts";
import { layOut, NODE_HEIGHT, NODE_WIDTH, type PlacedNode } from "./graph_layout.ts";
import { Table } from "./table.tsx";

/** Below this width the graph runs from top to bottom. */
const NARROW = "(max-width: 760px)";
const UID_LENGTH_MAX = 24;
const LABEL_LENGTH_MAX = 30;

export function GraphView(
  props: { readonly graph: JobGraph; readonly rates: ReadonlyMap<string, OperatorRate> },
) {
  const isNarrow = useMedia(NARROW);
  const layout = layOut(props.graph, isNarrow ? "TB" : "LR");
  const { width, height } = layout;
  return (
    <>
      <div class="graph" role="region" aria-label="Operator graph" tabIndex={0}>
        <svg
          viewBox={`0 0 ${width} ${height}`}
          width={width}
          height={height}
          role="img"
          aria-label={`Graph of ${props.graph.operators.length} operators; the table below says the same`}
        >
          <defs>
            <marker
              id="arrow"
              viewBox="0 0 8 8"
              refX="7"
              refY="4"
              markerWidth="8"
              markerHeight="8"
              orient="auto"
            >
              <path d="M0 0L8 4L0 8Z" class="graph-arrow" />
            </marker>
          </defs>
          {layout.edges.map((edge) => (
            <path
              key={`${edge.from}>${edge.to}`}
              d={edge.path}
              class={`graph-edge edge-${edge.kind}`}
              marker-end="url(#arrow)"
            />
          ))}
          {layout.nodes.map((placed) => (
            <GraphNode
              key={placed.node.uid}
              placed={placed}
              rate={props.rates.get(placed.node.uid) ?? null}
            />
          ))}
        </svg>
      </div>
      <details class="alternative">
        <summary>Operators as a table</summary>
        <OperatorTable {...props} />
      </details>
    </>
  );
}

function GraphNode(props: { readonly placed: PlacedNode; readonly rate: OperatorRate | null }) {
  const { node, x, y } = props.placed;
  const rate = props.rate;
  return (
    <g transform={`translate(${x} ${y})`} class="graph-node">
      <rect width={NODE_WIDTH} height={NODE_HEIGHT} rx="3" />
      <text x="10" y="19" class="graph-kind">{node.kind}{node.isKeyed ? " · keyed" : ""}</text>
      <text x="10" y="38" class="graph-uid">{cut(node.uid, UID_LENGTH_MAX)}</text>
      <text x="10" y="55" class="graph-label">{cut(node.label, LABEL_LENGTH_MAX)}</text>
      <text x="10" y="74" class="graph-rate">
        {rate === null
          ? "no rate yet"
          : `in ${rateText(rate.inPerSecond)} · out ${rateText(rate.outPerSecond)}`}
      </text>
      <title>{`${node.uid}: ${node.label}`}</title>
    </g>
  );
}

function OperatorTable(
  props: { readonly graph: JobGraph; readonly rates: ReadonlyMap<string, OperatorRate> },
) {
  const into = (uid: string) =>
    props.graph.edges.filter((edge) => edge.from === uid).map((edge) =>
      `${edge.to} (${edge.kind})`
    );
  return (
    <Table<OperatorNode>
      caption="Operators"
      isCaptionHidden
      rows={props.graph.operators}
      rowKey={(node) => node.uid}
      empty="The job has no operators."
      columns={[
        { header: "Operator", cell: (node) => node.uid },
        { header: "Kind", cell: (node) => node.kind },
        { header: "What it does", cell: (node) => node.label, isWide: true },
        { header: "Sends to", cell: (node) => into(node.uid).join(", ") || "nothing" },
        {
          header: "In",
          isNumeric: true,
          cell: (node) => rateText(props.rates.get(node.uid)?.inPerSecond ?? null),
        },
        {
          header: "Out",
          isNumeric: true,
          cell: (node) => rateText(props.rates.get(node.uid)?.outPerSecond ?? null),
        },
      ]}
    />
  );
}

function cut(text: string, lengthMax: number): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax - 1)}…` : text;
}

function useMedia(query: string): boolean {
  const [isMatch, setIsMatch] = useState(() => globalThis.matchMedia(query).matches);
  useEffect(() => {
    const media = globalThis.matchMedia(query);
    const changed = () => setIsMatch(media.matches);
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, [query]);
  return isMatch;
}
