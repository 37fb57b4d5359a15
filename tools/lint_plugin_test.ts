import { deepStrictEqual } from "node:assert";
import plugin from "./lint_plugin.ts";

const root = new URL("../", import.meta.url).pathname;

function messages(path: string, text: string): string[] {
  return Deno.lint.runPlugin(plugin, root + path, text).map((d) => d.message);
}

Deno.test("house/boundaries reports agent importing hub", () => {
  deepStrictEqual(messages("agent/agent.ts", `import { x } from "../hub/db/schema.ts"; x;`), [
    "agent/ must not import hub/db/",
  ]);
});
Deno.test("house/boundaries reports the pure coordinator importing the database", () => {
  deepStrictEqual(
    messages("hub/coordinator/job_state.ts", `import { x } from "../db/schema.ts"; x;`),
    [
      "hub/coordinator/ must not import hub/db/",
    ],
  );
});
Deno.test("house/boundaries reports shared importing its own platform", () => {
  deepStrictEqual(
    messages("shared/clock.ts", `import { x } from "@shared/platform/system_clock.ts"; x;`),
    [
      "shared/ must not import shared/platform/",
    ],
  );
});
Deno.test("house/boundaries lets routes use coordinator, db and shared", () => {
  deepStrictEqual(
    messages(
      "hub/routes/jobs.ts",
      `import { a } from "../db/job_store.ts"; import { b } from "../coordinator/job_state.ts"; import { c } from "@shared/ids.ts"; a; b; c;`,
    ),
    [],
  );
});
Deno.test("house/boundaries lets the dashboard take the type of the API from the hub, and only that", () => {
  const path = "hub/dashboard/state/api_client.ts";
  const type = `import type { Api } from "../../api_type.ts"; export type A = Api;`;
  deepStrictEqual(messages(path, type), []);
  const refused = ["hub/dashboard/ must not import hub/"];
  deepStrictEqual(messages(path, type.replace("import type", "import")), refused);
  deepStrictEqual(messages(path, type.replace("api_type", "app")), refused);
});
Deno.test("house/boundaries lets main.ts wire everything", () => {
  deepStrictEqual(
    messages(
      "agent/main.ts",
      `import { x } from "@shared/platform/system_clock.ts"; Date.now(); x;`,
    ),
    [],
  );
});
Deno.test("house/no-ambient reports Date.now in the runtime", () => {
  deepStrictEqual(messages("agent/runner/subtask.ts", `export const t = Date.now();`), [
    "Date.now is ambient: take a Clock, Random or Config instead",
  ]);
});
Deno.test("house/function-length reports 71 lines and lets 70 pass", () => {
  const body = (n: number) => `export function f() {\n${"  void 0;\n".repeat(n - 2)}}\n`;
  deepStrictEqual(messages("shared/f.ts", body(70)), []);
  deepStrictEqual(messages("shared/f.ts", body(71)), ["Function has 71 lines: the limit is 70"]);
});

Deno.test("house/boundaries reports a re-export across folders", () => {
  deepStrictEqual(messages("shared/job_graph.ts", `export * from "./operators/registry.ts";`), [
    "shared/ must not import shared/operators/",
  ]);
});
Deno.test("house/no-ambient reports new Date() and lets new Date(ms) pass", () => {
  deepStrictEqual(messages("hub/coordinator/retention.ts", `export const a = new Date(0);`), []);
  deepStrictEqual(messages("hub/coordinator/retention.ts", `export const a = new Date();`), [
    "new Date is ambient: take a Clock, Random or Config instead",
  ]);
});
