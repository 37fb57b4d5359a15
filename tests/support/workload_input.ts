/**
 * Makes the input of the four reference workloads, line by line, from a seed.
 *
 * Pure: integer arithmetic on mulberry32, so that the same seed gives the same bytes in any language.
 *
 * @module
 */

export type Workload = "W1" | "W2" | "W3" | "W4";

/** First event time, ms since the epoch: a whole minute. */
export const START_MS = 1_700_000_040_000;
/** Sensors of W2. */
const SENSOR_COUNT = 1_000;
const SENSOR_PERIOD_MS = 1_000;
/** Machines of W3. */
const MACHINE_COUNT = 50;
/** Clusters for each dimension of a machine of W3. */
export const CLUSTERS: readonly number[] = [
  ...[3, 10, 3, 10, 10, 2, 7, 10, 10, 10, 2, 2, 2, 2, 1, 2, 4, 7, 10, 3, 7, 8, 7, 4, 7, 10, 10, 4],
  ...[4, 1, 6, 8, 1, 4, 7, 1, 10, 1, 4, 10, 5, 3, 10, 4, 7, 10, 1, 10, 10, 8, 4, 8, 6, 10, 1],
];
/** Keys of W4. */
const COUNTER_KEYS = 100_000;

/** mulberry32. */
class Rolls {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), 1 | t) >>> 0;
    t = ((t + (Math.imul(t ^ (t >>> 7), 61 | t) >>> 0)) >>> 0) ^ t;
    t >>>= 0;
    return (t ^ (t >>> 14)) >>> 0;
  }

  below(end: number): number {
    return this.u32() % end;
  }
}

/**
 * Payloads in the order they are published, one line each.
 *
 * @param count Of records; of W3, rounds of `MACHINE_COUNT` records.
 */
export function workloadInput(workload: Workload, count: number, seed: number): string[] {
  switch (workload) {
    case "W1":
      return filterInput(count, seed);
    case "W2":
      return sensorInput(count, seed);
    case "W3":
      return machineInput(count, seed);
    case "W4":
      return counterInput(count, seed);
  }
}

function filterInput(count: number, seed: number): string[] {
  const rolls = new Rolls(seed);
  return Array.from({ length: count }, () => {
    const temperature = rolls.below(101);
    return `{"temperature":${temperature},"humidity":${rolls.below(101)}}`;
  });
}

/** One reading a second of each sensor; some arrive late, one in a thousand too late for its window. */
function sensorInput(count: number, seed: number): string[] {
  const rolls = new Rolls(seed);
  const base = Array.from({ length: SENSOR_COUNT }, () => 200_000 + rolls.below(800_000));
  const readings = Array.from({ length: count }, (_, index) => {
    const sensor = index % SENSOR_COUNT;
    const tick = Math.floor(index / SENSOR_COUNT);
    const timestamp = START_MS + tick * SENSOR_PERIOD_MS + rolls.below(SENSOR_PERIOD_MS);
    const cents = base[sensor]! + rolls.below(20_000) - 10_000;
    const roll = rolls.below(1_000);
    let delayMs = 0;
    if (roll === 0) delayMs = 130_000 + rolls.below(20_000);
    else if (roll <= 50) delayMs = 1 + rolls.below(4_000);
    return { arrivalMs: timestamp + delayMs, index, sensor, timestamp, cents };
  });
  readings.sort((a, b) => a.arrivalMs - b.arrivalMs || a.index - b.index);
  return readings.map(({ sensor, timestamp, cents }) =>
    `{"identifier":"s_${sensor}","timestamp":${timestamp},"valueInW":${cents / 100}}`
  );
}

function machineInput(count: number, seed: number): string[] {
  const rolls = new Rolls(seed);
  const signals = Array.from({ length: MACHINE_COUNT * CLUSTERS.length }, () => {
    const levelCount = 1 + rolls.below(4);
    const levels = Array.from({ length: levelCount }, () => rolls.below(100_000));
    return { levels, at: 0, hold: 2 + rolls.below(6), noise: rolls.below(50) };
  });
  const lines: string[] = [];
  for (let round = 0; round < count; round++) {
    for (let machine = 0; machine < MACHINE_COUNT; machine++) {
      const values: string[] = [];
      for (let dimension = 0; dimension < CLUSTERS.length; dimension++) {
        const signal = signals[machine * CLUSTERS.length + dimension]!;
        const { levels } = signal;
        if (rolls.below(signal.hold) === 0) {
          signal.at = rolls.below(40) !== 0
            ? (signal.at + 1) % levels.length
            : rolls.below(levels.length);
        }
        const level = levels[signal.at]!;
        const noise = rolls.below(3) === 0 ? rolls.below(signal.noise + 1) : 0;
        values.push(String((level + noise) / 100));
      }
      lines.push(
        `{"m":${machine},"i":${round},"ts":${START_MS + round * 1_000},"v":[${values.join(",")}]}`,
      );
    }
  }
  return lines;
}

/** Half uniform, half skewed to low keys. */
function counterInput(count: number, seed: number): string[] {
  const rolls = new Rolls(seed);
  return Array.from({ length: count }, (_, index) => {
    const roll = rolls.u32();
    let key = roll % COUNTER_KEYS;
    if ((roll & 0x80000000) === 0) {
      const a = rolls.u32() % COUNTER_KEYS;
      key = Math.floor(a * (rolls.u32() % COUNTER_KEYS) / COUNTER_KEYS);
    }
    return `{"k":${key},"n":${index}}`;
  });
}
