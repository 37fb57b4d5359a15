/** A job of the seeded plant whose records go across agents by key. */
import { defineJob, mqttSink, mqttSource, tumbling } from "penstock";

interface Reading {
  readonly order: string;
  readonly ts: number;
  readonly kWh: number;
}

export default defineJob("order-energy", (job) => {
  job.source(
    "meters",
    mqttSource<Reading>({
      broker: "plant",
      splits: [
        { topics: ["acme/north/+/+/+/meter"], near: { site: "north" } },
        { topics: ["acme/south/+/+/+/meter"], near: { site: "south" } },
      ],
      eventTime: (r) => r.ts,
      maxOutOfOrderness: "5s",
    }),
  )
    .filter("used", (r) => r.kWh > 0)
    .keyBy((r) => r.order)
    .window("energy", tumbling("1m"), {
      initial: () => 0,
      add: (kWh, r) => kWh + r.kWh,
      result: (kWh, w) => ({ order: w.key, kWh }),
    })
    .sink("energy-out", mqttSink({ broker: "plant", topic: "out/energy", delivery: "staged" }));
});
