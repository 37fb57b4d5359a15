/// <reference lib="dom" />
/**
 * The operators of a job as a drawing: what flows, how busy each is, how far behind; a table says the same.
 *
 * Grey as long as nothing is wrong: an operator gets colour, and the word for it, when it is too busy, held
 * up or behind. Choosing an operator opens its subtasks.
 *
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import type { JobGraph, OperatorNode } from "@shared/job_graph.ts";
import { countText, durationText, NONE, percentText, plural, rateText } from "../format.ts";
import {
  layOut,
  NODE_HEIGHT,
  NODE_WIDTH,
  type PlacedEdge,
  type PlacedNode,
  strokeWidth,
} from "./graph_layout.ts";
import { ShareBar } from "./marks.tsx";
import {
  BACKPRESSURE_WARN,
  BUSY_WARN,
  edgeFlow,
  LAG_WARN_MS,
  type OperatorFigures,
} from "./subtask_figures.ts";
import { Table } from "./table.tsx";
import { clockText } from "./time_span.ts";

/** Below this width the graph runs from top to bottom. */
const NARROW = "(max-width: 760px)";
const UID_LENGTH_MAX = 27;
const LABEL_LENGTH_MAX = 32;

export interface GraphViewProps {
  readonly graph: JobGraph;
  readonly figures: ReadonlyMap<string, OperatorFigures>;
  /** Operator whose subtasks are shown; null for none. */
  readonly opened: string | null;
  readonly onOpen: (uid: string | null) => void;
}

export function GraphView(props: GraphViewProps) {
  const isNarrow = useMedia(NARROW);
  const { graph, figures } = props;
  const layout = layOut(graph, isNarrow ? "TB" : "LR");
  const { width, height } = layout;
  return (
    <>
      <div class="graph" role="region" aria-label="Operator graph" tabIndex={0}>
        <svg
          viewBox={`0 0 ${width} ${height}`}
          width={width}
          height={height}
          role="group"
          aria-label={`${
            plural(graph.operators.length, "operator")
          }; the table below says the same`}
        >
          <ArrowHead />
          {layout.edges.map((edge) => (
            <Edge
              key={`${edge.from}>${edge.to}`}
              edge={edge}
              perSecond={edgeFlow(graph, edge, figures)}
            />
          ))}
          {layout.nodes.map((placed) => (
            <GraphNode
              key={placed.node.uid}
              placed={placed}
              figures={figures.get(placed.node.uid) ?? null}
              isOpen={props.opened === placed.node.uid}
              onToggle={() =>
                props.onOpen(props.opened === placed.node.uid ? null : placed.node.uid)}
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

function ArrowHead() {
  return (
    <defs>
      <marker
        id="arrow"
        viewBox="0 0 8 8"
        refX="7"
        refY="4"
        markerUnits="userSpaceOnUse"
        markerWidth="11"
        markerHeight="11"
        orient="auto"
      >
        <path d="M0 0L8 4L0 8Z" class="graph-arrow" />
      </marker>
    </defs>
  );
}

function Edge(props: { readonly edge: PlacedEdge; readonly perSecond: number | null }) {
  const { edge, perSecond } = props;
  return (
    <g aria-hidden="true">
      <path
        d={edge.path}
        class={`graph-edge edge-${edge.kind}`}
        style={{ strokeWidth: strokeWidth(perSecond) }}
        marker-end="url(#arrow)"
      >
        <title>{`${edge.from} to ${edge.to}, ${edge.kind}: ${rateText(perSecond)}`}</title>
      </path>
      {perSecond === null
        ? null
        : (
          <text x={edge.middle.x} y={edge.middle.y - 7} text-anchor="middle" class="graph-flow">
            {rateText(perSecond)}
          </text>
        )}
    </g>
  );
}

function GraphNode(
  props: {
    readonly placed: PlacedNode;
    readonly figures: OperatorFigures | null;
    readonly isOpen: boolean;
    readonly onToggle: () => void;
  },
) {
  const { placed: { node, x, y }, figures, isOpen } = props;
  const trouble = troubleOf(figures);
  const pressed = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    props.onToggle();
  };
  return (
    <g
      transform={`translate(${x} ${y})`}
      class={`graph-node${trouble === null ? "" : " is-high"}${isOpen ? " is-open" : ""}`}
      role="button"
      // On elements of SVG the name of the attribute is taken as it is written.
      tabindex={0}
      aria-pressed={isOpen}
      onClick={props.onToggle}
      onKeyDown={pressed}
    >
      <rect class="graph-box" width={NODE_WIDTH} height={NODE_HEIGHT} rx="3" />
      <text x="10" y="18" class="graph-kind">
        {node.kind}
        {node.isKeyed ? " · keyed" : ""}
        {figures === null ? "" : ` · ${plural(figures.subtasks, "subtask")}`}
      </text>
      <text x="10" y="37" class="graph-uid">{cut(node.uid, UID_LENGTH_MAX)}</text>
      <text x="10" y="54" class="graph-label">{cut(node.label, LABEL_LENGTH_MAX)}</text>
      <text x="10" y="75" class="graph-rate">
        in {rateText(figures?.inPerSecond ?? null)} · out {rateText(figures?.outPerSecond ?? null)}
      </text>
      <NodeBar x={10} name="busy" share={figures?.busyRatio ?? null} warnAbove={BUSY_WARN} />
      <NodeBar
        x={126}
        name="held"
        share={figures?.backpressuredRatio ?? null}
        warnAbove={BACKPRESSURE_WARN}
      />
      <text x="10" y="118" class={`graph-rate${isLate(figures) ? " graph-high" : ""}`}>
        {lagText(figures)}
      </text>
    </g>
  );
}

const BAR_WIDTH = 30;

function NodeBar(
  props: {
    readonly x: number;
    readonly name: string;
    readonly share: number | null;
    readonly warnAbove: number;
  },
) {
  const { share } = props;
  const isHigh = share !== null && share > props.warnAbove;
  const filled = BAR_WIDTH * Math.min(1, Math.max(0, share ?? 0));
  return (
    <g transform={`translate(${props.x} 83)`} class={isHigh ? "graph-bar is-high" : "graph-bar"}>
      <rect class="graph-bar-track" y="5" width={BAR_WIDTH} height="8" />
      <rect class="graph-bar-fill" y="5" width={filled} height="8" />
      <text x={BAR_WIDTH + 5} y="13" class="graph-rate">{props.name} {percentText(share)}</text>
    </g>
  );
}

function isLate(figures: OperatorFigures | null): boolean {
  return (figures?.lagMs ?? 0) > LAG_WARN_MS;
}

function lagText(figures: OperatorFigures | null): string {
  if (figures === null || figures.inPerSecond === null && figures.busyRatio === null) {
    return "no report yet";
  }
  if (figures.lagMs === null) return "no watermark yet";
  return `${durationText(figures.lagMs)} behind${
    figures.watermarkMs === null ? "" : ` · ${watermarkText(figures.watermarkMs)}`
  }`;
}

/** Local time of day of a watermark, to the second. */
export function watermarkText(atMs: number | null): string {
  return atMs === null || !Number.isFinite(atMs) ? NONE : clockText(atMs, "local");
}

/** What is wrong with an operator, in words; null when nothing is. */
export function troubleOf(figures: OperatorFigures | null): string | null {
  if (figures === null) return null;
  const found: string[] = [];
  if ((figures.busyRatio ?? 0) > BUSY_WARN) found.push(`busy ${percentText(figures.busyRatio)}`);
  if ((figures.backpressuredRatio ?? 0) > BACKPRESSURE_WARN) {
    found.push(`held up ${percentText(figures.backpressuredRatio)}`);
  }
  if (isLate(figures)) found.push(`${durationText(figures.lagMs)} behind`);
  return found.length === 0 ? null : found.join(", ");
}

function OperatorTable(props: GraphViewProps) {
  const of = (node: OperatorNode) => props.figures.get(node.uid) ?? null;
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
      rowClass={(node) => troubleOf(of(node)) === null ? "" : "row-warn"}
      empty="The job has no operators."
      columns={[
        { header: "Operator", cell: (node) => <strong>{node.uid}</strong> },
        { header: "Kind", cell: (node) => node.kind },
        { header: "What it does", cell: (node) => node.label, isWide: true },
        { header: "Sends to", cell: (node) => into(node.uid).join(", ") || "nothing" },
        { header: "Subtasks", isNumeric: true, cell: (node) => countText(of(node)?.subtasks ?? 0) },
        {
          header: "In",
          isNumeric: true,
          cell: (node) => rateText(of(node)?.inPerSecond ?? null),
        },
        {
          header: "Out",
          isNumeric: true,
          cell: (node) => rateText(of(node)?.outPerSecond ?? null),
        },
        {
          header: "Busy",
          cell: (node) => <ShareBar share={of(node)?.busyRatio ?? null} warnAbove={BUSY_WARN} />,
        },
        {
          header: "Held up",
          cell: (node) => (
            <ShareBar
              share={of(node)?.backpressuredRatio ?? null}
              warnAbove={BACKPRESSURE_WARN}
            />
          ),
        },
        {
          header: "Behind",
          isNumeric: true,
          cell: (node) => durationText(of(node)?.lagMs ?? null),
        },
        {
          header: "Watermark",
          isNumeric: true,
          cell: (node) => watermarkText(of(node)?.watermarkMs ?? null),
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
