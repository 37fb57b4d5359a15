import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import type { z } from "zod";
import { API_ROUTES } from "./api_routes.ts";
import type { MediaType, OpenApiDocument, OpenApiOperation } from "./openapi_document.ts";
import { exampleOf, type JsonSchema } from "./routes/examples.ts";
import { openTestHub } from "../tests/support/hub_app.ts";

/** A route as the tests need it: whatever its exact type is. */
interface Declared {
  readonly method: string;
  readonly path: string;
  readonly request?: {
    readonly params?: z.ZodType;
    readonly query?: z.ZodType;
    readonly body?: { readonly content: Readonly<Record<string, { readonly schema: z.ZodType }>> };
  };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: unknown }>> }>
  >;
}
const ROUTES = API_ROUTES as unknown as readonly Declared[];

async function readDocument(): Promise<OpenApiDocument> {
  const test = await openTestHub();
  try {
    const answer = await test.call("GET", "/openapi.json", { token: null });
    equal(answer.headers.get("content-type"), "application/json");
    return await answer.json() as OpenApiDocument;
  } finally {
    await test.close();
  }
}

function operationsOf(document: OpenApiDocument): [string, OpenApiOperation][] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, OpenApiOperation] => [
      `${method} ${path}`,
      operation,
    ])
  );
}

Deno.test("openapi document: complete for every operation", async (t) => {
  const document = await readDocument();
  const operations = operationsOf(document);

  await t.step("as many operations as routes, and the same ones", () => {
    equal(document.openapi, "3.1.0");
    const routes = ROUTES.map(({ method, path }) => `${method} ${path}`);
    deepEqual(operations.map(([name]) => name).sort(), routes.sort());
    ok(operations.length > 40);
  });

  await t.step("names, words, role and problems", () => {
    const ids = new Set<string>();
    for (const [name, operation] of operations) {
      match(operation.operationId ?? "", /^[a-z][A-Za-z0-9]+$/, name);
      ok(!ids.has(operation.operationId!), `${name}: ${operation.operationId} is taken`);
      ids.add(operation.operationId!);
      notEqual(operation.summary ?? "", "", name);
      ok((operation.description ?? "").length > operation.summary!.length, name);
      equal(operation.tags?.length, 1, `${name} has one tag`);
      const role = operation["x-penstock-role"] ?? "";
      ok(["public", "viewer", "operator", "admin"].includes(role), name);
      equal(operation.security !== undefined, role !== "public", name);
      ok(operation.responses["500"] !== undefined, name);
      equal(
        operation.responses["401"] !== undefined,
        role !== "public" || /^post .*(enrol|session)$/.test(name),
        name,
      );
      for (const [status, response] of Object.entries(operation.responses)) {
        if (Number(status) < 400 || name === "get /readyz") continue;
        const problem = response.content?.["application/problem+json"];
        match(response.description, /`[a-z-]+`/, `${name} ${status} names its codes`);
        equal((problem?.example as { status: number }).status, Number(status));
      }
    }
    deepEqual(
      ["listJobs", "getJob", "deployJob", "stopJob", "createJobSavepoint"]
        .filter((id) => !ids.has(id)),
      [],
    );
  });

  await t.step("every body, answer and parameter has an example", () => {
    for (const [name, operation] of operations) {
      const medias: [string, MediaType | undefined][] = [
        ["body", operation.requestBody?.content["application/json"]],
        ...Object.entries(operation.responses).map(
          ([status, { content }]): [string, MediaType | undefined] => [
            status,
            content?.["application/json"] ?? content?.["application/problem+json"],
          ],
        ),
      ];
      for (const [what, media] of medias) {
        ok(media === undefined || media.example !== undefined, `${name}: ${what} has an example`);
      }
      for (const parameter of operation.parameters ?? []) {
        ok(parameter.example !== undefined, `${name}: parameter ${parameter.name} has an example`);
      }
    }
  });

  await t.step("example_fields.ts knows every text of every schema", () => {
    const schemas = document.components?.schemas as Record<string, JsonSchema>;
    const unknown = new Set<string>();
    for (const name of Object.keys(schemas)) {
      const plain = { ...schemas, [name]: { ...schemas[name]! } };
      delete plain[name]!.example;
      const reference = { $ref: `#/components/schemas/${name}` };
      exampleOf(reference, plain, "", (field) => void unknown.add(field));
    }
    equal([...unknown].sort().join(" "), "");
  });
});

Deno.test("openapi document: every example fits its own schema", async () => {
  const document = await readDocument();
  let judged = 0;
  const misfits: string[] = [];
  const judge = (what: string, schema: unknown, example: unknown) => {
    const result = (schema as z.ZodType).safeParse(example);
    judged++;
    for (const { path, message } of result.error?.issues ?? []) {
      misfits.push(`${what}: ${path.join(".")}: ${message}`);
    }
  };
  for (const { method, path, request, responses } of ROUTES) {
    const name = `${method} ${path}`;
    const operation = document.paths[path]![method]!;
    const body = request?.body?.content["application/json"]?.schema;
    if (body !== undefined) {
      judge(`${name} body`, body, operation.requestBody!.content["application/json"]!.example);
    }
    for (const [status, response] of Object.entries(responses)) {
      const schema = response.content?.["application/json"]?.schema;
      if (schema === undefined) continue;
      const { example } = operation.responses[status]!.content!["application/json"]!;
      judge(`${name} ${status}`, schema, example);
    }
    for (const [where, schema] of [["path", request?.params], ["query", request?.query]] as const) {
      if (schema === undefined) continue;
      const named = (operation.parameters ?? []).filter((parameter) => parameter.in === where);
      const values = named.map(({ name, example }) => [name, String(example)]);
      judge(`${name} ${where}`, schema, Object.fromEntries(values));
    }
  }
  equal(misfits.join("\n"), "");
  ok(judged > 100, `${judged} examples were judged`);
});

Deno.test("openapi document: problem_codes.ts tells of every refusal in the source", async () => {
  const told = JSON.stringify(await readDocument());
  const folders = ["routes", "."];
  const untold: string[] = [];
  for (const folder of folders) {
    const at = new URL(`./${folder}/`, import.meta.url);
    for await (const { name } of Deno.readDir(at)) {
      if (!name.endsWith(".ts") || name.endsWith("_test.ts")) continue;
      const source = await Deno.readTextFile(new URL(name, at));
      for (const [, code] of source.matchAll(/new Refusal\(\s*\d{3},\s*"([a-z-]+)"/g)) {
        const isOfAll = ["path-not-found", "method-not-allowed"].includes(code!);
        if (!isOfAll && !told.includes(`\`${code}\``)) untold.push(`${name}: ${code}`);
      }
    }
  }
  equal(untold.join("\n"), "");
});
