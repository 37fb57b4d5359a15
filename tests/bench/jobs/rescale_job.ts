/**
 * Records counted per key behind an exchange; records with a negative `n` are answered. Output: `rescale/out`.
 */
import { defineJob, mqttSink, mqttSource } from "penstock";

interface Item {
  k: number;
  n: number;
}

export default defineJob("rescale", (job) => {
  job.source("items", mqttSource<Item>({ broker: "plant", splits: [{ topics: ["rescale/in"] }] }))
    .keyBy((item) => item.k)
    .flatMapWithState("count", { initial: () => ({ n: 0 }) }, (state, item) => {
      const n = state.n + 1;
      return [{ n }, item.n < 0 ? [{ k: item.k, count: n }] : []];
    })
    .sink("counts", mqttSink({ broker: "plant", topic: () => "rescale/out" }));
});
