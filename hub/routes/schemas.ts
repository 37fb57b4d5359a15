/**
 * Shapes of all answers, as zod schemas held against the types of `shared/`; the OpenAPI document is made
 * of them.
 *
 * Pure.
 *
 * @module
 */
export * from "./fleet_schemas.ts";
export * from "./job_schemas.ts";
export * from "./plant_schemas.ts";
export { pageSchema, problemSchema } from "./schema_parts.ts";
