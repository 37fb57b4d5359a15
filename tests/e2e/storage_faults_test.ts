/**
 * Databases that restart and objects that rot.
 *
 * @module
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import { startPostgres } from "../support/postgres.ts";
import { type Scenario, withScenario } from "../support/scenario.ts";

Deno.test("F10: PostgreSQL restarted under a running job: it goes on, nothing is deleted (C3)", async () => {
  const postgres = await startPostgres();
  try {
    await withScenario({
      brokerUrl: null,
      hubFlags: ["--database-url", postgres.url],
    }, async (scenario) => {
      await scenario.startCounting();
      await scenario.untilCheckpoints(2);
      const attempts = (await scenario.attempts()).length;
      await postgres.restart("immediate");
      await scenario.untilCheckpoints(2);
      await postgres.terminateBackends();
      await scenario.untilCheckpoints(2);
      deepStrictEqual((await scenario.attempts()).length, attempts, "no attempt was started anew");
      await scenario.verifyExact();
    });
  } finally {
    await postgres.stop();
  }
});

Deno.test("F13: a restore refuses a corrupt object and a missing one, names it, and deletes nothing (C8)", () =>
  withScenario({
    brokerUrl: null,
    hubFlags: ["--restart-backoff-max", "3s"],
  }, async (scenario) => {
    await scenario.startCounting();
    await scenario.untilCheckpoints(2);
    await scenario.load.pause();
    await scenario.untilCheckpoints(1);
    const victim = await scenario.agentView("agent-2");
    const objects = await objectFiles(scenario);
    const saved = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const path of objects) saved.set(path, await Deno.readFile(path));
    for (const path of objects) await flipByte(path);
    await scenario.cluster.killAgent("agent-2");
    const reason = await scenario.until("a refused restore", async () => {
      const attempts = await scenario.attempts();
      return attempts.find((attempt) => attempt.endReason?.includes("digest"))?.endReason ?? null;
    });
    ok(/[0-9a-f]{64}/.test(reason), `the object is named: ${reason}`);
    for (const path of objects) await Deno.remove(path);
    await scenario.until("a restore that misses its object", async () => {
      const attempts = await scenario.attempts();
      return attempts.find((attempt) => attempt.endReason?.includes("no such object")) ?? null;
    });
    for (const [path, bytes] of saved) await Deno.writeFile(path, bytes);
    await scenario.untilMovedFrom(victim.id);
    scenario.load.run();
    await scenario.untilCheckpoints(2);
    await scenario.verifyExact();
  }));

/** Every object of the hub's file store. */
async function objectFiles(scenario: Scenario): Promise<string[]> {
  const files: string[] = [];
  const folders = [`${scenario.folder}/hub/objects`];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const entry of Deno.readDir(folder)) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory) folders.push(path);
      else if (/^[0-9a-f]+$/.test(entry.name)) files.push(path);
    }
  }
  return files;
}

async function flipByte(path: string): Promise<void> {
  const bytes = await Deno.readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await Deno.writeFile(path, bytes);
}
