/**
 * The four workloads as plain loops, each written for nothing else: what a local run is held against.
 *
 * Touches two files. Reads in chunks, cuts lines, parses, works, and writes what the job writes. There is no
 * event time but a number, no state but a map, and nothing that could be restored.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { CLUSTERS, type Workload } from "../support/workload_input.ts";
import { clustersOf, transitionProbability } from "../../examples/workloads/k_means.ts";

const CHUNK_BYTES = 1024 * 1024;
const HELD_CHARACTERS_MAX = 256 * 1024;
const WINDOW_MS = 60_000;
const OUT_OF_ORDER_MS = 5_000;

/** Works `input` off into `output`. @returns Records. */
export function runLoop(workload: Workload, input: string, output: string): number {
  const out = createWriter(output);
  const records = LOOPS[workload](input, out.write);
  out.close();
  return records;
}

type Write = (result: unknown) => void;

const LOOPS: Readonly<Record<Workload, (input: string, write: Write) => number>> = {
  W1: (input, write) =>
    eachLine(input, (line) => {
      const reading = JSON.parse(line);
      if (reading.temperature > 50) write(reading);
    }),
  W2: windowLoop,
  W3: courseLoop,
  W4: countLoop,
};

function eachLine(path: string, take: (line: string) => void): number {
  const file = openSync(path, "r");
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(CHUNK_BYTES);
  let kept = 0;
  let lines = 0;
  for (;;) {
    const read = readSync(file, buffer, kept, buffer.length - kept, null);
    if (read === 0) break;
    const end = kept + read;
    const cut = buffer.lastIndexOf(10, end - 1) + 1;
    const text = decoder.decode(buffer.subarray(0, cut));
    let at = 0;
    for (let next = text.indexOf("\n"); next !== -1; next = text.indexOf("\n", at)) {
      take(text.substring(at, next));
      lines++;
      at = next + 1;
    }
    buffer.copyWithin(0, cut, end);
    kept = end - cut;
  }
  closeSync(file);
  return lines;
}

function createWriter(path: string): { write: Write; close(): void } {
  const file = openSync(path, "w");
  const encoder = new TextEncoder();
  let held = "";
  const flush = () => {
    writeSync(file, encoder.encode(held));
    held = "";
  };
  return {
    write(result) {
      held += JSON.stringify(result) + "\n";
      if (held.length > HELD_CHARACTERS_MAX) flush();
    },
    close() {
      flush();
      closeSync(file);
    },
  };
}

interface Sums {
  n: number;
  sum: number;
  squares: number;
  min: number;
  max: number;
}

function windowLoop(input: string, write: Write): number {
  const windows = new Map<number, Map<string, Sums>>();
  let watermarkMs = -Infinity;
  let late = 0;
  const closeUntil = (ms: number) => {
    for (const [start, byKey] of windows) {
      if (start + WINDOW_MS > ms) continue;
      windows.delete(start);
      for (const [identifier, { n, sum, squares, min, max }] of byKey) {
        write({
          identifier,
          start,
          end: start + WINDOW_MS,
          count: n,
          sum: sum / 100,
          mean: sum / n / 100,
          min: min / 100,
          max: max / 100,
          populationVariance: (squares * n - sum * sum) / (n * n) / 10_000,
        });
      }
    }
  };
  const records = eachLine(input, (line) => {
    const { identifier, timestamp, valueInW } = JSON.parse(line);
    const start = timestamp - timestamp % WINDOW_MS;
    if (start + WINDOW_MS <= watermarkMs) late++;
    else {
      const cents = Math.round(valueInW * 100);
      let byKey = windows.get(start);
      if (byKey === undefined) windows.set(start, byKey = new Map());
      const sums = byKey.get(identifier);
      if (sums === undefined) {
        byKey.set(identifier, { n: 1, sum: cents, squares: cents * cents, min: cents, max: cents });
      } else {
        sums.n++;
        sums.sum += cents;
        sums.squares += cents * cents;
        if (cents < sums.min) sums.min = cents;
        if (cents > sums.max) sums.max = cents;
      }
    }
    if (timestamp - OUT_OF_ORDER_MS <= watermarkMs) return;
    watermarkMs = timestamp - OUT_OF_ORDER_MS;
    closeUntil(watermarkMs);
  });
  closeUntil(Infinity);
  write({ late });
  return records;
}

function courseLoop(input: string, write: Write): number {
  const windows = new Map<number, number[][]>();
  return eachLine(input, (line) => {
    const { m, i, v } = JSON.parse(line);
    let ofMachine = windows.get(m);
    if (ofMachine === undefined) windows.set(m, ofMachine = v.map(() => []));
    for (let d = 0; d < v.length; d++) {
      const window = ofMachine![d]!;
      window.push(v[d]);
      if (window.length > 10) window.shift();
      if (window.length < 10 || CLUSTERS[d] === 1) continue;
      const p = transitionProbability(clustersOf(window, CLUSTERS[d]!), 5);
      if (p < 0.005 - 1e-12) write({ m, d, i, first: i - 5, p });
    }
  });
}

function countLoop(input: string, write: Write): number {
  const counts = new Map<number, number>();
  const records = eachLine(input, (line) => {
    const { k } = JSON.parse(line);
    const count = (counts.get(k) ?? 0) + 1;
    counts.set(k, count);
    if (count % 10 === 0) write({ k, count });
  });
  const hash = createHash("sha256");
  let total = 0;
  let sorted = "";
  for (const k of Float64Array.from(counts.keys()).sort()) {
    total += counts.get(k)!;
    sorted += `${k}=${counts.get(k)}\n`;
  }
  write({ keys: counts.size, total, "state_sha256": hash.update(sorted).digest("hex") });
  return records;
}
