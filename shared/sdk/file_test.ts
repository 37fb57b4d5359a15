import { deepEqual, throws } from "node:assert/strict";
import { localOnlyUidsOf } from "@shared/job_graph.ts";
import { defineJob, fileSink, fileSource } from "penstock";

Deno.test("file source: tells the format by the name", () => {
  deepEqual(fileSource({ path: "a.CSV" }).descriptor, {
    connector: "file",
    path: "a.CSV",
    format: "csv",
    splits: [{ topics: [], near: {} }],
  });
  deepEqual(fileSource({ pattern: "a/*.txt" }).label, "file a/*.txt, jsonl");
});

Deno.test("file source: refuses neither and both of path and pattern, and a pattern of folders", () => {
  throws(() => fileSource({}), /needs one of path and pattern/);
  throws(() => fileSource({ path: "a", pattern: "b*" }), /needs one of path and pattern/);
  throws(() => fileSource({ pattern: "*/a.csv" }), /last part of a path alone/);
  throws(() => fileSource({ path: "" }), /give a path of up to/);
});

Deno.test("file source and sink: the graph says which operators only a local run can carry out", () => {
  const job = defineJob("copy", (job) => {
    job.source("rows", fileSource({ path: "in.csv" }))
      .filter("all", () => true)
      .sink("lines", fileSink({ path: "out.jsonl" }));
  });
  deepEqual(localOnlyUidsOf(job.build({}).graph), ["rows", "lines"]);
});
