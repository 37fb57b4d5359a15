import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import type { Attempt, CheckpointId } from "@shared/ids.ts";
import type { HubMessageOf } from "@shared/messages.ts";
import { FakeHub } from "./testdata/fake_hub.ts";
import { ensureBundle } from "../tools/build/build_bundles.ts";
import { bundleJob } from "../tools/build/bundle_job.ts";
import { validateJob } from "../tools/build/validate_job.ts";
import { deployOf, digestOf, JOB, REGION } from "./testdata/fake_world.ts";

const MAIN = new URL("./main.ts", import.meta.url).pathname;
const RUNNER = new URL("./testdata/fake_runner.js", import.meta.url).pathname;
const REGION_1 = { jobId: JOB, regionId: REGION, attempt: 1 as Attempt };

/** One agent process on a hub of its own. */
class Site {
  readonly hub = new FakeHub();
  readonly folder = Deno.makeTempDirSync({ prefix: "penstock-agent-" });
  readonly logs: string[] = [];
  #agent: Deno.ChildProcess | null = null;
  #reading: Promise<void> = Promise.resolve();

  /** Null: the real one, made by the agent itself. */
  runnerBundle: string | null = RUNNER;
  main = MAIN;

  start(env: Record<string, string> = {}, token = "join-me"): Deno.ChildProcess {
    Deno.writeTextFileSync(`${this.folder}/token`, token);
    const flags = ["--hub", this.hub.url, "--join-token-file", `${this.folder}/token`];
    const more = ["--name", "gateway-1", "--data-dir", `${this.folder}/own`];
    if (this.runnerBundle !== null) more.push("--runner-bundle", this.runnerBundle);
    const args = ["run", "-A", "--quiet", this.main, ...flags, ...more];
    const agent = new Deno.Command(Deno.execPath(), { args, env, stdout: "piped", stderr: "piped" })
      .spawn();
    this.#agent = agent;
    this.#reading = Promise.all([this.#read(agent.stdout), this.#read(agent.stderr)]).then(
      () => {},
    );
    return agent;
  }

  /** Deploys the region and waits until it runs. */
  async running(params: Record<string, string> = {}): Promise<void> {
    await this.hub.until("hello");
    const bundleUrl = { url: `${this.hub.url}/bundle`, headers: {} };
    this.hub.tell(deployOf(1, { bundleUrl, params }));
    await this.hub.until("status", ({ status }) => status === "restored");
    this.hub.tell({ kind: "run", ...REGION_1 });
    await this.hub.until("status", ({ status }) => status === "running");
  }

  trigger(id: number): void {
    const trigger: HubMessageOf<"trigger"> = {
      kind: "trigger",
      ...REGION_1,
      checkpointId: id as CheckpointId,
      isSavepoint: false,
      triggeredAtMs: Date.now(),
    };
    this.hub.tell(trigger);
  }

  /** Process ids of runners of this site, by the agent's log. */
  runnerPids(): number[] {
    return [...this.logs.join("").matchAll(/"Started a runner".*?"pid":(\d+)/g)].map((m) =>
      Number(m[1])
    );
  }

  async end(): Promise<void> {
    try {
      this.#agent?.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#agent?.status;
    await this.#reading;
    await this.hub.close();
    Deno.removeSync(this.folder, { recursive: true });
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.logs.push(decoder.decode(bytes, { stream: true }));
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

async function untilDead(pids: readonly number[]): Promise<void> {
  for (let look = 0; look < 250 && pids.some(isAlive); look++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  equal(pids.filter(isAlive), []);
}

async function atSite(body: (site: Site) => Promise<void>): Promise<void> {
  const site = new Site();
  try {
    await body(site);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${site.logs.join("")}`, { cause: error });
  } finally {
    await site.end();
  }
}

const isLinux = Deno.build.os === "linux";

Deno.test("agent process: enrols, runs a region, makes a checkpoint durable, leaves with a goodbye", async () => {
  await atSite(async (site) => {
    const agent = site.start();
    await site.running();
    site.trigger(1);
    const acknowledge = await site.hub.until("acknowledge");
    const [piece] = acknowledge.snapshot.pieces;
    equal(new TextDecoder().decode(site.hub.objects.get(piece!.digest)), `state of ${REGION} at 1`);
    const local = await Deno.stat(`${site.folder}/own/pieces/${piece!.digest}`);
    equal(local.size, piece!.bytes);
    site.hub.tell({
      kind: "completed",
      ...REGION_1,
      checkpointId: 1 as CheckpointId,
      isSavepoint: false,
    });
    const { event } = await site.hub.until("event");
    equal(event.fields, { completed: 1 });
    const credential = await Deno.stat(`${site.folder}/own/credential.json`);
    equal(credential.mode! & 0o777, 0o600);
    equal(site.hub.authorizations, ["Bearer own-secret"]);
    agent.kill("SIGTERM");
    equal((await agent.status).code, 0);
    equal(site.hub.received.at(-1)?.kind, "goodbye");
    match(site.logs.join(""), /Enrolled to http\S+ as gateway-1/);
    await untilDead(site.runnerPids());
  });
});

Deno.test("agent process: a second start goes on as the agent it was", async () => {
  await atSite(async (site) => {
    const first = site.start();
    await site.hub.until("hello");
    first.kill("SIGTERM");
    await first.status;
    site.hub.received.length = 0;
    site.start({}, "used up");
    await site.hub.until("hello");
    match(site.logs.join(""), /Already enrolled to http\S+ as gateway-1/);
  });
});

Deno.test("agent process: a refused enrolment prints the hub's reason and exits non-zero", async () => {
  await atSite(async (site) => {
    const agent = site.start({}, "wrong");
    ok((await agent.status).code !== 0);
    match(site.logs.join(""), /Error: .*The join token is not known/);
  });
});

Deno.test({
  name: "agent process: when it is killed its runner ends by itself (F1)",
  ignore: !isLinux,
  fn: () =>
    atSite(async (site) => {
      const agent = site.start();
      await site.running();
      const pids = site.runnerPids();
      equal(pids.length, 1);
      agent.kill("SIGKILL");
      await agent.status;
      await untilDead(pids);
    }),
});

Deno.test({
  name: "agent process: when it is killed the real runner ends by itself (F1)",
  ignore: !isLinux,
  fn: () =>
    atSite(async (site) => {
      const path = new URL("../examples/pump_watch.ts", import.meta.url).pathname;
      const [{ bundle }, { regions }] = await Promise.all([bundleJob(path), validateJob(path)]);
      const { regionId, subtasks } = regions[0]!;
      site.hub.bundle = new TextEncoder().encode(bundle);
      site.runnerBundle = null;
      const agent = site.start();
      await site.hub.until("hello");
      site.hub.tell(deployOf(1, {
        regionId,
        jobName: "pump-watch",
        bundleDigest: digestOf(site.hub.bundle),
        bundleUrl: { url: `${site.hub.url}/bundle`, headers: {} },
        subtasks: [...subtasks],
        brokers: [{
          name: "plant",
          url: "mqtt://127.0.0.1:1",
          username: null,
          password: null,
          caPem: null,
        }],
      }));
      const told = await site.hub.until("status", ({ status }) => status !== "restoring");
      equal([told.status, told.reason], ["restored", ""]);
      const pids = site.runnerPids();
      equal(pids.filter(isAlive).length, 1);
      agent.kill("SIGKILL");
      await agent.status;
      await untilDead(pids);
    }),
});

Deno.test("agent process: a job that runs out of memory takes nothing else with it (F42)", async () => {
  await atSite(async (site) => {
    site.start();
    await site.running({ mode: "memory" });
    const failed = await site.hub.until("status", ({ status }) => status === "failed");
    match(failed.reason, /ran out of memory: its heap limit is 64 MB/);
    equal(failed.isRetryable, true);
    const beats = site.hub.received.filter(({ kind }) => kind === "heartbeat").length;
    await site.hub.until("heartbeat", ({ seq }) => seq > beats);
  });
});

Deno.test({
  name: "agent process: a fail point kills runners and agent on the spot (F2)",
  ignore: !isLinux,
  fn: () =>
    atSite(async (site) => {
      const agent = site.start({ FP: "uploaded-before-ack:2" });
      await site.running();
      site.trigger(1);
      await site.hub.until("acknowledge");
      site.trigger(2);
      equal((await agent.status).signal, "SIGKILL");
      equal(site.hub.objects.size, 2);
      equal(site.hub.received.filter(({ kind }) => kind === "acknowledge").length, 1);
      await untilDead(site.runnerPids());
    }),
});

Deno.test("agent process: a bundled agent finds its runner beside it, in a folder with a space too", async () => {
  const bundle = await ensureBundle("agent");
  await atSite(async (site) => {
    const folder = `${site.folder}/a gateway`;
    await Deno.mkdir(folder);
    await Deno.copyFile(bundle, `${folder}/agent.js`);
    await Deno.copyFile(RUNNER, `${folder}/runner.js`);
    site.main = `${folder}/agent.js`;
    site.runnerBundle = null;
    site.start();
    await site.running();
  });
});
