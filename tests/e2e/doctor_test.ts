/**
 * `penstock doctor` on real machines that are well, and with each thing broken for real.
 *
 * @module
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { CreatedApiToken } from "@shared/api.ts";
import type { Finding } from "../../tools/cli/doctor/finding.ts";
import { freePort, run } from "../support/commands.ts";
import { type CommandLine, commandLine } from "../support/command_line.ts";
import { hasMosquitto, startMosquitto } from "../support/mosquitto.ts";
import { type Scenario, withScenario } from "../support/scenario.ts";

interface Report {
  readonly code: number;
  readonly machine: string;
  readonly checks: readonly Finding[];
  /** The finding of a check by its name. */
  of(check: string): Finding;
}

async function examined(penstock: CommandLine, ...args: string[]): Promise<Report> {
  const { code, stdout, stderr } = await penstock("doctor", "-o", "json", ...args);
  ok(stdout.startsWith("{"), stderr);
  const { machine, checks } = JSON.parse(stdout) as Pick<Report, "machine" | "checks">;
  const of = (name: string) => {
    const found = checks.find(({ check }) => check === name);
    ok(found !== undefined, `no check "${name}" among ${checks.map(({ check }) => check)}`);
    return found;
  };
  return { code, machine, checks, of };
}

/** It fails at that check, says what it found, and what to do. */
function failsAt(report: Report, check: string, found: RegExp): void {
  const finding = report.of(check);
  equal(finding.verdict, "fail", JSON.stringify(finding));
  match(finding.found, found);
  ok(finding.fix !== null && finding.fix.length > 10, "a failure says what to do");
  equal(report.code, 1);
}

const PLAIN = commandLine({ PENSTOCK_TOKEN: "", PENSTOCK_HUB: "" });

Deno.test("doctor: on the machines of a hub and of an agent, and on another", () =>
  withScenario({ brokerUrl: null, agents: { "agent-1": {} } }, async (scenario) => {
    const { hubUrl, adminToken, brokerUrl } = scenario.cluster;
    const hubDir = `${scenario.folder}/hub`;
    const agentDir = `${scenario.folder}/agent-1`;

    const hub = await examined(PLAIN, "--hub", hubUrl, "--data-dir", hubDir);
    deepEqual([hub.machine, hub.code], ["hub", 0], JSON.stringify(hub.checks));
    match(hub.of("hub data: process").found, new RegExp(`process ${scenario.cluster.hub.pid} `));
    match(hub.of("token").found, /role admin/);
    equal(hub.of("hub's broker plant").verdict, "ok");

    const agent = await examined(PLAIN, "--agent-dir", agentDir);
    deepEqual([agent.machine, agent.code], ["agent", 0], JSON.stringify(agent.checks));
    equal(agent.of("credential").found, "the hub knows this agent");
    match(agent.of("hub").found, new RegExp(hubUrl));

    const other = await examined(
      ...[PLAIN, "--hub", hubUrl, "--token", adminToken] as const,
      ...["--broker", `plant=${brokerUrl}`, "--topic", "plant/+/telemetry"],
    );
    deepEqual([other.machine, other.code], ["other", 0], JSON.stringify(other.checks));
    match(other.of("broker plant: redelivery").found, /gives exactly-once/);
    equal(other.of("broker plant: plant/+/telemetry").verdict, "ok");

    await Deno.chmod(`${hubDir}/admin-token`, 0o644);
    const open = await examined(PLAIN, "--hub", hubUrl, "--data-dir", hubDir);
    failsAt(open, "hub data: secrets", /mode 644: others .* can read it/);

    await scenario.api.delete(`/agents/${(await scenario.agentView("agent-1")).id}`);
    const removed = await examined(PLAIN, "--agent-dir", agentDir);
    failsAt(removed, "credential", /401: it does not know this agent/);
  }));

Deno.test("doctor: names each thing that is broken on the way to the hub", () =>
  withScenario({ brokerUrl: null, agents: {} }, async (scenario) => {
    const { hubUrl } = scenario.cluster;
    const port = freePort();
    failsAt(await examined(PLAIN, "--hub", `http://127.0.0.1:${port}`), "hub", /cannot reach/);
    failsAt(await examined(PLAIN, "--hub", "http://hub.invalid"), "DNS", /has no address/);
    failsAt(await examined(PLAIN, "--hub", "hub"), "hub address", /is no URL/);
    failsAt(await examined(PLAIN, "--hub", hubUrl, "--token", "pst_no"), "token", /401/);

    const proxied = commandLine({ HTTP_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: "" });
    const through = await examined(proxied, "--hub", "http://hub.example.org");
    failsAt(through, "hub", new RegExp(`through http://127.0.0.1:${port}`));
    match(through.of("proxy").found, /through http/);

    const viewer = await scenario.api.post<CreatedApiToken>("/tokens", {
      role: "viewer",
      name: "eyes",
    });
    const seen = await examined(PLAIN, "--hub", hubUrl, "--token", viewer.token);
    equal(seen.of("token").found, "role viewer, for eyes");

    await using skewed = withClock(hubUrl, 5 * 60_000);
    failsAt(
      await examined(PLAIN, "--hub", skewed.url),
      "clock",
      /(299|300)\.\d s behind the hub's/,
    );
    await using stranger = listening(() => new Response("hello"));
    failsAt(await examined(PLAIN, "--hub", stranger.url), "hub", /not as a hub does/);
    await testTls(scenario);
  }));

/** The hub's answers with another time on them: a hub whose clock is wrong. */
function withClock(hubUrl: string, aheadMs: number) {
  return listening(async (request) => {
    const { pathname } = new URL(request.url);
    const answer = await fetch(`${hubUrl}${pathname}`, { headers: request.headers });
    return new Response(await answer.text(), {
      status: answer.status,
      headers: { date: new Date(Date.now() + aheadMs).toUTCString() },
    });
  });
}

function listening(
  answer: (request: Request) => Response | Promise<Response>,
  tls: { readonly cert: string; readonly key: string } | null = null,
) {
  const options = { port: 0, hostname: "127.0.0.1", onListen() {} };
  const server = tls === null
    ? Deno.serve(options, answer)
    : Deno.serve({ ...options, ...tls }, answer);
  return {
    url: `${tls === null ? "http" : "https"}://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A certificate that nobody vouches for, the same one vouched for, and one that is over. */
async function testTls(scenario: Scenario): Promise<void> {
  const { folder, cluster: { hubUrl } } = scenario;
  const forward = async (request: Request) => {
    const answer = await fetch(`${hubUrl}${new URL(request.url).pathname}`);
    return new Response(await answer.text(), { status: answer.status });
  };
  const fresh = await certificate(folder, "fresh", ["-days", "90"]);
  {
    await using hub = listening(forward, fresh);
    failsAt(await examined(PLAIN, "--hub", hub.url), "TLS", /not trusted/);
    const trusting = commandLine({ DENO_CERT: `${folder}/fresh.crt` });
    const trusted = await examined(trusting, "--hub", hub.url);
    deepEqual([trusted.of("TLS").verdict, trusted.code], ["ok", 0]);
    match(trusted.of("TLS").found, /(89|90) days left/);
  }
  const old = await certificate(folder, "old", [
    ...["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"],
  ]).catch(() => null);
  if (old === null) return;
  await using hub = listening(forward, old);
  failsAt(await examined(PLAIN, "--hub", hub.url), "TLS", /expired/);
}

async function certificate(folder: string, name: string, validity: readonly string[]) {
  const [crt, key] = [`${folder}/${name}.crt`, `${folder}/${name}.key`];
  const made = await run("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", crt],
    ...["-subj", "/CN=hub", "-addext", "subjectAltName=IP:127.0.0.1"],
    ...["-addext", "basicConstraints=critical,CA:FALSE", ...validity],
  ]);
  if (made.code !== 0) throw new Error(made.stderr);
  return { cert: await Deno.readTextFile(crt), key: await Deno.readTextFile(key) };
}

Deno.test("doctor: names each thing that is broken with directories, database and object store", async () => {
  const folder = await Deno.makeTempDir({ prefix: "penstock-doctor-" });
  try {
    const nowhere = ["--hub", `http://127.0.0.1:${freePort()}`];
    const gone = await examined(PLAIN, ...nowhere, "--agent-dir", `${folder}/none`);
    failsAt(gone, "agent data: directory", /is not there/);
    const shut = await examined(PLAIN, ...nowhere, "--data-dir", "/proc/self");
    failsAt(shut, "hub data: rights", /cannot write/);
    const idle = await examined(PLAIN, ...nowhere, "--agent-dir", folder);
    equal(idle.of("agent data: process").verdict, "warn");

    const stores = await examined(
      PLAIN,
      ...nowhere,
      ...["--database-url", `postgres://u:p@127.0.0.1:${freePort()}/x`],
      ...["--object-store", `s3://127.0.0.1:${freePort()}/bucket?tls=0`],
    );
    failsAt(stores, "PostgreSQL", /ECONNREFUSED/);
    failsAt(stores, "object store", /access and a secret key/);
    const keyed = commandLine({
      PENSTOCK_S3_ACCESS_KEY: "a",
      PENSTOCK_S3_SECRET_KEY: "secret-key",
    });
    const unreached = await examined(
      keyed,
      ...nowhere,
      ...["--object-store", `s3://127.0.0.1:${freePort()}/bucket?tls=0`],
    );
    failsAt(unreached, "object store", /./);
    await testFullDisk(folder, nowhere);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** On a disk of a megabyte, where this system lets a test mount one. */
async function testFullDisk(folder: string, nowhere: readonly string[]): Promise<void> {
  const disk = `${folder}/disk`;
  await Deno.mkdir(disk);
  const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk])
    .catch(() => ({ code: 1 }));
  if (mounted.code !== 0) return;
  try {
    const full = await examined(PLAIN, ...nowhere, "--data-dir", disk);
    failsAt(full, "hub data: space", /kB free|MB free/);
  } finally {
    await run("umount", [disk]);
  }
}

Deno.test({
  name: "doctor: names a broker that is away, one that wants a password, one that keeps no session",
  ignore: !await hasMosquitto(),
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "penstock-doctor-" });
    const nowhere = ["--hub", `http://127.0.0.1:${freePort()}`];
    const passwords = `${folder}/passwords`;
    await run("mosquitto_passwd", ["-b", "-c", passwords, "hub", "right"]);
    await Deno.chmod(folder, 0o755);
    await Deno.chmod(passwords, 0o644);
    const broker = await startMosquitto({
      settings: ["allow_anonymous false", `password_file ${passwords}`],
    });
    try {
      const away = await examined(PLAIN, ...nowhere, "--broker", `mqtt://127.0.0.1:${freePort()}`);
      failsAt(away, "broker 127.0.0.1: login", /Cannot connect/);
      const anonymous = await examined(PLAIN, ...nowhere, "--broker", `plant=${broker.url}`);
      failsAt(anonymous, "broker plant: login", /refused the connection/);
      match(anonymous.of("broker plant: login").fix!, /PENSTOCK_BROKER_<NAME>_USERNAME/);
      const url = broker.url.replace("mqtt://", "mqtt://hub:right@");
      const right = await examined(PLAIN, ...nowhere, "--broker", `plant=${url}`);
      match(right.of("broker plant: login").found, /as hub/);
      match(right.of("broker plant: redelivery").found, /exactly-once/);
      const env = {
        PENSTOCK_BROKER_PLANT_USERNAME: "hub",
        PENSTOCK_BROKER_PLANT_PASSWORD: "right",
      };
      const named = await examined(commandLine(env), ...nowhere, "--broker", `plant=${broker.url}`);
      equal(named.of("broker plant: login").verdict, "ok");
    } finally {
      await broker.stop();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
