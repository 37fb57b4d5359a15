import { deepEqual, equal, match } from "node:assert/strict";
import type { AgentMovePlan, AgentReplacement, AgentView, Enrolment } from "@shared/api.ts";
import type { AgentId } from "@shared/ids.ts";
import { HubWorld, JOB_ID } from "../../tests/support/hub_world.ts";
import { openTestHub } from "../../tests/support/hub_app.ts";
import { createAgent, getAgent } from "../db/agent_store.ts";
import { planMoves } from "../agent_moves.ts";
import type { HubContext } from "../ports.ts";

Deno.test("agents: the uplink is what the last heartbeat said, and away there is none", async () => {
  const test = await openTestHub();
  const id = "a" as AgentId;
  const nowMs = test.clock.nowMs();
  await createAgent(test.hub.db, { id, name: "gateway-1", labels: {}, credentialHash: "h", nowMs });
  const view = async (): Promise<AgentView> =>
    (await (await test.call("GET", "/api/v1/agents/a")).json()) as AgentView;
  equal((await view()).uplink, null);
  test.live.agentOnline({ agentId: id, connectedAtMs: nowMs, remoteAddress: "x" });
  const uplink = { roundTripMs: 12, unsentBytes: 3, keptMessages: 4 };
  test.live.recordUplink(id, uplink);
  deepEqual([(await view()).status, (await view()).uplink], ["online", uplink]);
  test.live.agentOffline(id);
  deepEqual([(await view()).status, (await view()).uplink], ["offline", null]);
  await test.close();
});

Deno.test("agents: who enrols with the token of a replacement gets name and labels; the old one is removed (S4)", async () => {
  const test = await openTestHub();
  const nowMs = test.clock.nowMs();
  const labels = { line: "1" };
  await createAgent(test.hub.db, {
    id: "a" as AgentId,
    name: "gateway-1",
    labels,
    credentialHash: "h",
    nowMs,
  });
  const made = await test.call("POST", "/api/v1/agents/a/replace", { body: {} });
  equal(made.status, 201);
  const { token, installCommand, agentName } = (await made.json()) as AgentReplacement;
  equal(agentName, "gateway-1");
  match(installCommand, /curl -fsSL http:\/\/hub\.test\/install\.sh \| sudo sh/);
  equal((await getAgent(test.hub.db, "a"))!.removedAtMs, null);

  const body = { name: "other-box", labels: { line: "9", rack: "2" } };
  const enrolled = await test.call("POST", "/api/v1/enrol", { token, body });
  const { agentId, name } = (await enrolled.json()) as Enrolment;
  equal(name, "gateway-1");
  deepEqual((await getAgent(test.hub.db, agentId))!.labels, { line: "1", rack: "2" });
  equal((await getAgent(test.hub.db, "a"))!.removedAtMs !== null, true);
  deepEqual(test.cut, ["a"]);
  const events = await test.events.flush().then(() => test.events.since(0, 100));
  deepEqual(events.map(({ type }) => type).filter((type) => type.startsWith("agent.")), [
    "agent.removed",
    "agent.enrolled",
  ]);
  await test.close();
});

Deno.test("agents: a dry run says which subtasks move where, and changes nothing", async () => {
  const world = await HubWorld.open();
  await world.addAgent("a");
  await world.deploy();
  await world.allRunning();
  const plan = async (): Promise<AgentMovePlan> => {
    const online = [...world.agents.keys()].map((id) =>
      [id as AgentId, { agentId: id as AgentId, connectedAtMs: 0, remoteAddress: "" }] as const
    );
    const hub = { db: world.db, live: { onlineAgents: new Map(online) } } as unknown as HubContext;
    return await planMoves(hub, (await getAgent(world.db, "a"))!, "drain");
  };
  deepEqual((await plan()).regions.map(({ regionId, moves }) => [regionId, moves]), [
    ["telemetry.0", null],
    ["telemetry.1", null],
  ]);
  await world.addAgent("b");
  const moves = [{ agentId: "b", agentName: "b" }];
  const planned = await plan();
  deepEqual(planned.regions.map((region) => region.moves!.map(({ subtaskId: _, ...to }) => to)), [
    moves,
    moves,
  ]);
  equal(planned.regions[0]!.jobId, JOB_ID);
  equal((await world.regions()).every(({ agentId }) => agentId === "a"), true);
  await world.close();
});
