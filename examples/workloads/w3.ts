/**
 * Tells unlikely courses of the 55 signals of each machine: a window of the last ten values is clustered, and
 * the last five transitions between clusters are judged by how often each occurs in the window.
 *
 * The task is that of the DEBS Grand Challenge 2017. One message holds all signals of a machine, so the
 * machine is the key, and its state is the windows of all its signals.
 *
 * Try it: `penstock jobs run examples/workloads/w3.ts --input machines.jsonl`.
 *
 * @module
 */
import { defineJob, mqttSink, mqttSource } from "penstock";
import { clustersOf, transitionProbability } from "./k_means.ts";

interface Message {
  /** Machine. */
  m: number;
  /** Number of the message of this machine, from 0. */
  i: number;
  /** Time of measurement, ms since the epoch. */
  ts: number;
  /** One value for each signal. */
  v: number[];
}

interface UnlikelyCourse {
  m: number;
  /** Signal. */
  d: number;
  /** Message at which it was told. */
  i: number;
  /** Message with which the course began. */
  first: number;
  /** Probability of the course. */
  p: number;
}

/** Clusters of each signal; one with a single cluster has no transitions to judge. */
const CLUSTER_COUNTS: readonly number[] = [
  ...[3, 10, 3, 10, 10, 2, 7, 10, 10, 10, 2, 2, 2, 2, 1, 2, 4, 7, 10, 3, 7, 8, 7, 4, 7, 10, 10, 4],
  ...[4, 1, 6, 8, 1, 4, 7, 1, 10, 1, 4, 10, 5, 3, 10, 4, 7, 10, 1, 10, 10, 8, 4, 8, 6, 10, 1],
];
const WINDOW_SIZE = 10;
const TRANSITIONS = 5;
/** A product of fractions that is exactly 0.005 may come out a little lower: it is not unlikely. */
const PROBABILITY_MIN = 0.005 - 1e-12;

export default defineJob("w3-anomaly", (job, params) => {
  const topics = (params.topics ?? "workload/in").split(",");
  job.source(
    "machines",
    mqttSource<Message>({
      broker: "plant",
      splits: topics.map((topic) => ({ topics: [topic] })),
      eventTime: (message) => message.ts,
    }),
  )
    .keyBy((message) => message.m)
    .flatMapWithState("courses", { initial: (): number[][] => [] }, (windows, message) => {
      const next = message.v.map((value, d) => slid(windows[d], value));
      return [next, unlikelyCourses(message, next)];
    })
    .sink(
      "out",
      mqttSink({ broker: "plant", topic: params.output ?? "workload/out", delivery: "staged" }),
    );
});

/** The last values of a window with one more, as a window of its own: state is not changed in place. */
function slid(window: readonly number[] = [], value: number): number[] {
  const next = window.length < WINDOW_SIZE ? window.slice() : window.slice(1);
  next.push(value);
  return next;
}

function unlikelyCourses({ m, i }: Message, windows: readonly number[][]): UnlikelyCourse[] {
  const found: UnlikelyCourse[] = [];
  for (const [d, window] of windows.entries()) {
    const clusterCount = CLUSTER_COUNTS[d] ?? 1;
    if (window.length < WINDOW_SIZE || clusterCount === 1) continue;
    const p = transitionProbability(clustersOf(window, clusterCount), TRANSITIONS);
    if (p < PROBABILITY_MIN) found.push({ m, d, i, first: i - TRANSITIONS, p });
  }
  return found;
}
