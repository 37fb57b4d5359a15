/**
 * A tour of the SDK: event time, filter, keyed state, windows, a process function with a timer, and a detector.
 *
 * Deploy it with `penstock jobs deploy examples/pump_watch.ts`; try it with `penstock jobs run`.
 *
 * @module
 */
import { alarmSink, defineJob, mqttSink, mqttSource, tumbling, valueState, zScore } from "penstock";

interface Reading {
  equipment: string;
  /** Time of measurement, ms since the epoch. */
  ts: number;
  /** °C. */
  temperature: number;
}

export default defineJob("pump-watch", (job) => {
  const readings = job.source(
    "telemetry",
    mqttSource<Reading>({
      broker: "plant",
      splits: [
        { topics: ["plant/line-1/+/telemetry"], near: { line: "1" } },
        { topics: ["plant/line-2/+/telemetry"], near: { line: "2" } },
      ],
      eventTime: (r) => r.ts,
      maxOutOfOrderness: "5s",
      idleAfter: "30s", // decode defaults to JSON; bad records go to the dead-letter output
    }),
  );

  // How many hot readings each pump had; forgotten when it was never hot for a week.
  const counted = readings
    .filter("hot", (r) => r.temperature > 50)
    .keyByLocal((r) => r.equipment) // keyBy(…) = across agents
    .mapWithState(
      "count",
      { initial: () => ({ n: 0 }), ttl: "7d" },
      (state, r) => [{ n: state.n + 1 }, { equipment: r.equipment, n: state.n + 1 }],
    );
  counted.sink(
    "counts",
    mqttSink({ broker: "plant", topic: (c) => `out/count/${c.equipment}`, delivery: "staged" }),
  );

  // The mean of each minute by the time of measurement; a reading may come up to 10 s behind its minute.
  readings.keyByLocal((r) => r.equipment)
    .window("per-minute", tumbling("1m"), {
      initial: () => ({ n: 0, sum: 0 }),
      add: (a, r) => ({ n: a.n + 1, sum: a.sum + r.temperature }),
      result: (a, w) => ({ equipment: w.key, start: w.start, mean: a.sum / a.n }),
      allowedLateness: "10s",
    })
    .sink("means", mqttSink({ broker: "plant", topic: (m) => `out/mean/${m.equipment}` }));

  // A change between two readings that no pump can do; a minute of silence begins anew.
  readings.keyByLocal((r) => r.equipment)
    .process("spike", {
      state: { last: valueState<number>() },
      onRecord(r, ctx) {
        const last = ctx.state.last.get();
        if (last !== undefined && Math.abs(r.temperature - last) > 20) {
          ctx.emit({ equipment: ctx.key, jump: r.temperature - last });
        }
        ctx.state.last.set(r.temperature);
        ctx.timers.eventTime(r.ts + 60_000);
      },
      onTimer(_timeMs, ctx) {
        ctx.state.last.clear();
      },
    })
    .sink(
      "spikes",
      alarmSink({ priority: "high", onDelay: "0s", text: (s) => `jump of ${s.jump}` }),
    );

  // A temperature that leaves the pump's own normal.
  readings.keyByLocal((r) => r.equipment)
    .detect("drift", zScore({ value: (r) => r.temperature, threshold: 4, warmUp: 100 }))
    .sink("anomalies", alarmSink({ priority: "medium" }));
});
