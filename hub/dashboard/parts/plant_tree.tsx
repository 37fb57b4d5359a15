/// <reference lib="dom" />
/**
 * The plant as a tree: each part with its open alarms and what of it is not of now, by key or by mouse.
 *
 * The arrows move and open, Home and End jump, letters find, Enter chooses (WAI-ARIA tree view).
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { PlantNode, PlantView } from "@shared/plant_api.ts";
import { countText } from "../format.ts";
import { FreshnessSign } from "./freshness_mark.tsx";
import { PriorityShape } from "./marks.tsx";
import {
  openFor,
  openPriorities,
  pathText,
  type PlantPath,
  type ShownNode,
  shownNodes,
  treeStep,
} from "./plant_nodes.ts";

export interface PlantTreeProps {
  readonly plant: PlantView;
  readonly chosen: PlantPath;
  readonly onChoose: (path: PlantPath) => void;
}

export function PlantTree(props: PlantTreeProps) {
  const { plant, chosen, onChoose } = props;
  const chosenKey = pathText(chosen);
  const [open, setOpen] = useState<ReadonlySet<string>>(() => new Set(["", ...openFor(chosen)]));
  const [focusKey, setFocusKey] = useState(chosenKey);
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    setOpen((known) => new Set([...known, ...openFor(chosen)]));
    setFocusKey(chosenKey);
  }, [chosenKey]);
  const shown = shownNodes(plant, open);
  // One node is a stop of Tab, whatever went away.
  const focused = Math.max(0, shown.findIndex(({ key }) => key === focusKey));
  const turn = (key: string, isOpen: boolean) => {
    const next = new Set(open);
    if (isOpen) next.add(key);
    else next.delete(key);
    setOpen(next);
  };
  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const step = treeStep(event.key, focused, shown);
    if (step === null) return;
    event.preventDefault();
    const target = shown[step.index]!;
    switch (step.kind) {
      case "focus":
        setFocusKey(target.key);
        list.current?.querySelectorAll<HTMLElement>("[role=treeitem]")[step.index]?.focus();
        return;
      case "open":
      case "close":
        return turn(target.key, step.kind === "open");
      case "choose":
        return onChoose(target.node.path);
    }
  };
  return (
    <ul class="tree" role="tree" aria-label="Plant" ref={list} onKeyDown={press}>
      {shown.map((one, index) => (
        <TreeNode
          key={one.key}
          shown={one}
          levelName={plant.levels[one.level - 2] ?? ""}
          isChosen={one.key === chosenKey}
          isStop={index === focused}
          onTurn={() => turn(one.key, !one.isOpen)}
          onChoose={() => {
            setFocusKey(one.key);
            onChoose(one.node.path);
          }}
        />
      ))}
    </ul>
  );
}

interface TreeNodeProps {
  readonly shown: ShownNode;
  readonly levelName: string;
  readonly isChosen: boolean;
  readonly isStop: boolean;
  readonly onTurn: () => void;
  readonly onChoose: () => void;
}

function TreeNode(props: TreeNodeProps) {
  const { shown } = props;
  const { node } = shown;
  const name = node.path.at(-1) ?? "Whole plant";
  return (
    <li
      role="treeitem"
      class={`tree-node${props.isChosen ? " is-chosen" : ""}`}
      aria-level={shown.level}
      aria-posinset={shown.position}
      aria-setsize={shown.siblings}
      aria-expanded={shown.hasChildren ? shown.isOpen : undefined}
      aria-selected={props.isChosen}
      tabIndex={props.isStop ? 0 : -1}
      style={{ "--depth": shown.level - 1 }}
      onClick={props.onChoose}
    >
      <span
        class="tree-turn"
        aria-hidden="true"
        onClick={(event) => {
          if (!shown.hasChildren) return;
          event.stopPropagation();
          props.onTurn();
        }}
      >
        {shown.hasChildren ? (shown.isOpen ? "▾" : "▸") : ""}
      </span>
      <span class="tree-name">
        {name}
        {props.levelName === "" ? null : <span class="muted">{props.levelName}</span>}
      </span>
      <NodeMarks node={node} />
    </li>
  );
}

/** Open alarms by priority, what is not of now, and how much equipment there is. */
function NodeMarks(props: { readonly node: PlantNode }) {
  const { node } = props;
  return (
    <span class="tree-marks">
      {openPriorities(node.alarms).map(({ priority, count }) => (
        <Tally key={priority} count={count} word={priority}>
          <PriorityShape priority={priority} />
        </Tally>
      ))}
      {node.stale === 0 ? null : (
        <Tally count={node.stale} word="stale">
          <FreshnessSign freshness="stale" />
        </Tally>
      )}
      {node.unknown === 0 ? null : (
        <Tally count={node.unknown} word="unknown">
          <FreshnessSign freshness="unknown" />
        </Tally>
      )}
      <span class="tree-count">
        {countText(node.equipment)}
        <span class="visually-hidden">pieces of equipment</span>
      </span>
    </span>
  );
}

/** A sign with its number; the word on hover and for screen readers. */
function Tally(
  props: {
    readonly count: number;
    readonly word: string;
    readonly children: ComponentChildren;
  },
) {
  return (
    <span class="tally" title={`${props.count} ${props.word}`}>
      {props.children}
      {countText(props.count)}
      <span class="visually-hidden">{props.word}</span>
    </span>
  );
}
