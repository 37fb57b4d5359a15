/**
 * Rows of a CSV file as records: names from the header, numbers as numbers.
 *
 * Pure. The separator, `;`, `,` or tab, is the one the header has most of. Quotes are those of RFC 4180, but
 * for line ends, which a field cannot hold.
 *
 * @module
 */
import { RecordRefused } from "../connectors/json_decoder.ts";

/** Where the header has as many of each, the first: names hold commas more often than the others. */
const SEPARATORS = [";", "\t", ","] as const;
/** As JSON writes numbers; what begins with a needless zero is a name. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

export interface CsvDecoder {
  /** @throws {RecordRefused} If a quote is not closed, or the row has more or fewer fields than the header. */
  decode(line: string): Record<string, string | number | null>;
}

/** @throws {RecordRefused} If the header has an empty name, or one name twice. */
export function createCsvDecoder(header: string): CsvDecoder {
  const separator = separatorOf(header);
  const names = fieldsOf(header, separator).map((name) => name.trim());
  if (names.includes("") || names.includes("__proto__") || new Set(names).size < names.length) {
    throw new RecordRefused(`the header names no columns, or one twice: ${header.slice(0, 200)}`);
  }
  return {
    decode(line) {
      const fields = fieldsOf(line, separator);
      if (fields.length !== names.length) {
        throw new RecordRefused(
          `the row has ${fields.length} fields, the header ${names.length} (separator ${
            JSON.stringify(separator)
          })`,
        );
      }
      const record: Record<string, string | number | null> = {};
      for (let i = 0; i < names.length; i++) record[names[i]!] = valueOf(fields[i]!);
      return record;
    },
  };
}

function separatorOf(header: string): string {
  const countOf = (separator: string) => header.split(separator).length;
  return [...SEPARATORS].sort((a, b) => countOf(b) - countOf(a))[0]!;
}

/** An empty field is null. */
function valueOf(field: string): string | number | null {
  if (field === "") return null;
  return NUMBER.test(field) ? Number(field) : field;
}

function fieldsOf(line: string, separator: string): string[] {
  if (!line.includes('"')) return line.split(separator);
  const fields: string[] = [];
  for (let at = 0; at <= line.length;) {
    if (line[at] !== '"') {
      const end = line.indexOf(separator, at);
      fields.push(line.slice(at, end === -1 ? undefined : end));
      if (end === -1) return fields;
      at = end + 1;
      continue;
    }
    let field = "";
    for (at++;; at++) {
      const end = line.indexOf('"', at);
      if (end === -1) throw new RecordRefused("a quoted field is not closed on its line");
      field += line.slice(at, end);
      at = end + 1;
      if (line[at] !== '"') break;
      field += '"';
    }
    fields.push(field);
    if (at >= line.length) return fields;
    if (line[at] !== separator) throw new RecordRefused("text follows a quoted field");
    at++;
  }
  return fields;
}
