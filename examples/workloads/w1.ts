/**
 * Passes on the readings that are warmer than a threshold.
 *
 * Try it: `penstock jobs run examples/workloads/w1.ts --input readings.jsonl`.
 *
 * @module
 */
import { defineJob, mqttSink, mqttSource } from "penstock";

interface Reading {
  /** °C. */
  temperature: number;
  /** %. */
  humidity: number;
}

export default defineJob("w1-filter", (job, params) => {
  const threshold = Number(params.threshold ?? 50);
  const topics = (params.topics ?? "workload/in").split(",");
  job.source(
    "readings",
    mqttSource<Reading>({ broker: "plant", splits: topics.map((topic) => ({ topics: [topic] })) }),
  )
    .filter("warm", (reading) => reading.temperature > threshold)
    .sink(
      "out",
      mqttSink({ broker: "plant", topic: params.output ?? "workload/out", delivery: "staged" }),
    );
});
