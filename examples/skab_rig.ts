/**
 * Watches a test rig by eight signals at once: one detector and one alarm per rig, and a count that says
 * what was lost.
 *
 * Made for recordings such as SKAB's water circuit: accelerometers, current, pressure, temperatures,
 * voltage and flow, once a second. The first five minutes of a rig teach what is normal for it.
 *
 * @module
 */
import { alarmSink, defineJob, jointZScore, mqttSink, mqttSource } from "penstock";
import { countNumber, NOTHING_COUNTED } from "./sequence_count.ts";

interface Reading {
  equipment: string;
  /** Number of the reading of this rig, from 1. */
  seq: number;
  /** Time of measurement, ms since the epoch. */
  ts: number;
  signals: Record<string, number>;
}

export default defineJob("rig-watch", (job, params) => {
  job.equipment({ topic: "{site}/{line}/{equipment}/telemetry" });
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
  ).keyByLocal((reading) => reading.equipment);

  readings
    .mapWithState("count", { initial: () => NOTHING_COUNTED }, (state, reading) => {
      const next = countNumber(state, reading.seq);
      return [next, { equipment: reading.equipment, ...next }];
    })
    .sink(
      "counts",
      mqttSink({
        broker: "plant",
        topic: (count) => `out/count/${count.equipment}`,
        delivery: "staged",
        retain: true,
      }),
    );

  readings
    .detect(
      "rig",
      jointZScore({
        signals: (reading) => reading.signals,
        threshold: Number(params.threshold ?? 4),
        // A rig that was set to run otherwise is not in alarm for ever.
        relearnAfter: 1_800,
      }),
    )
    .sink(
      "rig-alarms",
      alarmSink({
        priority: "high",
        text: (anomaly) => `${anomaly.score.toFixed(1)} times off its normal`,
        cause: "A valve that was closed, a leak, or a pump that cavitates.",
        consequence: "The circuit does not hold its flow, and the pump wears out.",
        response: "Look at the valves and the pump.",
        noData: { after: "1m", priority: "low" },
      }),
    );
});
