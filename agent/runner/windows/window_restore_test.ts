import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  alarmSink,
  count,
  defineJob,
  generatorSource,
  type KeyedStream,
  session,
  sliding,
  stateWindow,
  type Stream,
  tumbling,
} from "@shared/sdk/mod.ts";
import { SubtaskRig } from "../test_support.ts";

interface Reading {
  readonly key: string;
  readonly at: number;
}

const COUNT = {
  initial: () => ({ n: 0 }),
  add: (acc: { n: number }) => {
    acc.n++;
    return acc;
  },
  merge: (a: { n: number }, b: { n: number }) => ({ n: a.n + b.n }),
  result: (acc: { n: number }, w: { key: string; start: number; end: number }) =>
    `${w.key} ${w.start}-${w.end} ${acc.n}`,
};

const operators: Readonly<
  Record<string, (readings: KeyedStream<Reading>) => Stream<string>>
> = {
  tumbling: (readings) => readings.window("op", tumbling(10), COUNT),
  sliding: (readings) => readings.window("op", sliding(10, 2), { ...COUNT, allowedLateness: 3 }),
  session: (readings) => readings.window("op", session(3), COUNT),
  count: (readings) => readings.window("op", count(4, 3), COUNT),
  stateWindow: (readings) => readings.window("op", stateWindow((r) => r.at % 7 !== 0), COUNT),
  windowJoin: (readings) =>
    readings.windowJoin("op", readings, tumbling(6), {
      join: (one, other, key) => `${key} ${one.at} ${other.at}`,
    }),
  intervalJoin: (readings) =>
    readings.intervalJoin("op", readings, {
      lower: 1,
      upper: 4,
      join: (one, other, key) => `${key} ${one.at} ${other.at}`,
    }),
};

function jobOf(operator: (readings: KeyedStream<Reading>) => Stream<string>, perKey: boolean) {
  return defineJob("restored", (job) => {
    const source = generatorSource<Reading>({
      next: () => undefined,
      eventTime: (reading) => reading.at,
      maxOutOfOrderness: 2,
      perKey,
    });
    operator(job.source("in", source).keyByLocal((reading) => reading.key))
      .sink("out", alarmSink({ priority: "low" }));
  }).build({});
}

/** Twelve keys, each a little ahead of or behind the others. */
const reading = (i: number): Reading => ({
  key: `k${i % 12}`,
  at: 100 + Math.floor(i / 3) + i % 4,
});
const readings = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => reading(from + i));

for (const [name, operator] of Object.entries(operators)) {
  for (const perKey of [false, true]) {
    const clock = perKey ? "clocks of keys" : "one watermark";
    Deno.test(`windows: ${name} with ${clock} goes on from a chain of snapshots as if nothing had been (A5)`, async () => {
      const job = jobOf(operator, perKey);
      const rig = await new SubtaskRig(job).start();
      rig.emit(...readings(0, 60));
      await rig.checkpoint(1);
      rig.completed(1);
      rig.emit(...readings(60, 63));
      await rig.checkpoint(2);
      rig.completed(2);
      rig.emit(...readings(63, 70));
      const snapshot = await rig.checkpoint(3);
      const before = rig.sink.written.length;
      const other = await new SubtaskRig(job, { pieces: rig.pieces }).start(snapshot);
      for (const one of [rig, other]) one.emit(...readings(70, 200));
      strictEqual(rig.reportsOf("failed").length + other.reportsOf("failed").length, 0);
      ok(rig.sink.written.length > before);
      deepStrictEqual(other.sink.written, rig.sink.written.slice(before));
    });
  }
}
