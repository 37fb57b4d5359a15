/**
 * Examples for the OpenAPI document: put together from what each field would really hold.
 *
 * Pure. A schema may bring an example of its own; else its fields are looked up by name, `Schema.field`
 * before `field`. A test holds every example against its schema, and every text field against this table.
 *
 * @module
 */
import { FIELD_EXAMPLES, SCHEMA_EXAMPLES } from "./example_fields.ts";

/** What of JSON Schema the document uses. */
export interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  example?: unknown;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  prefixItems?: JsonSchema[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
}

type Schemas = Readonly<Record<string, JsonSchema>>;

/** Deeper than any answer goes. */
const DEPTH_MAX = 12;
const AN_INSTANT = "2026-03-14T09:26:53.589Z";

/** Examples of parameters, by name. */
export const PARAMETER_EXAMPLES: Readonly<Record<string, unknown>> = {
  limit: 50,
  cursor: "IjAxOTRmNmEyLTdkMWMtN2IzZS05YTU1LTJmNmMxZGUwYTkwMSI",
  wait: "30s",
  id: "0194f6a2-7d1c-7b3e-9a55-2f6c1de0a901",
  n: "417",
  since: "90210",
  types: "alarm.*,checkpoint.completed",
  from: "2026-03-14T08:00:00Z",
  to: "2026-03-14T20:00:00Z",
  search: "pump",
  path: "antwerp/cracking",
  e: "pump-17",
  key: '"pump-17"',
  against: "0194f6a0-11aa-7c2d-8e10-7f3d5b9c2a44",
  action: "job.stop",
  subject: "job:0194f6a2-7d1c-7b3e-9a55-2f6c1de0a901",
  principal: "token:0194f69e-0c3d-7a10-b1f2-6d8e4c7a9b55",
  points: "600",
  metric: "recordsInPerSecond,busyRatio",
};

/**
 * An example of `schema`.
 *
 * @param field Name of the field it is for, `Schema.field` or `field`.
 * @param missing Called with the name of every text field that no example is known for.
 */
export function exampleOf(
  schema: JsonSchema,
  schemas: Schemas,
  field = "",
  missing: (field: string) => void = () => {},
): unknown {
  return example(schema, { schemas, missing, owner: "" }, field, 0);
}

interface Making {
  readonly schemas: Schemas;
  readonly missing: (field: string) => void;
  /** Component that the field belongs to. */
  readonly owner: string;
}

function example(schema: JsonSchema, making: Making, field: string, depth: number): unknown {
  if (depth > DEPTH_MAX) return null;
  if (schema.$ref !== undefined) return exampleOfComponent(schema.$ref, making, field, depth);
  if (schema.example !== undefined) return schema.example;
  const known = knownExample(making.owner, field);
  if (known !== undefined && fits(schema, known)) return known;
  const choice = schema.anyOf ?? schema.oneOf;
  if (choice !== undefined) {
    const first = choice.find(({ type }) => type !== "null") ?? choice[0]!;
    return example(first, making, field, depth + 1);
  }
  if (schema.allOf !== undefined) {
    const parts = schema.allOf.map((part) => example(part, making, field, depth + 1));
    return Object.assign({}, ...parts);
  }
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum.find((value) => value !== null);
  return exampleOfType(schema, making, field, depth);
}

function exampleOfComponent(ref: string, making: Making, field: string, depth: number): unknown {
  const name = ref.split("/").at(-1)!;
  const schema = making.schemas[name];
  if (schema === undefined) return null;
  const given = knownExample(making.owner, field);
  if (given !== undefined && typeof given === "object") return given;
  const made = example(schema, { ...making, owner: name }, "", depth + 1);
  const own = SCHEMA_EXAMPLES[name];
  return own === undefined || typeof made !== "object" ? made : { ...made, ...own };
}

function exampleOfType(
  schema: JsonSchema,
  making: Making,
  field: string,
  depth: number,
): unknown {
  const types = [schema.type].flat().filter((type) => type !== undefined && type !== "null");
  switch (types[0]) {
    case "object":
      return exampleOfObject(schema, making, field, depth);
    case "array": {
      if (schema.prefixItems !== undefined) {
        return schema.prefixItems.map((item) => example(item, making, field, depth + 1));
      }
      return schema.items === undefined ? [] : [example(schema.items, making, field, depth + 1)];
    }
    case "string":
      if (schema.format === "date-time") return AN_INSTANT;
      making.missing(making.owner === "" ? field : `${making.owner}.${field}`);
      return "text";
    case "integer":
    case "number":
      return within(schema, 12);
    case "boolean":
      return schema.default ?? false;
    default:
      return null;
  }
}

function exampleOfObject(
  schema: JsonSchema,
  making: Making,
  field: string,
  depth: number,
): unknown {
  const made: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    made[name] = example(property, making, name, depth + 1);
  }
  const { additionalProperties: rest } = schema;
  if (typeof rest === "object" && Object.keys(made).length === 0) {
    made["name"] = example(rest, making, field === "" ? "name" : `${field}.name`, depth + 1);
  }
  return made;
}

function knownExample(owner: string, field: string): unknown {
  const own = FIELD_EXAMPLES[`${owner}.${field}`];
  return own === undefined ? FIELD_EXAMPLES[field] : own;
}

/** Whether a value of the table can be meant: names are shared by fields of several types. */
function fits({ type, enum: values, const: only, format }: JsonSchema, value: unknown): boolean {
  if (values !== undefined) return values.includes(value);
  if (only !== undefined) return only === value;
  const types = [type].flat();
  if (types[0] === undefined) return true;
  if (value === null) return types.includes("null");
  if (format === "date-time") return typeof value === "string" && /^\d{4}-/.test(value);
  if (typeof value === "number") {
    return types.includes("number") || (types.includes("integer") && Number.isInteger(value));
  }
  return types.includes(Array.isArray(value) ? "array" : typeof value);
}

function within({ minimum = -Infinity, maximum = Infinity }: JsonSchema, value: number): number {
  return Math.min(Math.max(value, minimum), maximum);
}
