/**
 * One workload over a broker, deployed to agents: publishes its input, collects its results, drains the job.
 *
 * Touches the network and the scenario it is given.
 *
 * @module
 */
import { deepStrictEqual } from "node:assert/strict";
import type { OperationView } from "@shared/api.ts";
import mqtt from "mqtt";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import { pauseMs, type Scenario } from "./scenario.ts";
import { type Workload, workloadInput } from "./workload_input.ts";
import { differences, expectedResults } from "./workload_oracle.ts";

/** Splits of the source, each with a topic. */
const SPLITS = 2;
const IN_FLIGHT_MAX = 1_000;
const SETTLE_TIMEOUT_MS = 60_000;

export interface WorkloadOptions {
  readonly workload: Workload;
  readonly count: number;
  readonly seed: number;
  readonly parallelism: number;
  readonly recordsPerSecond: number;
  /** Faults, begun when the first records are published. */
  readonly faults: (scenario: Scenario) => Promise<void>;
}

/** Results by output id: what a failure publishes again has the id it had. */
class Results {
  readonly #byId = new Map<string, string>();
  readonly #client: mqtt.MqttClient;
  contradictions = 0;

  private constructor(client: mqtt.MqttClient) {
    this.#client = client;
  }

  static async collect(brokerUrl: string, topic: string): Promise<Results> {
    const client = await mqtt.connectAsync(brokerUrl, { protocolVersion: 5 });
    const results = new Results(client);
    client.on("message", (_topic, payload, packet) => {
      const id = packet.properties?.userProperties?.["penstock-id"];
      results.#take(String(id), payload.toString());
    });
    await client.subscribeAsync(topic, { qos: 1 });
    return results;
  }

  get all(): Record<string, unknown>[] {
    return [...this.#byId.values()].map((text) => JSON.parse(text));
  }

  async close(): Promise<void> {
    await this.#client.endAsync();
  }

  #take(id: string, text: string): void {
    if (this.#byId.has(id) && this.#byId.get(id) !== text) this.contradictions++;
    this.#byId.set(id, text);
  }
}

/** Runs the workload to its end and holds its results against the oracle: nothing lost, nothing twice. */
export async function verifyWorkload(scenario: Scenario, options: WorkloadOptions): Promise<void> {
  const { workload, count, seed, parallelism } = options;
  const prefix = `${scenario.prefix}/${workload}`;
  const topics = Array.from({ length: SPLITS }, (_, split) => `${prefix}/in/${split}`);
  const results = await Results.collect(scenario.cluster.brokerUrl, `${prefix}/out`);
  try {
    const file = `${PROJECT_ROOT}/examples/workloads/${workload.toLowerCase()}.ts`;
    const params = { topics: topics.join(","), output: `${prefix}/out` };
    scenario.jobId = await scenario.deploy(file, workload.toLowerCase(), params, { parallelism });
    const faults = options.faults(scenario);
    await publish(scenario.cluster.brokerUrl, topics, options);
    await faults;
    await scenario.untilCheckpoints(2);
    const stop = { savepoint: true, drain: true };
    const path = `/jobs/${scenario.jobId}/stop`;
    await scenario.ended(await scenario.api.post<OperationView>(path, stop));
    const expected = expectedResults(workload, count, seed);
    const deadlineMs = performance.now() + SETTLE_TIMEOUT_MS;
    let wrong = differences(workload, expected, results.all);
    while (wrong.length > 0 && performance.now() < deadlineMs) {
      await pauseMs(200);
      wrong = differences(workload, expected, results.all);
    }
    deepStrictEqual(wrong.slice(0, 5), [], `${wrong.length} differ\n${scenario.cluster.logs()}`);
    deepStrictEqual(results.contradictions, 0, "an output id carried two different outputs");
  } finally {
    await results.close();
  }
}

/** Publishes the input in order, each key through one split. */
async function publish(
  brokerUrl: string,
  topics: readonly string[],
  { workload, count, seed, recordsPerSecond }: WorkloadOptions,
): Promise<void> {
  const client = await mqtt.connectAsync(brokerUrl, { protocolVersion: 5 });
  const lines = workloadInput(workload, count, seed);
  const startMs = performance.now();
  let inFlight = 0;
  for (const [index, line] of lines.entries()) {
    inFlight++;
    client.publish(topics[splitOf(line)]!, line, { qos: 1 }, () => inFlight--);
    if (index % 100 !== 99) continue;
    const dueMs = startMs + index / recordsPerSecond * 1_000;
    do await pauseMs(Math.max(0, dueMs - performance.now())); while (inFlight > IN_FLIGHT_MAX);
  }
  while (inFlight > 0) await pauseMs(10);
  await client.endAsync();
}

/** By the first value of the record: sensor, machine or key. */
function splitOf(line: string): number {
  const value = line.slice(line.indexOf(":"), line.indexOf(","));
  let sum = 0;
  for (let i = 0; i < value.length; i++) sum += value.charCodeAt(i);
  return sum % SPLITS;
}
