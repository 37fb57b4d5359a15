/**
 * Statistics of each sensor and minute, by the sensors' own clocks; at the end, how many readings came too late.
 *
 * Power is summed in hundredths of a watt: whole numbers, so that sums are exact whatever their order.
 *
 * Try it: `penstock jobs run examples/workloads/w2.ts --input readings.jsonl --output minutes.jsonl`.
 *
 * @module
 */
import { defineJob, mqttSink, mqttSource, sideOutput, tumbling } from "penstock";

interface Reading {
  identifier: string;
  /** Time of measurement, ms since the epoch. */
  timestamp: number;
  valueInW: number;
}

/** Of one sensor and minute; sums and bounds in hundredths of a watt. */
interface Sums {
  count: number;
  sum: number;
  squares: number;
  min: number;
  max: number;
}

interface Minute {
  identifier: string;
  /** First moment of the minute, ms since the epoch. */
  start: number;
  end: number;
  count: number;
  sum: number;
  mean: number;
  min: number;
  max: number;
  populationVariance: number;
}

interface LateCount {
  late: number;
}

const tooLate = sideOutput<Reading>("too-late");

export default defineJob("w2-minutes", (job, params) => {
  const topics = (params.topics ?? "workload/in").split(",");
  const minutes = job.source(
    "readings",
    mqttSource<Reading>({
      broker: "plant",
      splits: topics.map((topic) => ({ topics: [topic] })),
      eventTime: (reading) => reading.timestamp,
      maxOutOfOrderness: "5s",
    }),
  )
    .keyBy((reading) => reading.identifier)
    .window("minute", tumbling("1m"), {
      initial: (): Sums => ({ count: 0, sum: 0, squares: 0, min: Infinity, max: -Infinity }),
      add: (sums, reading) => withCents(sums, Math.round(reading.valueInW * 100)),
      result: (sums, w) => minuteOf(sums, w),
      lateOutput: tooLate,
    });

  // Minutes come here too, as no reading at all: without any late reading the count is 0, not missing.
  const late = minutes.map("in-time", () => 0)
    .union(minutes.getSideOutput(tooLate).map("late", () => 1))
    .keyBy(() => "all")
    .flatMapWithState("late-count", {
      initial: () => 0,
      onEnd: (late: number): LateCount[] => [{ late }],
    }, (late, one) => [late + one, []]);

  minutes.map("result", (minute): Minute | LateCount => minute)
    .union(late)
    .sink(
      "out",
      mqttSink({ broker: "plant", topic: params.output ?? "workload/out", delivery: "staged" }),
    );
});

/** The sums with one more value in them; they belong to the window, so they are changed in place. */
function withCents(sums: Sums, cents: number): Sums {
  sums.count++;
  sums.sum += cents;
  sums.squares += cents * cents;
  if (cents < sums.min) sums.min = cents;
  if (cents > sums.max) sums.max = cents;
  return sums;
}

function minuteOf(
  { count, sum, squares, min, max }: Sums,
  { key, start, end }: { key: string; start: number; end: number },
): Minute {
  return {
    identifier: key,
    start,
    end,
    count,
    sum: sum / 100,
    mean: sum / count / 100,
    min: min / 100,
    max: max / 100,
    populationVariance: (squares * count - sum * sum) / (count * count) / 10_000,
  };
}
