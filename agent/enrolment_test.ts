import { deepStrictEqual as equal, match, ok, rejects } from "node:assert/strict";
import { enrol, type EnrolmentOptions } from "./enrolment.ts";
import { settle, utf8, World } from "./testdata/fake_world.ts";

const POST = "POST http://hub/api/v1/enrol";

function optionsOf(world: World): EnrolmentOptions {
  world.files.content.set("/token", utf8("join-me\n"));
  return {
    ...world,
    hubUrl: "http://hub",
    joinTokenFile: "/token",
    isForced: false,
    name: "gateway-1",
    labels: {},
    dataDir: "/data",
    signal: new AbortController().signal,
  };
}

function enrolled(): Response {
  return Response.json({ agentId: "a1", name: "gateway-1", credential: "own" }, { status: 201 });
}

Deno.test("enrolment: keeps the credential, not the token, and is done once (S1)", async () => {
  const world = new World();
  world.web.set(POST, enrolled);
  const first = await enrol(optionsOf(world));
  equal([first.agentId, first.credential, first.isFromBefore], ["a1", "own", false]);
  const kept = new TextDecoder().decode(world.files.content.get("/data/credential.json"));
  ok(!kept.includes("join-me"));
  world.files.content.delete("/token");
  const second = await enrol({ ...optionsOf(world), joinTokenFile: null });
  equal([second.hubUrl, second.name, second.isFromBefore], ["http://hub", "gateway-1", true]);
  equal(world.requests.length, 1);
});

Deno.test("enrolment: is done anew when forced, and needs a token for it", async () => {
  const world = new World();
  world.web.set(POST, enrolled);
  await enrol(optionsOf(world));
  const options = { ...optionsOf(world), hubUrl: "http://other", isForced: true };
  world.web.set(
    "POST http://other/api/v1/enrol",
    () => Response.json({ agentId: "b2", name: "gateway-1", credential: "new" }, { status: 201 }),
  );
  await rejects(enrol({ ...options, joinTokenFile: null }), /Cannot enrol anew: no --join-token/);
  const anew = await enrol(options);
  equal([anew.agentId, anew.hubUrl, anew.isFromBefore], ["b2", "http://other", false]);
  const kept = JSON.parse(
    new TextDecoder().decode(world.files.content.get("/data/credential.json")),
  );
  equal([kept.hubUrl, kept.credential], ["http://other", "new"]);
});

Deno.test("enrolment: a hub that is not there yet is tried again", async () => {
  const world = new World();
  let tries = 0;
  world.web.set(POST, () => {
    tries++;
    if (tries === 1) throw new TypeError("connection refused");
    return tries === 2 ? new Response("", { status: 503 }) : enrolled();
  });
  const pending = enrol(optionsOf(world));
  await settle();
  await world.pass(3);
  equal((await pending).agentId, "a1");
  equal(tries, 3);
});

Deno.test("enrolment: a hub still at work on the lost try is asked again, no sooner than it says (H2)", async () => {
  const world = new World();
  let tries = 0;
  world.web.set(POST, () => {
    tries++;
    if (tries > 1) return enrolled();
    const body = JSON.stringify({ title: "Conflict", code: "request-under-way" });
    return new Response(body, { status: 409, headers: { "retry-after": "5" } });
  });
  const pending = enrol(optionsOf(world));
  await settle();
  await world.pass(4);
  equal(tries, 1);
  await world.pass(2);
  equal([(await pending).agentId, tries], ["a1", 2]);
});

Deno.test("enrolment: any other conflict is final", async () => {
  const world = new World();
  world.web.set(
    POST,
    () => Response.json({ code: "agent-exists", detail: "taken" }, { status: 409 }),
  );
  await rejects(enrol(optionsOf(world)), /taken/);
});

Deno.test("enrolment: a refusal ends it with the hub's own reason", async () => {
  const world = new World();
  const problem = { title: "Unauthorized", detail: "The join token was used on 2026-11-02" };
  world.web.set(POST, () => Response.json(problem, { status: 401 }));
  await rejects(
    enrol(optionsOf(world)),
    /did not enrol agent "gateway-1": The join token was used/,
  );
});

Deno.test("enrolment: without a token it says how to make one", async () => {
  const world = new World();
  await rejects(enrol({ ...optionsOf(world), joinTokenFile: null }), /penstock tokens create/);
});

Deno.test("enrolment: a credential file of another version is refused, not overwritten", async () => {
  const world = new World();
  world.files.content.set("/data/credential.json", utf8('{"version":9}'));
  await rejects(enrol(optionsOf(world)), /want a credential of version 1/);
  match(new TextDecoder().decode(world.files.content.get("/data/credential.json")), /9/);
});
