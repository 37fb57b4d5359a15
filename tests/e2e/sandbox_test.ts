/**
 * Jobs that try to leave their process, or eat it: only their own runner suffers (P8).
 *
 * @module
 */
import { deepStrictEqual, match, ok } from "node:assert/strict";
import mqtt from "mqtt";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import { runnersOf } from "../bench/machine.ts";
import { type Scenario, withScenario } from "../support/scenario.ts";

interface Report {
  readonly attempt: string;
  readonly outcome?: string;
  readonly detail?: string;
}

/** Sends orders to the hostile job and collects its reports. */
class Warden {
  readonly #client: mqtt.MqttClient;
  readonly reports: Report[] = [];

  private constructor(client: mqtt.MqttClient) {
    this.#client = client;
    client.on("message", (_topic, payload) => this.reports.push(JSON.parse(payload.toString())));
  }

  static async connect(brokerUrl: string): Promise<Warden> {
    const warden = new Warden(await mqtt.connectAsync(brokerUrl, { protocolVersion: 5 }));
    await warden.#client.subscribeAsync("escape/out", { qos: 1 });
    return warden;
  }

  async order(attempt: string, target = ""): Promise<void> {
    await this.#client.publishAsync("escape/in", JSON.stringify({ attempt, target }), { qos: 1 });
  }

  async stop(): Promise<void> {
    await this.#client.endAsync();
  }
}

async function deployHostile(scenario: Scenario): Promise<string> {
  const params = { in: "escape/in", out: "escape/out" };
  return await scenario.deploy(`${PROJECT_ROOT}/tests/e2e/jobs/escape_job.ts`, "escape", params);
}

Deno.test("a job cannot read, write, see the environment, run, connect elsewhere or import (P8)", () =>
  withScenario({ brokerUrl: null, agents: { "agent-1": { line: "1" } } }, async (scenario) => {
    await deployHostile(scenario);
    const warden = await Warden.connect(scenario.cluster.brokerUrl);
    const hubPort = new URL(scenario.cluster.hubUrl).port;
    const fast: Record<string, string> = {
      read: "/etc/hostname",
      write: `${scenario.folder}/escaped`,
      env: "HOME",
      run: "/bin/true",
      nodeRead: "/etc/hostname",
      nodeRun: "true",
    };
    const slow: Record<string, string> = {
      fetch: `http://127.0.0.1:${hubPort}/healthz`,
      connect: hubPort,
      websocket: `ws://127.0.0.1:${hubPort}/api/v1/agents/connect`,
      importFile: `file://${PROJECT_ROOT}/shared/assert.ts`,
      importNode: "",
      importPackage: "",
    };
    for (const [attempt, target] of Object.entries(fast)) await warden.order(attempt, target);
    for (const [attempt, target] of Object.entries(slow)) await warden.order(attempt, target);
    for (const attempt of [...Object.keys(fast), ...Object.keys(slow)]) {
      const report = await scenario.until(`the report on ${attempt}`, async () => {
        if (attempt in slow) await warden.order("outcome", attempt);
        const found = warden.reports.find((r) => r.attempt === attempt && r.outcome !== "pending");
        return found ?? null;
      });
      deepStrictEqual(report.outcome, "refused", `${attempt}: ${report.detail ?? ""}`);
    }
    await warden.stop();
  }));

for (
  const [way, cause] of [["exhaust", /memory|exited/i], ["spin", /busy for 15 s/]] as const
) {
  Deno.test(`a job that ${way === "spin" ? "loops for ever" : "runs out of memory"} takes only its own runner down (P8)`, () =>
    withScenario({ brokerUrl: null, agents: { "agent-1": { line: "1" } } }, async (scenario) => {
      await scenario.startCounting();
      const hostileId = await deployHostile(scenario);
      const agentPid = scenario.cluster.agent("agent-1").pid;
      const runners = runnersOf(agentPid);
      deepStrictEqual(runners.length, 2, "each job has a runner of its own");
      const warden = await Warden.connect(scenario.cluster.brokerUrl);
      await warden.order(way);
      const attempt = await scenario.until("the hostile region to fail", async () => {
        const attempts = await scenario.api.list<{ endReason: string | null }>(
          `/jobs/${hostileId}/attempts`,
        );
        return attempts.find((a) => a.endReason !== null) ?? null;
      });
      match(attempt.endReason!, cause);
      await scenario.ended(await scenario.api.post(`/jobs/${hostileId}/cancel`, {}));
      ok(scenario.cluster.agent("agent-1").isAlive, "the agent lives");
      const survivors = runnersOf(agentPid).filter((pid) => runners.includes(pid));
      deepStrictEqual(survivors.length, 1, "the other job's runner lives");
      await scenario.untilCheckpoints(1);
      await scenario.verifyExact();
      await warden.stop();
    }));
}
