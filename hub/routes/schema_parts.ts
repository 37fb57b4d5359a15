/**
 * What the schemas of all answers are made of: texts, counts, times, pages, problems.
 *
 * Pure.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { Problem } from "@shared/api.ts";

export const text = z.string();
export const count = z.number().int();
export const time = z.string().openapi({ format: "date-time" });
export const maybeTime = time.nullable();
export const labels = z.record(z.string(), z.string());
export const priority = z.enum(["low", "medium", "high", "critical"]);
export const role = z.enum(["viewer", "operator", "admin"]);
export const list = <S extends z.ZodType>(schema: S) => z.array(schema).readonly();

/** A field that may be left out; its type says "may be missing", not "may be undefined". */
export function missing<S extends z.ZodType>(schema: S): z.ZodType<z.output<S>> {
  return schema.optional() as unknown as z.ZodType<z.output<S>>;
}

/** A page of `item`. */
export function pageSchema<S extends z.ZodType>(item: S) {
  return z.object({
    items: list(item),
    next: text.nullable().openapi({ description: "Cursor of the next page; null at the end" }),
  });
}

export const problemSchema = z.object({
  type: text,
  title: text,
  status: count,
  detail: text,
  code: text,
  instance: missing(text),
  traceId: missing(text),
  errors: missing(list(z.object({ path: text, message: text }))),
}).openapi("Problem") satisfies z.ZodType<Problem>;
