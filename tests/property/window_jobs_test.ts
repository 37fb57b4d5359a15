import { deepStrictEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  defineJob,
  generatorSource,
  type KeyedStream,
  mqttSink,
  session,
  sideOutput,
  sliding,
  type Stream,
  tumbling,
} from "@shared/sdk/mod.ts";
import { testJob } from "../../agent/local/testing.ts";

interface Event {
  readonly id: number;
  readonly key: string;
  readonly source: "one" | "two";
  readonly at: number;
}

const events = fc.array(
  fc.record({
    key: fc.nat(20).map(String),
    source: fc.constantFrom("one" as const, "two" as const),
    step: fc.integer({ min: -8, max: 10 }),
  }),
  { minLength: 1, maxLength: 60 },
).map((steps) => {
  let at = 1_000;
  return steps.map(({ key, source, step }, id): Event => ({ id, key, source, at: at += step }));
});

const COLLECT = {
  initial: () => ({ ids: [] as number[] }),
  add: (acc: { ids: number[] }, event: Event) => {
    acc.ids.push(event.id);
    return acc;
  },
  merge: (a: { ids: number[] }, b: { ids: number[] }) => ({ ids: [...a.ids, ...b.ids] }),
  result: (acc: { ids: number[] }, w: { key: string; start: number; end: number }) =>
    `${w.key} ${w.start}-${w.end}: ${[...acc.ids].sort((a, b) => a - b)}`,
};
const late = sideOutput<Event>("late");

type Operator = (one: KeyedStream<Event>, two: KeyedStream<Event>) => Stream<string>;

const operators: Readonly<Record<string, Operator>> = {
  tumbling: (one) => one.window("op", tumbling(10), { ...COLLECT, lateOutput: late }),
  sliding: (one) =>
    one.window("op", sliding(20, 5), { ...COLLECT, allowedLateness: 7, lateOutput: late }),
  session: (one) => one.window("op", session(6), { ...COLLECT, lateOutput: late }),
  windowJoin: (one, two) =>
    one.windowJoin("op", two, tumbling(15), {
      join: (left, right, key, w) => `${key} ${w.end}: ${left.id} ${right.id}`,
      lateOutput: late,
    }),
  intervalJoin: (one, two) =>
    one.intervalJoin("op", two, {
      lower: -5,
      upper: 5,
      join: (left, right, key) => `${key}: ${left.id} ${right.id}`,
      lateOutput: late,
    }),
};

/** Every output of the job, late records too, without regard to their order between keys. */
function outputsOf(operator: Operator, records: readonly Event[], parallelism: number): string[] {
  const job = defineJob("windows", (job) => {
    const [one, two] = (["one", "two"] as const).map((uid) =>
      job.source(
        uid,
        generatorSource<Event>({
          next: () => undefined,
          eventTime: (event) => event.at,
          maxOutOfOrderness: 4,
        }),
      ).keyBy((event) => event.key)
    ) as [KeyedStream<Event>, KeyedStream<Event>];
    const out = operator(one, two);
    const topic = "out";
    out.sink("out", mqttSink({ broker: "plant", topic }));
    out.getSideOutput(late).sink("late", mqttSink({ broker: "plant", topic }));
    two.sink("rest", mqttSink({ broker: "plant", topic }));
  });
  const run = testJob(job, { parallelism });
  for (const event of records) run.push(event.source, [event]);
  run.drain();
  return [
    ...run.outputs<string>("out"),
    ...run.outputs<Event>("late").map(({ id }) => `late ${id}`),
  ].sort();
}

for (const [name, operator] of Object.entries(operators)) {
  Deno.test(`windows: ${name} behind keyBy gives the same with one subtask and with three`, () => {
    let outputs = 0;
    fc.assert(
      fc.property(events, (records) => {
        const alone = outputsOf(operator, records, 1);
        outputs += alone.length;
        deepStrictEqual(outputsOf(operator, records, 3), alone);
      }),
      { numRuns: 50 },
    );
    ok(outputs > 0);
  });
}
