import { deepEqual, equal } from "node:assert/strict";
import { hrefOf, parseRoute, type View } from "./router.ts";

const VIEWS: View[] = [
  { kind: "overview" },
  { kind: "jobs" },
  { kind: "job", jobId: "job_1", tab: "graph" },
  { kind: "job", jobId: "job_1", tab: "savepoints" },
  { kind: "equipmentList" },
  { kind: "equipment", equipment: "site a/line 1/pump-17" },
  { kind: "alarms" },
  { kind: "alarmHistory" },
  { kind: "alarmHealth" },
  { kind: "fleet" },
  { kind: "audit" },
  { kind: "settings", tab: "general" },
  { kind: "settings", tab: "tokens" },
];

const parse = (href: string) => parseRoute(new URL(href, "http://hub.test"));

Deno.test("router: every view and its choices survive the way through the URL", () => {
  for (const view of VIEWS) {
    deepEqual(parse(hrefOf(view, { range: "1h", text: "a&b=c" })), {
      view,
      query: { range: "1h", text: "a&b=c" },
    });
  }
});

Deno.test("router: a choice without a value leaves the URL", () => {
  equal(hrefOf({ kind: "alarms" }, { state: null, cursor: "" }), "/alarms");
});

Deno.test("router: a path that names nothing is not found, not the overview", () => {
  const paths = ["/nothing", "/alarms/nothing", "/alarms/history/1", "/settings/nothing"];
  for (const path of [...paths, "/jobs/1/nothing", "/jobs/1/graph/2", "/equipment/%E0%A4%A"]) {
    equal(parse(path).view.kind, "notFound", path);
  }
});
