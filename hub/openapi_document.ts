/**
 * The OpenAPI 3.1 document: made of the routes' declarations, then completed with what holds for all of
 * them, so that a route says only what is its own.
 *
 * Pure. Added to each operation: a stable id, who may call it, examples, the problems it answers with
 * their codes, and the headers of paging, repeating and rate limits.
 *
 * @module
 */
import type { HubApp, RouteDeps } from "./routes/http.ts";
import { exampleOf, type JsonSchema, PARAMETER_EXAMPLES } from "./routes/examples.ts";
import { operationIdOf } from "./routes/operation_ids.ts";
import { problemsOf } from "./routes/problem_codes.ts";

export interface OpenApiOperation {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: string[];
  security?: unknown[];
  parameters?: OpenApiParameter[];
  requestBody?: { required?: boolean; content: Record<string, MediaType> };
  responses: Record<string, OpenApiResponse>;
  "x-penstock-role"?: string;
}

export interface OpenApiParameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema: JsonSchema;
  example?: unknown;
}

export interface OpenApiResponse {
  description: string;
  headers?: Record<string, unknown>;
  content?: Record<string, MediaType>;
}

export interface MediaType {
  schema?: JsonSchema;
  example?: unknown;
  examples?: Record<string, { summary?: string; value: unknown }>;
}

export interface OpenApiDocument {
  openapi: string;
  info: { title: string; version: string; description?: string };
  paths: Record<string, Record<string, OpenApiOperation>>;
  components?: { schemas?: Record<string, JsonSchema> };
}

const DESCRIPTION = `Jobs, checkpoints, savepoints, rollback, alarms and the fleet of one hub.

**Callers.** Send a token as \`Authorization: Bearer …\`; \`x-penstock-role\` says which role an operation needs (viewer < operator < admin). Pages of the hub use a session cookie instead.

**Problems.** Everything that goes wrong is \`application/problem+json\` (RFC 9457) with a stable \`code\`; \`traceId\` is also the header \`x-request-id\` and stands in the hub's log. \`errors\` names every field that is not as it should be. A path that takes other methods answers 405 with \`Allow\`.

**Lists** come in pages: \`limit\` (50, at most 200) and \`cursor\`, which takes \`next\` of the page before; \`next\` is null at the end. What comes in meanwhile moves no page.

**What takes time** answers 202 with an operation and its place in \`Location\`. \`GET /operations/{id}?wait=30s\` answers as soon as it moves on. Operations are stored: they survive a restart of the hub.

**Repeating.** A POST may carry an \`Idempotency-Key\` of up to 255 printable characters. The same key and body give the same status, headers and body again, with \`idempotency-replayed: true\`, and no second effect; kept for 48 h. Another body is 422, a first request still under way 409.

**Changes of what others may change too** take the \`ETag\` of what was read as \`If-Match\`: 412 when it changed meanwhile, 428 where it is needed and missing.

**Limits.** \`RateLimit-Limit\`, \`RateLimit-Remaining\` and \`RateLimit-Reset\` (seconds) come with every answer; 429 says in \`Retry-After\` when to come back. Bodies have at most 1 MiB, a deployment 8 MiB.

**Events.** \`GET /events\` is a stream of server-sent events that resumes behind \`Last-Event-ID\`.

Times are ISO-8601 in UTC, spans ms, sizes bytes.`;

/** Serves the document at `/openapi.json` and `/api/v1/openapi.json`. */
export function addDocument(app: HubApp, deps: RouteDeps): void {
  const registry = app.openAPIRegistry;
  registry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  registry.registerComponent("securitySchemes", "session", {
    type: "apiKey",
    in: "cookie",
    name: "penstock_session",
  });
  let text: string | null = null;
  for (const path of ["/openapi.json", "/api/v1/openapi.json"]) {
    app.get(path, (c) => {
      text ??= JSON.stringify(documentOf(app, deps.version));
      return c.body(text, 200, { "content-type": "application/json" });
    });
  }
}

/** The document of all routes that `app` has by now. */
export function documentOf(app: HubApp, version: string): OpenApiDocument {
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "Penstock", version, description: DESCRIPTION },
    servers: [{ url: "/", description: "This hub" }],
  }) as unknown as OpenApiDocument;
  const schemas = document.components?.schemas ?? {};
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      complete(method, path, operation, schemas);
    }
  }
  for (const [name, schema] of Object.entries(schemas)) {
    schema.example ??= exampleOf({ $ref: `#/components/schemas/${name}` }, schemas);
  }
  return document;
}

function complete(
  method: string,
  path: string,
  operation: OpenApiOperation,
  schemas: Record<string, JsonSchema>,
): void {
  const isPaged = operation.parameters?.some(({ name }) => name === "cursor") ?? false;
  operation.operationId = operationIdOf(method, path, isPaged || answersItems(operation, schemas));
  operation.description = descriptionOf(method, operation, isPaged);
  if (method === "post") operation.parameters = [...operation.parameters ?? [], IDEMPOTENCY_KEY];
  for (const parameter of operation.parameters ?? []) {
    parameter.example ??= parameter.schema.example ?? PARAMETER_EXAMPLES[parameter.name] ??
      exampleOf(parameter.schema, schemas, parameter.name);
  }
  const contents = [
    operation.requestBody?.content,
    ...Object.values(operation.responses).map(({ content }) => content),
  ];
  for (const content of contents) {
    const json = content?.["application/json"];
    if (json?.schema !== undefined) json.example ??= exampleOf(json.schema, schemas);
  }
  for (const [status, response] of Object.entries(operation.responses)) {
    addHeaders(status, method, operation, response);
  }
  delete operation.responses["default"];
  for (const [status, response] of Object.entries(problemsOf(method, path, operation))) {
    operation.responses[status] ??= response;
  }
}

function answersItems(
  operation: OpenApiOperation,
  schemas: Record<string, JsonSchema>,
): boolean {
  const schema = operation.responses["200"]?.content?.["application/json"]?.schema;
  const name = schema?.$ref?.split("/").at(-1);
  const properties = name === undefined ? schema?.properties : schemas[name]?.properties;
  return properties?.["items"] !== undefined;
}

function descriptionOf(method: string, operation: OpenApiOperation, isPaged: boolean): string {
  const role = operation["x-penstock-role"];
  const sentences = [
    (operation.description ?? `${operation.summary ?? ""}.`).replace(/([^.])$/, "$1."),
    role === "public" ? "Anybody may call it." : `Needs the role ${role} or a higher one.`,
    ...(isPaged ? ["Comes in pages: pass `next` as `cursor`."] : []),
    ...(operation.responses["202"] === undefined
      ? []
      : ["Answers 202 at once; the operation in `Location` goes on."]),
    ...(method === "post" ? ["May carry an `Idempotency-Key`."] : []),
  ];
  return sentences.join(" ");
}

const IDEMPOTENCY_KEY: OpenApiParameter = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description:
    "Chosen by the caller: a repeat with it gets the first answer and has no second effect",
  schema: { type: "string", minLength: 1, maxLength: 255 },
  example: "0194f6a2-savepoint-before-shift",
};

const text = { type: "string" };
const count = { type: "integer" };
const LIMIT_HEADERS = {
  "RateLimit-Limit": { description: "Requests at once", schema: count, example: 3000 },
  "RateLimit-Remaining": { description: "Requests left now", schema: count, example: 2987 },
  "RateLimit-Reset": { description: "Seconds until all are back", schema: count, example: 1 },
};

function addHeaders(
  status: string,
  method: string,
  operation: OpenApiOperation,
  response: OpenApiResponse,
): void {
  const headers: Record<string, unknown> = { ...response.headers };
  if (operation["x-penstock-role"] !== "public") Object.assign(headers, LIMIT_HEADERS);
  if (method === "post") {
    headers["Idempotency-Replayed"] = {
      description: "`true` on an answer that was given before",
      schema: text,
      example: "true",
    };
  }
  if (status === "202") {
    headers["Location"] = {
      description: "The operation",
      schema: text,
      example: "/api/v1/operations/0194f6a2-7d1c-7b3e-9a55-2f6c1de0a901",
    };
    headers["Retry-After"] = {
      description: "Seconds until it is worth a look",
      schema: count,
      example: 1,
    };
  }
  if (Object.keys(headers).length > 0) response.headers = headers;
}
