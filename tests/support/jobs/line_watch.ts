/** The job of the seeded plant: three detectors with alarms as plant operators want them. */
import { alarmSink, defineJob, limit, mqttSource, robustZ, zScore } from "penstock";

interface Reading {
  readonly equipment: string;
  readonly ts: number;
  /** mm/s. */
  readonly vibration: number;
  /** °C. */
  readonly temperature: number;
  /** m³/h. */
  readonly flow: number;
}

export default defineJob("line-watch", (job) => {
  job.equipment({ topic: "acme/{site}/{area}/{line}/{equipment}/telemetry" });
  const readings = job.source(
    "telemetry",
    mqttSource<Reading>({
      broker: "plant",
      splits: [
        { topics: ["acme/north/+/+/+/telemetry"], near: { site: "north" } },
        { topics: ["acme/south/+/+/+/telemetry"], near: { site: "south" } },
      ],
      eventTime: (r) => r.ts,
      maxOutOfOrderness: "5s",
      idleAfter: "30s",
    }),
  );
  const machines = readings.keyByLocal((r) => r.equipment);
  machines.detect("vibration", zScore({ value: (r) => r.vibration, threshold: 4 }))
    .sink(
      "vibration-alarms",
      alarmSink({
        priority: "high",
        text: (a) => `Vibration ${a.value.toFixed(1)} mm/s, usual is up to ${a.high?.toFixed(1)}`,
        cause: "A worn bearing, a loose base bolt, or an unbalanced rotor.",
        consequence: "The bearing seizes within days; the line stands still.",
        response:
          "Listen at the bearing, check the base bolts, plan the bearing for the next stop.",
        offDelay: "30s",
        reAlarm: "8h",
      }),
    );
  machines.detect("temperature", limit({ value: (r) => r.temperature, high: 85, deadband: 3 }))
    .sink(
      "overheating",
      alarmSink({
        priority: "critical",
        text: (a) => `Temperature ${a.value.toFixed(0)} °C, limit is 85 °C`,
        cause: "Cooling water is shut or the filter is clogged.",
        consequence: "The winding burns out within minutes.",
        response: "Stop the machine and open the cooling water.",
        noData: { after: "2m", priority: "medium" },
      }),
    );
  machines.detect("flow", robustZ({ value: (r) => r.flow }))
    .sink(
      "odd-flow",
      alarmSink({
        priority: "low",
        text: (a) => `Flow ${a.value.toFixed(1)} m³/h is unusual`,
        response: "Compare with the neighbouring machine.",
        suppressedBy: ["overheating"],
      }),
    );
});
