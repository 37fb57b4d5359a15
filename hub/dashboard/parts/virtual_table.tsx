/// <reference lib="dom" />
/**
 * A table of any length: draws the rows that are seen, fetches more as one scrolls, and obeys the keyboard.
 *
 * Up and down, Page, Home and End move over rows; left and right over what can be pressed inside of one;
 * space selects, shift extends; Enter opens. Below `NARROW` a row is a card of all its columns.
 *
 * 1. However many rows there are, at most two views of them are in the document.
 * 2. Rows that come or go above do not move what is being read: the first row seen keeps its place.
 * 3. One row can be reached by Tab, with what is inside it; the others by arrows.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import {
  rowForKey,
  rowsInView,
  type RowSpan,
  scrollToShow,
  selectedAfter,
} from "./virtual_window.ts";

export interface VirtualColumn<T> {
  /** Unique in the table; what `sort` names. */
  readonly key: string;
  readonly header: string;
  /** A track of a CSS grid: `120px`, `minmax(160px, 1fr)`. */
  readonly width: string;
  readonly cell: (row: T) => ComponentChildren;
  readonly isNumeric?: boolean;
  /** Its head is a button that asks for this order. */
  readonly isSortable?: boolean;
  /** Whether it goes without its name in a card: `bare`, or is left out there: `none`. */
  readonly inCard?: "labelled" | "bare" | "none";
}

export interface Sorting {
  readonly key: string;
  readonly isDescending: boolean;
}

export interface Selection {
  readonly ids: ReadonlySet<string>;
  readonly onChange: (ids: ReadonlySet<string>) => void;
}

export interface VirtualTableProps<T> {
  /** Name of the table for those who do not see it. */
  readonly label: string;
  readonly columns: readonly VirtualColumn<T>[];
  readonly rows: readonly T[];
  readonly rowKey: (row: T) => string;
  /** What a row is called, for its check box. */
  readonly rowLabel?: (row: T) => string;
  readonly rowClass?: (row: T) => string;
  /** Said instead of rows when there are none. */
  readonly empty: ComponentChildren;
  /** Rows there are in all; left out where nobody counted. */
  readonly total?: number;
  readonly rowPx?: number;
  readonly cardPx?: number;
  /** Further rows can be had; asked for as the end comes near. */
  readonly hasMore?: boolean;
  readonly onMore?: () => void;
  readonly selection?: Selection | null;
  readonly sort?: Sorting;
  readonly onSort?: (sort: Sorting) => void;
  readonly onOpen?: (row: T) => void;
  readonly openKey?: string | null;
  /** Told which rows are drawn. */
  readonly onSpan?: (span: RowSpan) => void;
}

const ROW_PX = 44;
const CARD_PX = 150;
const HEAD_PX = 34;
const NARROW = "(max-width: 760px)";
/** More rows are asked for when fewer than this are left below. */
const MORE_BEFORE_ROWS = 40;

export function VirtualTable<T>(props: VirtualTableProps<T>) {
  const table = useVirtualTable(props);
  if (props.rows.length === 0) return <p class="empty">{props.empty}</p>;
  const { host, rowPx, span, isNarrow } = table;
  const selects = selectionOf(props);
  const tracks = [...(selects === null ? [] : ["36px"]), ...props.columns.map((one) => one.width)];
  return (
    <div
      ref={host}
      class={`virtual${isNarrow ? " is-cards" : ""}`}
      role="grid"
      aria-label={props.label}
      aria-rowcount={rowCount(props)}
      aria-multiselectable={selects === null ? undefined : true}
      style={{ "--tracks": tracks.join(" ") }}
      onScroll={table.measure}
      onKeyDown={table.press}
    >
      <VirtualHead {...props} />
      <div
        role="rowgroup"
        class="virtual-body"
        style={{ height: `${props.rows.length * rowPx}px` }}
      >
        {drawnRows(span, table.current).map((index) => (
          <VirtualRow
            key={props.rowKey(props.rows[index]!)}
            table={props}
            row={props.rows[index]!}
            index={index}
            rowPx={rowPx}
            isCurrent={index === table.current}
            onFocus={table.setCurrent}
            onTurn={table.turn}
          />
        ))}
      </div>
    </div>
  );
}

function selectionOf<T>(props: VirtualTableProps<T>): Selection | null {
  return props.selection ?? null;
}

/** Rows with the head; -1 while nobody knows how many there are. */
function rowCount<T>(props: VirtualTableProps<T>): number {
  if (props.total !== undefined) return props.total + 1;
  return props.hasMore === true ? -1 : props.rows.length + 1;
}

/** The rows of `span`, and the current one wherever it is: Tab and the focus need it. */
function drawnRows(span: RowSpan, current: number): number[] {
  const rows = Array.from({ length: span.to - span.from }, (_, offset) => span.from + offset);
  if (current < span.from) rows.unshift(current);
  if (current >= span.to) rows.push(current);
  return rows;
}

function VirtualHead<T>(props: VirtualTableProps<T>) {
  const selects = selectionOf(props);
  const isAll = selects !== null && props.rows.every((row) => selects.ids.has(props.rowKey(row)));
  return (
    <div role="rowgroup" class="virtual-head">
      <div role="row" aria-rowindex={1} class="virtual-tracks">
        {selects === null ? null : (
          <span role="columnheader">
            <input
              type="checkbox"
              aria-label={`Select all ${props.rows.length} rows loaded`}
              checked={isAll}
              onChange={() => selects.onChange(new Set(isAll ? [] : props.rows.map(props.rowKey)))}
            />
          </span>
        )}
        {props.columns.map((column) => (
          <ColumnHead
            key={column.key}
            column={column}
            table={props}
          />
        ))}
      </div>
    </div>
  );
}

function ColumnHead<T>(
  props: { readonly column: VirtualColumn<T>; readonly table: VirtualTableProps<T> },
) {
  const { column, table } = props;
  const { sort, onSort } = table;
  const numeric = column.isNumeric === true ? "numeric" : "";
  if (column.isSortable !== true || onSort === undefined) {
    return <span role="columnheader" class={numeric}>{column.header}</span>;
  }
  const order = sort?.key !== column.key ? "none" : sort.isDescending ? "descending" : "ascending";
  return (
    <span role="columnheader" aria-sort={order} class={numeric}>
      <button
        type="button"
        class="virtual-sort"
        onClick={() => onSort({ key: column.key, isDescending: order === "ascending" })}
      >
        {column.header}
        <span aria-hidden="true">
          {order === "none" ? "" : order === "descending" ? " ▼" : " ▲"}
        </span>
      </button>
    </span>
  );
}

interface VirtualRowProps<T> {
  readonly table: VirtualTableProps<T>;
  readonly row: T;
  readonly index: number;
  readonly rowPx: number;
  readonly isCurrent: boolean;
  readonly onFocus: (index: number) => void;
  readonly onTurn: (index: number, isExtending: boolean) => void;
}

function VirtualRow<T>(props: VirtualRowProps<T>) {
  const { table, row, index, rowPx, isCurrent } = props;
  const element = useRef<HTMLDivElement>(null);
  const key = table.rowKey(row);
  const isSelected = table.selection?.ids.has(key) ?? false;
  const isOpen = table.openKey === key;
  useLayoutEffect(() => {
    // Only the current row and what is inside it are stops of Tab.
    for (const control of controlsOf(element.current)) control.tabIndex = isCurrent ? 0 : -1;
  });
  const state = `${isSelected ? " is-selected" : ""}${isOpen ? " is-open" : ""}`;
  return (
    <div
      ref={element}
      role="row"
      class={`virtual-row virtual-tracks ${table.rowClass?.(row) ?? ""}${state}`}
      aria-rowindex={index + 2}
      aria-selected={selectionOf(table) === null ? undefined : isSelected}
      tabIndex={isCurrent ? 0 : -1}
      data-index={index}
      style={{ height: `${rowPx}px`, transform: `translateY(${index * rowPx}px)` }}
      onFocusIn={() => props.onFocus(index)}
      onClick={(event) => {
        if (table.onOpen === undefined || isControl(event.target, element.current)) return;
        table.onOpen(row);
      }}
    >
      {selectionOf(table) === null ? null : (
        <span role="gridcell" class="virtual-select">
          <input
            type="checkbox"
            aria-label={`Select ${table.rowLabel?.(row) ?? key}`}
            checked={isSelected}
            onClick={(event) => props.onTurn(index, event.shiftKey)}
          />
        </span>
      )}
      {table.columns.map((column) => (
        <span
          key={column.key}
          role="gridcell"
          class={cellClass(column)}
          data-label={column.header}
        >
          {column.cell(row)}
        </span>
      ))}
    </div>
  );
}

function cellClass<T>(column: VirtualColumn<T>): string {
  return `virtual-cell cell-${column.key} card-${column.inCard ?? "labelled"}${
    column.isNumeric === true ? " numeric" : ""
  }`;
}

const CONTROLS = "a[href], button, input, select, summary";

function controlsOf(row: HTMLElement | null): HTMLElement[] {
  return row === null ? [] : [...row.querySelectorAll<HTMLElement>(CONTROLS)];
}

function isControl(target: EventTarget | null, row: HTMLElement | null): boolean {
  return target instanceof Element && target !== row && target.closest(CONTROLS) !== null;
}

interface View {
  readonly scrollPx: number;
  readonly viewPx: number;
}

function useVirtualTable<T>(props: VirtualTableProps<T>) {
  const host = useRef<HTMLDivElement>(null);
  const isNarrow = useIsNarrow();
  const rowPx = isNarrow ? props.cardPx ?? CARD_PX : props.rowPx ?? ROW_PX;
  const headPx = isNarrow ? 0 : HEAD_PX;
  const [view, setView] = useState<View>({ scrollPx: 0, viewPx: 800 });
  const [currentIndex, setCurrent] = useState(0);
  const anchor = useRef<number | null>(null);
  const count = props.rows.length;
  const current = Math.min(currentIndex, Math.max(0, count - 1));
  const span = rowsInView(view, rowPx, count);

  const measure = () => {
    const element = host.current;
    if (element === null) return;
    const next = { scrollPx: element.scrollTop, viewPx: element.clientHeight };
    setView((last) => isSameSpan(last, next, rowPx, count) ? last : next);
  };
  useEffect(() => {
    measure();
    if (host.current === null) return;
    const watcher = new ResizeObserver(measure);
    watcher.observe(host.current);
    return () => watcher.disconnect();
  }, [rowPx, count > 0]);
  useKeptPlace(host, props, rowPx);
  useEffect(() => {
    props.onSpan?.(span);
    if (props.hasMore === true && count - span.to < MORE_BEFORE_ROWS) props.onMore?.();
  }, [span.from, span.to, count, props.hasMore]);

  const focusRow = (index: number) => {
    setCurrent(index);
    const element = host.current;
    if (element === null) return;
    const seen = { scrollPx: element.scrollTop, viewPx: element.clientHeight };
    element.scrollTop = scrollToShow(index, seen, rowPx, headPx);
    measure();
    // The row may be drawn only now.
    requestAnimationFrame(() => rowElement(element, index)?.focus({ preventScroll: true }));
  };
  const turn = (index: number, isExtending: boolean) => {
    const selection = selectionOf(props);
    if (selection === null) return;
    const keys = props.rows.map(props.rowKey);
    const from = isExtending ? anchor.current : null;
    selection.onChange(selectedAfter(selection.ids, keys, { index, anchor: from }));
    if (from === null) anchor.current = index;
  };
  const press = (event: KeyboardEvent) =>
    pressed(event, { props, current, pageRows: Math.floor(view.viewPx / rowPx), focusRow, turn });
  return { host, rowPx, span, isNarrow, current, setCurrent, measure, press, turn };
}

interface Pressing<T> {
  readonly props: VirtualTableProps<T>;
  readonly current: number;
  readonly pageRows: number;
  readonly focusRow: (index: number) => void;
  readonly turn: (index: number, isExtending: boolean) => void;
}

/** What a key does; keys typed into a field of a row stay there. */
function pressed<T>(event: KeyboardEvent, table: Pressing<T>): void {
  const target = event.target;
  if (!(target instanceof HTMLElement)) return;
  const row = target.closest<HTMLElement>(".virtual-row");
  if (row === null || event.altKey || event.metaKey) return;
  const { props, current } = table;
  const isOnRow = target === row;
  const selection = selectionOf(props);
  if (event.key === "a" && event.ctrlKey && selection !== null) {
    event.preventDefault();
    return selection.onChange(new Set(props.rows.map(props.rowKey)));
  }
  if (event.ctrlKey) return;
  if (event.key === " " && isOnRow) {
    event.preventDefault();
    return table.turn(current, event.shiftKey);
  }
  if (event.key === "Enter" && isOnRow) {
    const opened = props.rows[current];
    if (opened !== undefined) props.onOpen?.(opened);
    return;
  }
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    event.preventDefault();
    return stepInside(row, target, event.key === "ArrowRight" ? 1 : -1);
  }
  const next = rowForKey(event.key, current, {
    count: props.rows.length,
    pageRows: table.pageRows,
  });
  if (next === null) return;
  event.preventDefault();
  if (event.shiftKey && selection !== null && next !== current) extend(table, next);
  table.focusRow(next);
}

/** Shift with a moving key: the row left and every one on the way are selected. */
function extend<T>({ props, current }: Pressing<T>, next: number): void {
  const selection = selectionOf(props);
  if (selection === null) return;
  const ids = new Set(selection.ids);
  const from = Math.min(current, next);
  for (const row of props.rows.slice(from, Math.max(current, next) + 1)) ids.add(props.rowKey(row));
  selection.onChange(ids);
}

/** Moves the focus over the row and the controls in it. */
function stepInside(row: HTMLElement, from: HTMLElement, step: 1 | -1): void {
  const stops = [row, ...controlsOf(row)];
  const at = stops.indexOf(from);
  stops[Math.min(stops.length - 1, Math.max(0, at + step))]?.focus();
}

function rowElement(host: HTMLElement, index: number): HTMLElement | null {
  return host.querySelector<HTMLElement>(`[data-index="${index}"]`);
}

function isSameSpan(a: View, b: View, rowPx: number, count: number): boolean {
  if (a.viewPx !== b.viewPx) return false;
  const before = rowsInView(a, rowPx, count);
  const after = rowsInView(b, rowPx, count);
  return before.from === after.from && before.to === after.to;
}

/** Keeps the first row seen where it is when rows above it come or go. */
function useKeptPlace<T>(
  host: { readonly current: HTMLDivElement | null },
  props: VirtualTableProps<T>,
  rowPx: number,
): void {
  const before = useRef(props.rows);
  useLayoutEffect(() => {
    const old = before.current;
    before.current = props.rows;
    const element = host.current;
    if (element === null || old === props.rows || element.scrollTop <= 0) return;
    const seen = old[Math.floor(element.scrollTop / rowPx)];
    if (seen === undefined) return;
    const key = props.rowKey(seen);
    const index = props.rows.findIndex((row) => props.rowKey(row) === key);
    if (index < 0) return;
    element.scrollTop = index * rowPx + element.scrollTop % rowPx;
  }, [props.rows]);
}

function useIsNarrow(): boolean {
  const [isNarrow, setIsNarrow] = useState(() => globalThis.matchMedia(NARROW).matches);
  useEffect(() => {
    const query = globalThis.matchMedia(NARROW);
    const follow = () => setIsNarrow(query.matches);
    follow();
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, []);
  return isNarrow;
}
