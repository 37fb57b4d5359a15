/**
 * Brokers that vanish: cut off from an agent, and restarted.
 *
 * @module
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import { startMosquitto } from "../support/mosquitto.ts";
import { pauseMs, withScenario } from "../support/scenario.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";

Deno.test("F5: agents cut off from the broker only go on when it is back, without a restart (M2, M6)", async () => {
  const broker = await startMosquitto();
  const proxy = new TcpProxy(Number(new URL(broker.url).port));
  try {
    await withScenario({
      brokerUrl: broker.url,
      agentBrokerUrl: `mqtt://127.0.0.1:${proxy.port}`,
    }, async (scenario) => {
      await scenario.startCounting();
      await scenario.untilCheckpoints(2);
      proxy.blackhole();
      await pauseMs(3000);
      proxy.cut();
      await pauseMs(1000);
      proxy.heal();
      await scenario.untilCheckpoints(2);
      deepStrictEqual((await scenario.attempts()).length, 2, "no attempt was started anew");
      await scenario.verifyExact();
    });
  } finally {
    proxy.stop();
    await broker.stop();
  }
});

Deno.test("F16: broker stopped and started again with its sessions: nothing lost, nothing twice", async () => {
  const broker = await startMosquitto();
  try {
    await withScenario({ brokerUrl: broker.url }, async (scenario) => {
      await scenario.startCounting();
      await scenario.untilCheckpoints(2);
      await broker.restart("SIGTERM");
      await scenario.untilCheckpoints(2);
      const job = await scenario.job();
      ok(job.regions.every((region) => region.metrics?.isConnected), "sources are connected again");
      await scenario.verifyExact();
    });
  } finally {
    await broker.stop();
  }
});
