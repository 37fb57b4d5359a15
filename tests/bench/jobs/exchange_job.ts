/**
 * Records counted per key behind an exchange: two splits, each of which sends half of what it makes to the
 * other agent. Param `ratePerSecond`: of each split; as fast as it goes without.
 */
import { alarmSink, defineJob, generatorSource } from "penstock";

const KEYS = 10_000;

export default defineJob("exchange", (job, params) => {
  const rate = params["ratePerSecond"];
  job.source(
    "items",
    generatorSource({
      splits: 2,
      next: (position, split) => ({
        machine: `press-${(position * 7_919 + split) % KEYS}`,
        position,
        temperature: 20 + position % 400 / 8,
      }),
      ...(rate === undefined ? {} : { ratePerSecond: Number(rate) }),
    }),
  )
    .keyBy((item) => item.machine)
    .flatMapWithState("count", { initial: () => ({ n: 0 }) }, (state, _item, key) => {
      const n = state.n + 1;
      // No key gets that far: the sink stands for one that has nothing to do.
      return [{ n }, n === Number.MAX_SAFE_INTEGER ? [key] : []];
    })
    .sink("never", alarmSink({ priority: "low" }));
});
