/**
 * Counts the records of each key and tells every tenth; at the end, one digest of all counts.
 *
 * A count that is lost, or counted twice, after a failure shows in the digest. The end is that of the file, or
 * of the job when it is stopped with `--drain`: then each key says its count, and one subtask gathers them.
 *
 * Try it: `penstock jobs run examples/workloads/w4.ts --input records.jsonl --parallelism 3`.
 *
 * @module
 */
import { defineJob, mqttSink, mqttSource } from "penstock";
import { sha256 } from "./sha256.ts";

interface Numbered {
  /** Key. */
  k: number;
  /** Number of the record. */
  n: number;
}

interface Count {
  k: number;
  count: number;
}

interface Digest {
  keys: number;
  /** Sum of all counts. */
  total: number;
  /** SHA-256 of a line `key=count` for each key, by key. */
  "state_sha256": string;
}

/** Counts told while records come: one in so many. */
const TOLD_EVERY = 10;

export default defineJob("w4-counters", (job, params) => {
  const topics = (params.topics ?? "workload/in").split(",");
  const counts = job.source(
    "records",
    mqttSource<Numbered>({ broker: "plant", splits: topics.map((topic) => ({ topics: [topic] })) }),
  )
    .keyBy((record) => record.k)
    .flatMapWithState("count", {
      initial: () => 0,
      onEnd: (count: number, key) => [{ k: Number(key), count, isLast: true }],
    }, (count, { k }) => [count + 1, told(k, count + 1)]);

  const digest = counts
    .filter("last", (count) => count.isLast)
    .keyBy(() => "all")
    // Text grows without being copied, unlike a list.
    .flatMapWithState("digest", {
      initial: () => "",
      onEnd: (lines: string) => [digestOf(lines)],
    }, (lines, { k, count }) => [lines + `${k}=${count}\n`, []]);

  counts
    .filter("tenths", (count) => !count.isLast)
    .map("plain", ({ k, count }): Count | Digest => ({ k, count }))
    .union(digest)
    .sink(
      "out",
      mqttSink({ broker: "plant", topic: params.output ?? "workload/out", delivery: "staged" }),
    );
});

const NOTHING: readonly never[] = [];

function told(k: number, count: number): readonly { k: number; count: number; isLast: boolean }[] {
  return count % TOLD_EVERY === 0 ? [{ k, count, isLast: false }] : NOTHING;
}

/** @param text A line `key=count` for each key, in any order. */
function digestOf(text: string): Digest {
  const lines = text.trimEnd().split("\n");
  let total = 0;
  // Key and line in one number: numbers alone are sorted fast.
  const order = Float64Array.from(lines, (line, index) => {
    const cut = line.indexOf("=");
    total += Number(line.slice(cut + 1));
    return Number(line.slice(0, cut)) * lines.length + index;
  }).sort();
  const sorted = Array.from(order, (key) => lines[key % lines.length]);
  return { keys: lines.length, total, "state_sha256": sha256(`${sorted.join("\n")}\n`) };
}
