/**
 * A tour of the SDK: filter, keyed state, a process function with a timer, and a detector.
 *
 * Deploy it with `penstock jobs deploy examples/pump_watch.ts --param jump=15`.
 *
 * @module
 */
import {
  alarmSink,
  defineJob,
  mqttSink,
  mqttSource,
  recordType,
  valueState,
  zScore,
} from "penstock";

interface Reading {
  equipment: string;
  /** Time of measurement, ms since the epoch. */
  ts: number;
  /** °C. */
  temperature: number;
}

interface Jump {
  equipment: string;
  /** K between two readings. */
  jump: number;
}

interface Silence {
  equipment: string;
  lastTemperature: number;
}

/** A pump that says nothing for this long is silent, ms. */
const SILENT_AFTER_MS = 60_000;

export default defineJob("pump-watch", (job, params) => {
  const jumpKelvin = Number(params.jump ?? 20);

  const readings = job.source(
    "telemetry",
    mqttSource<Reading>({
      broker: "plant",
      splits: [
        { topics: ["plant/line-1/+/telemetry"], near: { line: "1" } },
        { topics: ["plant/line-2/+/telemetry"], near: { line: "2" } },
      ],
      eventTime: (reading) => reading.ts,
    }),
  );
  const byPump = readings.keyByLocal((reading) => reading.equipment);

  // How many hot readings each pump had; forgotten when it was never hot for a week.
  readings
    .filter("hot", (reading) => reading.temperature > 50)
    .keyByLocal((reading) => reading.equipment)
    .mapWithState("count", { initial: () => ({ n: 0 }), ttl: "7d" }, (state, reading) => [
      { n: state.n + 1 },
      { equipment: reading.equipment, n: state.n + 1 },
    ])
    .sink(
      "counts",
      mqttSink({
        broker: "plant",
        topic: (count) => `out/count/${count.equipment}`,
        delivery: "staged",
      }),
    );

  // A change between two readings that no pump can do.
  byPump
    .flatMapWithState(
      "jump",
      { initial: (): number | null => null, onError: "dead-letter" },
      (last, reading, key): [number | null, Jump[]] => {
        const jump = last === null ? 0 : reading.temperature - last;
        return [reading.temperature, Math.abs(jump) > jumpKelvin ? [{ equipment: key, jump }] : []];
      },
    )
    .sink(
      "jumps",
      alarmSink({ priority: "high", text: (jump) => `jump of ${jump.jump.toFixed(1)} K` }),
    );

  // A pump that has fallen silent: each reading moves the timer on.
  byPump
    .process("silence", {
      state: { last: valueState<number>(), timerAtMs: valueState<number>() },
      emits: recordType<Silence>(),
      onRecord(reading, ctx) {
        const before = ctx.state.timerAtMs.get();
        if (before !== undefined) ctx.timers.deleteProcessingTime(before);
        ctx.state.last.set(reading.temperature);
        ctx.state.timerAtMs.set(ctx.nowMs + SILENT_AFTER_MS);
        ctx.timers.processingTime(ctx.nowMs + SILENT_AFTER_MS);
      },
      onTimer(_timeMs, ctx) {
        ctx.emit({ equipment: ctx.key, lastTemperature: ctx.state.last.get() ?? 0 });
        ctx.state.timerAtMs.clear();
      },
    })
    .sink("silences", mqttSink({ broker: "plant", topic: "out/silent" }));

  // A temperature that leaves the pump's own normal.
  byPump
    .detect("drift", zScore({ value: (reading) => reading.temperature, threshold: 4, warmUp: 100 }))
    .sink("anomalies", alarmSink({ priority: "medium" }));
});
