/// <reference lib="dom" />
/**
 * A table with a caption that becomes a list of cards on narrow screens.
 *
 * Roles are written out because a table laid out as cards loses the ones it has by nature.
 *
 * @module
 */
import type { ComponentChildren } from "preact";

export interface Column<T> {
  readonly header: string;
  readonly cell: (row: T) => ComponentChildren;
  readonly isNumeric?: boolean;
  /** Takes the room the other columns leave. */
  readonly isWide?: boolean;
}

export interface TableProps<T> {
  readonly caption: string;
  readonly isCaptionHidden?: boolean;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly rowKey: (row: T) => string;
  readonly rowClass?: (row: T) => string;
  /** Said instead of rows when there are none. */
  readonly empty: ComponentChildren;
}

export function Table<T>(props: TableProps<T>) {
  if (props.rows.length === 0) {
    return (
      <div class="empty">
        {props.isCaptionHidden === true ? null : <h3>{props.caption}</h3>}
        <p>{props.empty}</p>
      </div>
    );
  }
  return (
    <table class="table" role="table">
      <caption class={props.isCaptionHidden === true ? "visually-hidden" : ""}>
        {props.caption}
      </caption>
      <thead role="rowgroup">
        <tr role="row">
          {props.columns.map((column) => (
            <th
              key={column.header}
              scope="col"
              role="columnheader"
              class={cellClass(column)}
            >
              {column.header}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {props.rows.map((row) => (
          <tr key={props.rowKey(row)} role="row" class={props.rowClass?.(row) ?? ""}>
            {props.columns.map((column) => (
              <td
                key={column.header}
                role="cell"
                class={cellClass(column)}
                data-label={column.header}
              >
                <div>{column.cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function cellClass<T>(column: Column<T>): string {
  if (column.isNumeric === true) return "numeric";
  return column.isWide === true ? "wide" : "";
}
