/**
 * The enrolment of an agent with a join token.
 *
 * Touches the database. A token enrols one agent, once, within its time (S1); the agent's credential is
 * made here, shown once and stored as a hash. Guessing locks its address out (S44).
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { type AgentId, NAME_PATTERN } from "@shared/ids.ts";
import { bearerOf, hashSecret, newAgentCredential } from "../auth.ts";
import { createAgent, listAgents } from "../db/agent_store.ts";
import type { Db } from "../db/client.ts";
import { consumeJoinToken, findJoinToken } from "../db/token_store.ts";
import { replaceAgent } from "./agent_changes.ts";
import {
  bodyOr,
  type HubApp,
  json,
  optionalJsonBody,
  Refusal,
  type RouteDeps,
  serve,
} from "./http.ts";
import { change } from "./mutation.ts";
import { enrolmentSchema } from "./schemas.ts";

/** Labels of an agent. */
export const labelsSchema = z.record(
  z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/),
  z.string().max(63),
);

const enrolBody = z.strictObject({
  name: z.string().regex(NAME_PATTERN).optional(),
  labels: labelsSchema.default({}),
});
const enrolRoute = createRoute({
  method: "post",
  path: "/api/v1/enrol",
  tags: ["tokens"],
  summary: "Enrol an agent, with a join token as bearer",
  request: {
    body: optionalJsonBody(enrolBody),
  },
  responses: { 201: json("The agent and its credential, shown this once", enrolmentSchema) },
});

export const enrolmentRoutes = [enrolRoute] as const;

export function addEnrolmentRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "public", enrolRoute, async (c) => {
    const address = c.env.remoteAddress;
    refuseLockedOut(deps, address);
    const bearer = bearerOf(c.req.header("authorization"));
    const token = bearer === null ? null : await findJoinToken(hub.db, hashSecret(bearer));
    if (token === null) throw await refuseToken(deps, address);
    const wanted = bodyOr(enrolBody, c.req.valid("json"));
    const actor = { name: `join:${token.id}`, role: "agent" };
    return await change(c, deps, () => {
      const credential = newAgentCredential(hub.random);
      const agentId = hub.random.uuid() as AgentId;
      return Promise.resolve(async (tx: Db) => {
        const nowMs = hub.clock.nowMs();
        if (!await consumeJoinToken(tx, token.id, { agentId, nowMs })) {
          throw tokenInvalid();
        }
        const replaced = await replaceAgent(deps, tx, token.id);
        const asked = replaced?.name ?? wanted.name ?? `agent-${agentId.slice(-6)}`;
        const name = await freeName(tx, asked);
        const labels = { ...wanted.labels, ...token.labels };
        const credentialHash = hashSecret(credential);
        await createAgent(tx, { id: agentId, name, labels, credentialHash, nowMs });
        return {
          status: 201,
          body: { agentId, name, credential },
          isSecret: true,
          audit: { action: "agent.enrol", subject: `agent:${agentId}`, fields: { name, labels } },
          after: () => {
            replaced?.after();
            hub.events.publish("agent.enrolled", { agentId }, { name, labels });
            deps.fleetChanged();
          },
        };
      });
    }, actor).catch(async (thrown) => {
      // Another agent used it in the same moment.
      const isUsed = thrown instanceof Refusal && thrown.status === 401;
      throw isUsed ? await refuseToken(deps, address) : thrown;
    });
  });
}

function refuseLockedOut(deps: RouteDeps, address: string): void {
  const waitMs = deps.enrolFailures.retryAfterMs(address, deps.hub.clock.nowMs());
  if (waitMs > 0) throw tooManyFailures(waitMs);
}

/** 429 with the wait. */
export function tooManyFailures(waitMs: number): Refusal {
  const seconds = Math.ceil(waitMs / 1000);
  return new Refusal(
    429,
    "too-many-failures",
    `Too many wrong tokens came from this address: wait ${seconds} s`,
    {},
    { "retry-after": String(seconds) },
  );
}

/** Counts the failure against its address and writes it down. */
async function refuseToken(deps: RouteDeps, address: string): Promise<Refusal> {
  deps.enrolFailures.failed(address, deps.hub.clock.nowMs());
  const refusal = tokenInvalid();
  await deps.refusals.note({
    principal: "unknown",
    role: "none",
    action: "agent.enrol",
    subject: `address:${address}`,
    reason: refusal.message,
    remoteAddress: address,
  });
  return refusal;
}

function tokenInvalid(): Refusal {
  return new Refusal(
    401,
    "join-token-invalid",
    "The join token is unknown, used, revoked or expired: make a new one with `penstock tokens create`",
  );
}

/** Log lines of the hub itself go by this name: no agent shall pass for it. */
const HUB_SOURCE = "hub";

/** The name itself, or with the first free number behind it: a reinstalled gateway is not locked out. */
async function freeName(tx: Db, wanted: string): Promise<string> {
  const taken = new Set([HUB_SOURCE, ...(await listAgents(tx)).map(({ name }) => name)]);
  if (!taken.has(wanted)) return wanted;
  const stem = wanted.slice(0, 56);
  let number = 2;
  while (taken.has(`${stem}-${number}`)) number++;
  return `${stem}-${number}`;
}
