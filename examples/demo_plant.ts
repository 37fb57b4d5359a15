/**
 * Watches a plant of two lines: counts every reading exactly once and tells which equipment runs warm
 * or shakes.
 *
 * Each line is a split of its own, so its counts and baselines live on one agent near the line. The
 * counts say what was lost or counted twice: sequence numbers begin at 1 and have no holes at the source.
 *
 * @module
 */
import { alarmSink, defineJob, mqttSink, mqttSource, zScore } from "penstock";
import { countNumber, NOTHING_COUNTED } from "./sequence_count.ts";

interface Reading {
  equipment: string;
  /** Number of the reading of this equipment, from 1. */
  seq: number;
  /** Time of measurement, ms since the epoch. */
  ts: number;
  /** °C. */
  temperature: number;
  /** mm/s. */
  vibration: number;
  /** bar. */
  pressure: number;
}

export default defineJob("plant-watch", (job) => {
  // What the topics say of the plant is the tree on the dashboard.
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
      "temperature",
      zScore({ value: (reading) => reading.temperature, threshold: 5, warmUp: 60 }),
    )
    .sink(
      "temperature-alarms",
      alarmSink({
        priority: "medium",
        text: (anomaly) => `Temperature ${anomaly.value.toFixed(1)} °C is not its normal`,
        cause: "Too little cooling water, or more load than the machine is made for.",
        consequence: "The bearing grease runs out; above 110 °C the bearing is lost.",
        response: "Open the cooling valve, then look at the load of the line.",
        offDelay: "5s",
      }),
    );

  readings
    .detect(
      "vibration",
      zScore({ value: (reading) => reading.vibration, threshold: 5, warmUp: 60, direction: "up" }),
    )
    .sink(
      "vibration-alarms",
      alarmSink({
        priority: "high",
        text: (anomaly) => `Vibration ${anomaly.value.toFixed(2)} mm/s is too high`,
        cause: "A worn bearing, or a pump that runs dry.",
        consequence: "The bearing seizes within days and stops the line.",
        response: "Listen at the bearing; plan to change it before the next shift.",
        offDelay: "5s",
        reAlarm: "8h",
        noData: { after: "1m", priority: "low" },
      }),
    );
});
