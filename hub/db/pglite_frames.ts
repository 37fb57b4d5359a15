/** What the hub's thread and the PGlite worker say to each other. Types alone. @module */

export type PgliteRequest =
  | { readonly id: number; readonly kind: "open"; readonly dataDir: string }
  | {
    readonly id: number;
    readonly kind: "query";
    readonly sql: string;
    readonly params: unknown[];
    readonly rowMode: "array" | "object";
  }
  | { readonly id: number; readonly kind: "exec"; readonly sql: string }
  | { readonly id: number; readonly kind: "close" };

/** Fields of a database error that survive the way between the threads. */
export interface PgliteFailure {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export type PgliteAnswer =
  | { readonly id: number; readonly kind: "done"; readonly value: unknown }
  | { readonly id: number; readonly kind: "failed"; readonly failure: PgliteFailure };
