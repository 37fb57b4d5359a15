/**
 * Places the operators of a job graph and routes the edges between them.
 *
 * Pure; the layered layout is dagre's.
 *
 * @module
 */
import dagre from "@dagrejs/dagre";
import type { GraphEdge, JobGraph, OperatorNode } from "@shared/job_graph.ts";

export interface PlacedNode {
  readonly node: OperatorNode;
  /** Upper left corner, px. */
  readonly x: number;
  readonly y: number;
}

export interface PlacedEdge {
  readonly from: string;
  readonly to: string;
  readonly kind: GraphEdge["kind"];
  /** An SVG path from the one operator's border to the other's. */
  readonly path: string;
  /** Where a word about it may stand. */
  readonly middle: { readonly x: number; readonly y: number };
}

export interface GraphLayout {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly PlacedEdge[];
}

export const NODE_WIDTH = 244;
export const NODE_HEIGHT = 128;

/** @param direction `LR` on wide screens, `TB` on narrow ones. */
export function layOut(graph: JobGraph, direction: "LR" | "TB"): GraphLayout {
  const layered = new dagre.graphlib.Graph();
  layered.setGraph({ rankdir: direction, nodesep: 24, ranksep: 72, marginx: 8, marginy: 8 });
  layered.setDefaultEdgeLabel(() => ({}));
  for (const node of graph.operators) {
    layered.setNode(node.uid, { width: NODE_WIDTH, height: NODE_HEIGHT });
  }
  for (const edge of graph.edges) layered.setEdge(edge.from, edge.to);
  dagre.layout(layered);
  const size = layered.graph();
  return {
    width: size.width ?? 0,
    height: size.height ?? 0,
    nodes: graph.operators.map((node) => {
      const placed = layered.node(node.uid);
      return { node, x: placed.x - NODE_WIDTH / 2, y: placed.y - NODE_HEIGHT / 2 };
    }),
    edges: graph.edges.map((edge) => {
      const points = layered.edge(edge.from, edge.to).points ?? [];
      return { ...edge, path: pathThrough(points), middle: middleOf(points) };
    }),
  };
}

const STROKE_MIN = 1.5;
const STROKE_MAX = 8;
/** Flow that is drawn thickest, records per second. */
const STROKE_FULL_PER_SECOND = 20_000;

/** Thickness of an edge that carries `perSecond`: logarithmic, so that a trickle still shows beside a flood. */
export function strokeWidth(perSecond: number | null): number {
  if (perSecond === null || perSecond <= 0) return STROKE_MIN;
  const share = Math.log1p(perSecond) / Math.log1p(STROKE_FULL_PER_SECOND);
  return round(STROKE_MIN + (STROKE_MAX - STROKE_MIN) * Math.min(1, share));
}

function middleOf(points: readonly { readonly x: number; readonly y: number }[]) {
  const point = points[Math.floor(points.length / 2)] ?? { x: 0, y: 0 };
  return { x: round(point.x), y: round(point.y) };
}

function pathThrough(points: readonly { readonly x: number; readonly y: number }[]): string {
  return points
    .map((point, index) => `${index === 0 ? "M" : "L"}${round(point.x)} ${round(point.y)}`)
    .join(" ");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
