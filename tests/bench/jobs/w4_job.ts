/** Workload W4: records per key. The counts are the state; nothing leaves the job. Param `topic`: the input. */
import { alarmSink, defineJob, mqttSource } from "penstock";

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
      // No key gets that far: the sink stands for one that has nothing to do.
      return [{ n }, n === Number.MAX_SAFE_INTEGER ? [key] : []];
    })
    .sink("never", alarmSink({ priority: "low" }));
});
