/** How drizzle-kit turns `hub/db/schema.ts` into `migrations/`. */
export const dialect = "postgresql";
export const schema = "./hub/db/schema.ts";
export const out = "./migrations";
