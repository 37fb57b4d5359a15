/**
 * Decides which nodes of the plant's tree are shown, what a key does in it, and how a path is written.
 *
 * Pure. A path in the URL is its names, URI-encoded, joined by "/".
 *
 * 1. `pathFrom(pathText(path))` gives the path back.
 * 2. A node is shown when all of its ancestors are open.
 *
 * @module
 */
import type { AlarmPriority, AlarmTally, PlantNode, PlantView } from "@shared/plant_api.ts";
import { hrefOf, type View } from "../router.ts";

export type PlantPath = readonly string[];

export function pathText(path: PlantPath): string {
  return path.map(encodeURIComponent).join("/");
}

/** The path that `text` names; empty, the whole plant, when it names none. */
export function pathFrom(text: string | undefined): PlantPath {
  if (text === undefined || text === "") return [];
  try {
    return text.split("/").map(decodeURIComponent);
  } catch {
    return [];
  }
}

/** Links to the nodes of `path` in `view`, outermost first. */
export function trailOf(
  path: PlantPath,
  view: View = { kind: "overview" },
): { text: string; href: string }[] {
  return path.map((text, index) => ({
    text,
    href: hrefOf(view, { path: pathText(path.slice(0, index + 1)) }),
  }));
}

export interface ShownNode {
  readonly node: PlantNode;
  readonly key: string;
  /** 1 for the whole plant. */
  readonly level: number;
  readonly hasChildren: boolean;
  readonly isOpen: boolean;
  /** Place among its siblings, from 1. */
  readonly position: number;
  readonly siblings: number;
}

/** The nodes to be drawn, parents before children. */
export function shownNodes(plant: PlantView, open: ReadonlySet<string>): ShownNode[] {
  const children = new Map<string, PlantNode[]>();
  for (const node of plant.nodes) {
    if (node.path.length === 0) continue;
    const parent = pathText(node.path.slice(0, -1));
    const known = children.get(parent);
    if (known === undefined) children.set(parent, [node]);
    else known.push(node);
  }
  const shown: ShownNode[] = [];
  const show = (siblings: readonly PlantNode[]) => {
    siblings.forEach((node, index) => {
      const key = pathText(node.path);
      const below = children.get(key) ?? [];
      const isOpen = below.length > 0 && open.has(key);
      shown.push({
        node,
        key,
        level: node.path.length + 1,
        hasChildren: below.length > 0,
        isOpen,
        position: index + 1,
        siblings: siblings.length,
      });
      if (isOpen) show(below);
    });
  };
  show(plant.nodes.filter(({ path }) => path.length === 0));
  return shown;
}

/** `path` and everything above it: what has to be open for it to be seen. */
export function openFor(path: PlantPath): string[] {
  return path.map((_, index) => pathText(path.slice(0, index))).concat(pathText(path));
}

export type TreeStep =
  | { readonly kind: "focus"; readonly index: number }
  | { readonly kind: "open" | "close" | "choose"; readonly index: number };

/** What `key` does at node `index` of a tree, after the WAI-ARIA practices; null when nothing. */
export function treeStep(key: string, index: number, shown: readonly ShownNode[]): TreeStep | null {
  const here = shown[index];
  if (here === undefined) return null;
  const focus = (to: number): TreeStep => ({
    kind: "focus",
    index: Math.min(shown.length - 1, Math.max(0, to)),
  });
  switch (key) {
    case "ArrowDown":
      return focus(index + 1);
    case "ArrowUp":
      return focus(index - 1);
    case "Home":
      return focus(0);
    case "End":
      return focus(shown.length - 1);
    case "ArrowRight":
      if (!here.hasChildren) return null;
      return here.isOpen ? focus(index + 1) : { kind: "open", index };
    case "ArrowLeft": {
      if (here.isOpen) return { kind: "close", index };
      const parent = shown.findLastIndex((one, at) => at < index && one.level === here.level - 1);
      return parent === -1 ? null : focus(parent);
    }
    case "Enter":
    case " ":
      return { kind: "choose", index };
    default:
      return key.length === 1 ? startingWith(key, index, shown) : null;
  }
}

/** The next node whose name begins with the letter typed. */
function startingWith(key: string, index: number, shown: readonly ShownNode[]): TreeStep | null {
  const letter = key.toLowerCase();
  for (let step = 1; step <= shown.length; step++) {
    const at = (index + step) % shown.length;
    if (shown[at]!.node.path.at(-1)?.toLowerCase().startsWith(letter)) {
      return { kind: "focus", index: at };
    }
  }
  return null;
}

const PRIORITIES: readonly AlarmPriority[] = ["critical", "high", "medium", "low"];

/** Priorities with open alarms, worst first. */
export function openPriorities(
  tally: AlarmTally,
): { readonly priority: AlarmPriority; readonly count: number }[] {
  return PRIORITIES
    .map((priority) => ({ priority, count: tally[priority] }))
    .filter(({ count }) => count > 0);
}
