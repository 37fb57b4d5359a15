/** Workload W4: records per key; every thousandth count leaves as progress. Param `topic`: the input. */
import { defineJob, mqttSink, mqttSource } from "penstock";

interface Item {
  k: number;
  n: number;
}

export default defineJob("w4", (job, params) => {
  job.source(
    "items",
    mqttSource<Item>({ broker: "plant", splits: [{ topics: [params["topic"] ?? "w4/in"] }] }),
  )
    .keyByLocal((item) => item.k)
    .flatMapWithState("count", { initial: () => ({ n: 0 }) }, (state, _item, key) => {
      const n = state.n + 1;
      return [{ n }, n % 1000 === 0 ? [{ k: Number(key), count: n }] : []];
    })
    .sink("progress", mqttSink({ broker: "plant", topic: () => "w4/progress" }));
});
