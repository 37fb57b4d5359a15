/**
 * Counts and sums per key over two splits; each total leaves staged, behind a completed checkpoint.
 *
 * Params: `prefix` of the input topics, `out` of the output topics, `splits`.
 */
import { defineJob, mqttSink, mqttSource } from "penstock";

interface Item {
  k: string;
  v: number;
}

export default defineJob("count", (job, params) => {
  const prefix = params["prefix"] ?? "load";
  const out = params["out"] ?? "total";
  const splits = Array.from({ length: Number(params["splits"] ?? "2") }, (_, i) => ({
    topics: [`${prefix}/${i}`],
    near: { line: String(i + 1) },
  }));
  job.source("items", mqttSource<Item>({ broker: "plant", splits }))
    .keyByLocal((item) => item.k)
    .mapWithState("total", { initial: () => ({ n: 0, sum: 0 }) }, (state, item, key) => {
      const next = { n: state.n + 1, sum: state.sum + item.v };
      return [next, { k: key, ...next }];
    })
    .sink(
      "totals",
      mqttSink({ broker: "plant", topic: (t) => `${out}/${t.k}`, delivery: "staged" }),
    );
});
