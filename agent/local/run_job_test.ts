import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { alarmSink, defineJob, type JobDefinition, mqttSink, mqttSource } from "penstock";
import { memoryFile, runOnFiles, runOnLines } from "../../tests/support/local_run.ts";
import { DEAD_LETTERS_TOLD_MAX, runJob } from "./run_job.ts";

interface Reading {
  id: string;
  ts: number;
}

const topics = [{ topics: ["plant/+/telemetry"] }];
const out = mqttSink<unknown>({ broker: "plant", topic: "out" });

const copy = defineJob("copy", (job) => {
  job.source(
    "lines",
    mqttSource<unknown>({ broker: "plant", splits: topics, maxPayloadBytes: 600 }),
  )
    .sink("out", out);
});

Deno.test("local run: what is no record is a dead letter with its line, and the others go on", async () => {
  const deep = `${"[".repeat(100)}${"]".repeat(100)}`;
  const { results, summary, notes } = await runOnLines(copy, [
    '{"a":1}',
    "{broken",
    '{"__proto__":{"a":1}}',
    '{"\\u005f_proto__":{"a":1}}',
    deep,
    `"${"x".repeat(700)}"`,
    "",
    "[1,2]",
  ]);
  deepEqual(results, ['{"a":1}', "[1,2]"]);
  equal(summary.records, 7);
  equal(summary.deadLetters, 5);
  const reasons = [
    "2: payload is not JSON",
    "3: JSON has a key that reaches into prototypes",
    "4: JSON has a key that reaches into prototypes",
    "5: JSON is nested deeper than 64",
    "6: the line is longer than 600 bytes",
  ];
  deepEqual(
    notes.map((note) => note.slice(0, note.indexOf(" (source"))),
    reasons.map((reason) => `Dead letter: input.jsonl:${reason}`),
  );
});

Deno.test("local run: tells so many dead letters, then only counts", async () => {
  const { summary, notes } = await runOnLines(copy, new Array<string>(50).fill("?"));
  equal(summary.deadLetters, 50);
  equal(notes.length, DEAD_LETTERS_TOLD_MAX + 1);
  match(notes.at(-1)!, /counted, not shown/);
});

Deno.test("local run: decodes a line as the source would, and encodes a record as the sink would", async () => {
  const job = defineJob("codec", (job) => {
    job.source(
      "lines",
      mqttSource<string>({
        broker: "plant",
        splits: topics,
        decode: (payload, topic) => {
          const text = new TextDecoder().decode(payload);
          if (text === "bad") throw new Error("bad frame");
          return `${topic} ${text.length} ${payload.length}`;
        },
      }),
    ).sink(
      "out",
      mqttSink({
        broker: "plant",
        topic: "out",
        encode: (text) => new TextEncoder().encode(`<${text}>`),
      }),
    );
  });
  const { results, notes } = await runOnLines(job, ["ä", "bad"]);
  deepEqual(results, ["<plant/+/telemetry 1 2>"]);
  match(notes[0]!, /input.jsonl:2: bad frame \(source "lines"\): bad/);
});

Deno.test("local run: reads CSV, and a row that does not fit is a dead letter", async () => {
  const rows = ["id;ts;x", "p1;5;1.5", "p2;6", "p3;7;"];
  const { results, notes } = await runOnLines(copy, rows, { format: "csv" });
  deepEqual(results, ['{"id":"p1","ts":5,"x":1.5}', '{"id":"p3","ts":7,"x":null}']);
  match(notes[0]!, /input.csv:3: the row has 2 fields, the header 3/);
});

function throwing(onError: "fail" | "dead-letter"): JobDefinition {
  return defineJob("throwing", (job) => {
    job.source("lines", mqttSource<Reading>({ broker: "plant", splits: topics }))
      .map("upper", (reading) => reading.id.toUpperCase(), { onError })
      .sink("out", out);
  });
}

Deno.test("local run: a wrong type in the author's code stops the run, naming operator and record", async () => {
  const lines = ['{"id":"a"}', "", '{"id":5}'];
  await rejects(runOnLines(throwing("fail"), lines), /Operator "upper" threw on record 3/);
});

Deno.test("local run: a wrong type goes to the dead letters where the operator says so", async () => {
  const { results, summary, notes } = await runOnLines(
    throwing("dead-letter"),
    ['{"id":"a"}', '{"id":5}', "null", '{"id":"b"}'],
  );
  deepEqual(results, ['"A"', '"B"']);
  equal(summary.deadLetters, 2);
  match(notes[0]!, /record 2: upper: .*toUpperCase.*{"id":5}/);
});

const two = defineJob("two", (job) => {
  const source = (uid: string) =>
    job.source(
      uid,
      mqttSource<Reading>({ broker: "plant", splits: topics, eventTime: (r) => r.ts }),
    );
  source("left").union(source("right")).sink("out", out);
});

Deno.test("local run: several sources are read in the order of event time", async () => {
  const lines = (
    id: string,
    times: number[],
  ) => [memoryFile(id, times.map((ts) => JSON.stringify({ id, ts })).join("\n"))];
  const { results } = await runOnFiles(
    two,
    new Map([["left", lines("l", [1, 4, 5, 9])], ["right", lines("r", [2, 3, 7, 8, 10])]]),
  );
  deepEqual(results.map((line) => JSON.parse(line).ts), [1, 2, 3, 4, 5, 7, 8, 9, 10]);
});

Deno.test("local run: names the source that has no input", async () => {
  await rejects(runOnLines(two, []), /Source "right" has no input: give --input right=FILE/);
});

Deno.test("local run: reads several files of a source one behind the other", async () => {
  const files = [memoryFile("a", "1\n2\n"), memoryFile("b", ""), memoryFile("c", "3\n?\n")];
  const { results, notes } = await runOnFiles(copy, new Map([["lines", files]]));
  deepEqual(results, ["1", "2", "3"]);
  match(notes[0]!, /c:2: payload is not JSON/);
});

Deno.test("local run: alarms are JSON lines with the same ids in every run", async () => {
  const job = defineJob("hot", (job) => {
    job.source(
      "lines",
      mqttSource<Reading>({ broker: "plant", splits: topics, eventTime: (r) => r.ts }),
    )
      .keyBy((reading) => reading.id)
      .flatMapWithState("each", { initial: () => 0 }, (n, { id }) => [n + 1, [{ equipment: id }]])
      .sink("alarms", alarmSink({ priority: "high", text: (r) => `${r.equipment} is hot` }));
  });
  const lines = ['{"id":"p","ts":5}', '{"id":"q","ts":6}', '{"id":"p","ts":7}'];
  const first = await runOnLines(job, lines);
  const alarms = first.results.map((line) => JSON.parse(line));
  deepEqual(alarms.map(({ text, atMs }) => [text, atMs]), [
    ["p is hot", 5],
    ["q is hot", 6],
    ["p is hot", 7],
  ]);
  equal(new Set(alarms.map(({ alarmId }) => alarmId)).size, 3);
  deepEqual((await runOnLines(job, lines)).results, first.results);
});

Deno.test("local run: stops between two records when it is asked to, and keeps what was written", async () => {
  const lines: string[] = [];
  let nowMs = 0;
  const summary = await runJob(copy.build({}), {
    inputs: new Map([["lines", [memoryFile("in", "1\n".repeat(10_000))]]]),
    parallelism: 1,
    startMs: 0,
    line: (_uid, line) => void lines.push(line),
    note: () => {},
    monotonicMs: () => nowMs += 30,
    yieldTurn: () => Promise.resolve(),
    isStopped: () => lines.length >= 1_000,
  });
  equal(summary.isComplete, false);
  equal(summary.records, lines.length);
  equal(lines.length, 1_024);
});
