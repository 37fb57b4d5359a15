/**
 * Rows of the audit log as CSV (RFC 4180).
 *
 * Pure. A text that a spreadsheet would take for a formula is made one it shows as text.
 *
 * @module
 */
import type { AuditView } from "@shared/api.ts";

const COLUMNS = [
  "id",
  "at",
  "principal",
  "principalName",
  "role",
  "action",
  "subject",
  "reason",
  "outcome",
  "remoteAddress",
] as const satisfies readonly (keyof AuditView)[];

export function auditCsv(rows: readonly AuditView[]): string {
  const lines = rows.map((row) => COLUMNS.map((name) => cellOf(row[name])).join(","));
  return [COLUMNS.join(","), ...lines].map((line) => `${line}\r\n`).join("");
}

function cellOf(value: string | number | null): string {
  const text = value === null ? "" : String(value);
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
