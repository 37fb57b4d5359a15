/**
 * Runs PGlite in a thread of its own: its queries are synchronous and would stop the hub's loop.
 *
 * Answers each request with its id. Parses values exactly as drizzle asks PGlite to: times and
 * intervals stay text, everything else is PGlite's own.
 *
 * @module
 */
import { PGlite, type Results } from "@electric-sql/pglite";
import type { PgliteAnswer, PgliteFailure, PgliteRequest } from "./pglite_frames.ts";

/** Oids of timestamp, timestamptz, interval, date and of arrays of these and numeric. */
const TEXT_OIDS = [1114, 1184, 1186, 1082, 1115, 1185, 1187, 1182, 1231];
const asText = (value: string): string => value;
const parsers = Object.fromEntries(TEXT_OIDS.map((oid) => [oid, asText]));

/** PostgreSQL's default of 128 MB is resident here; the hub's tables are small. */
const START_PARAMS = [...PGlite.defaultStartParams, "-c", "shared_buffers=8MB"];

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<PgliteRequest>) => void) | null;
  postMessage(answer: PgliteAnswer): void;
};
let database: PGlite | null = null;

scope.onmessage = async ({ data: request }) => {
  try {
    scope.postMessage({ id: request.id, kind: "done", value: await answer(request) });
  } catch (thrown) {
    scope.postMessage({ id: request.id, kind: "failed", failure: failureOf(thrown) });
  }
};

async function answer(request: PgliteRequest): Promise<unknown> {
  switch (request.kind) {
    case "open":
      database = await PGlite.create({ dataDir: request.dataDir, startParams: START_PARAMS });
      return null;
    case "query": {
      const { sql, params, rowMode } = request;
      return sendable(await database!.query(sql, params, { rowMode, parsers }));
    }
    case "exec":
      return (await database!.exec(request.sql)).map(sendable);
    case "close":
      await database?.close();
      return null;
  }
}

function sendable({ rows, fields, affectedRows }: Results<unknown>): Results<unknown> {
  return { rows, fields, ...(affectedRows === undefined ? {} : { affectedRows }) };
}

function failureOf(thrown: unknown): PgliteFailure {
  if (!(thrown instanceof Error)) return { message: String(thrown), fields: {} };
  const fields = Object.entries(thrown).filter(([, value]) =>
    typeof value === "string" || typeof value === "number"
  );
  return { message: thrown.message, fields: Object.fromEntries(fields) };
}
