/**
 * The command line against a real hub: exit codes, waiting and leaving, plans, completion, archives.
 *
 * @module
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { unzipSync } from "fflate";
import type { OperationView } from "@shared/api.ts";
import type { JobSummary, SavepointView } from "@shared/job_api.ts";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import { findProgram, run } from "../support/commands.ts";
import {
  commandLine,
  interruptedAt,
  PENSTOCK_ARGS,
  penstockOnPath,
} from "../support/command_line.ts";
import { type Scenario, withScenario } from "../support/scenario.ts";

const COUNT_JOB = `${PROJECT_ROOT}/tests/e2e/jobs/count_job.ts`;
const ONE_AGENT = { "agent-1": { line: "1" } };
/** Starts a control sequence of a terminal. */
const ESCAPE = "\u001b";
const ID = /[0-9a-f]{8}-[0-9a-f-]{27}/;

/** Hub and token as a person sets them. */
function seat(scenario: Scenario): Record<string, string> {
  return {
    PENSTOCK_HUB: scenario.cluster.hubUrl,
    PENSTOCK_TOKEN: scenario.cluster.adminToken,
    PENSTOCK_CONFIG: `${scenario.folder}/config.yaml`,
  };
}

Deno.test("cli: exit codes 0, 2, 3, 4, 5 and 130, each from a real hub", () =>
  withScenario({ brokerUrl: null, agents: {} }, async (scenario) => {
    const env = seat(scenario);
    const penstock = commandLine(env);
    const deploy = ["jobs", "deploy", COUNT_JOB, "--param", "splits=1"];

    const late = await penstock(...deploy, "--timeout", "1s");
    equal(late.code, 5, late.stderr);
    const operation = ID.exec(late.stderr)![0];
    match(late.stderr, new RegExp(`goes on at the hub[^]*penstock operations wait ${operation}`));

    const left = await interruptedAt("starting", ["operations", "wait", operation], env);
    equal(left.code, 130, left.stderr);
    match(left.stderr, new RegExp(`Detached: operation ${operation} goes on`));
    const still = await penstock("operations", "show", operation, "-o", "json");
    equal((JSON.parse(still.stdout) as OperationView).status, "running", "Ctrl-C cancels nothing");

    await scenario.cluster.startAgent("agent-1", { line: "1" });
    const waited = await penstock("operations", "wait", operation);
    equal(waited.code, 0, waited.stderr);

    const typo = await penstock("jobs", "show", "cuont");
    equal(typo.code, 3);
    match(typo.stderr, /No job has the id or name "cuont". Did you mean "count"\?/);
    const agent = await penstock("agents", "show", "agent1");
    deepEqual([agent.code, /Did you mean "agent-1"/.test(agent.stderr)], [3, true]);

    const moves = await penstock("agents", "drain", "agent-1", "--dry-run");
    match(moves.stdout, /1 region would move[^]*nobody can take it: it waits/);
    const lossy = await penstock("agents", "remove", "agent-1");
    deepEqual([lossy.code, /say --yes/.test(lossy.stderr)], [2, true], lossy.stderr);

    const id = (await penstock("savepoints", "create", "count", "--no-wait")).stdout.trim();
    match(id, ID);
    equal((await penstock("operations", "wait", id, "--quiet")).stderr, "");
    equal((await penstock("jobs", "stop", "count")).code, 0);
    const again = await penstock("jobs", "stop", "count");
    equal(again.code, 4, again.stderr);
  }));

Deno.test("cli: what the caller must mend is 2, what nobody answers is 1", () =>
  withScenario({ brokerUrl: null, agents: {} }, async (scenario) => {
    const env = seat(scenario);
    const penstock = commandLine(env);
    const cases: readonly (readonly [args: string[], code: number, said: RegExp])[] = [
      [["jbos", "list"], 2, /did you mean `jobs`/],
      [["jobs", "list", "--otput", "json"], 2, /did you mean --output/],
      [["alarms", "list", "--priority", "hgih"], 2, /none of critical, high/],
      [["settings", "set", "stale-afer=60s"], 2, /Did you mean "stale-after"/],
      [["jobs", "list", "--context", "none"], 3, /no context "none"/],
      [["jobs", "list", "--token", "pst_wrong"], 1, /--token, PENSTOCK_TOKEN or --context/],
      [["jobs", "list", "--hub", "http://127.0.0.1:1"], 1, /Cannot reach the hub/],
      [["rollback", "x", "--to", "y"], 2, /needs --reason/],
    ];
    for (const [args, code, said] of cases) {
      const ran = await penstock(...args);
      equal(ran.code, code, `${args.join(" ")}: ${ran.stderr}`);
      match(ran.stderr, said);
    }
    const noToken = await commandLine({ ...env, PENSTOCK_TOKEN: "" })("jobs", "list");
    deepEqual([noToken.code, /No token/.test(noToken.stderr)], [2, true]);

    const before = await penstock("settings", "show", "-o", "json");
    const changed = await penstock("settings", "set", "stale-after=77s", "-o", "json");
    equal(JSON.parse(changed.stdout).staleAfterMs, 77_000, changed.stderr);
    equal(JSON.parse(before.stdout).staleAfterMs === 77_000, false);
    const verified = await penstock("audit", "verify");
    match(verified.stdout, /intact: \d+ rows/);
    equal((await penstock("jobs", "list", "--no-headers")).stdout, "");
  }));

Deno.test("cli: the plan of a rollback names its consent and the very command that does it (P4)", () =>
  withScenario({ brokerUrl: null, agents: ONE_AGENT }, async (scenario) => {
    const penstock = commandLine(seat(scenario));
    await scenario.startCounting(1);
    await scenario.untilCheckpoints(1);
    equal((await penstock("savepoints", "create", "count", "--label", "good")).code, 0);
    await scenario.untilCheckpoints(2);

    const plan = await penstock("rollback", "count", "--to", "good", "--dry-run");
    equal(plan.code, 0, plan.stderr);
    match(plan.stdout, /State that is replaced:[^]*agent-1[^]*Gap: records acknowledged/);
    match(plan.stdout, /Plan: 1 region on 1 agent to restart, \d+ records in 1 gap/);
    match(plan.stdout, /needs your consent to the gap: --allow-gap/);

    const refused = await penstock("rollback", "count", "--to", "good", "--reason", "r");
    deepEqual([refused.code, /accept it with --allow-gap/.test(refused.stderr)], [4, true]);

    const undo = await penstock("savepoints", "create", "count", "--label", "before rollback");
    const line = /Run it:\n {2}penstock (.*)\n/.exec(plan.stdout)![1]!;
    const words = line.match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', ""));
    const done = await penstock(...words);
    equal(done.code, 0, done.stderr);
    match(done.stdout, /Job "count" runs from savepoint/);
    const back = await penstock(
      ...["rollback", "count", "--to", undo.stdout.trim(), "--allow-gap", "--reason", "undo"],
    );
    equal(back.code, 0, back.stderr);
    const rows = await penstock("audit", "list", "--action", "job.rollback", "-o", "json");
    deepEqual(
      (JSON.parse(rows.stdout) as { reason: string }[]).map(({ reason }) => reason).slice(0, 2),
      ["undo", "WHY"],
    );
    const savepoints = await penstock("savepoints", "list", "-o", "json");
    const labels = (JSON.parse(savepoints.stdout) as SavepointView[]).map(({ label }) => label);
    ok(labels.includes("good") && labels.includes("before rollback"));
  }));

Deno.test("cli: bash completes commands, flags, values, and names that the hub knows", () =>
  withScenario({ brokerUrl: null, agents: ONE_AGENT }, async (scenario) => {
    const env = seat(scenario);
    const penstock = commandLine(env);
    await penstock("jobs", "deploy", COUNT_JOB, "--param", "splits=1");
    const bin = await penstockOnPath(scenario.folder);
    const script = `${scenario.folder}/completion.bash`;
    await Deno.writeTextFile(script, (await penstock("completion", "bash")).stdout);
    const complete = async (line: string) => {
      const words = line.split(" ");
      const { stdout, stderr } = await run("bash", [
        "-c",
        `source '${script}'; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _penstock; ` +
        'printf "%s\\n" "${COMPREPLY[@]}"',
        "bash",
        ...words,
      ], { env: { ...env, PATH: `${bin}:${Deno.env.get("PATH")}` } });
      equal(stderr, "", line);
      return stdout.trim().split("\n");
    };
    deepEqual(await complete("penstock ro"), ["rollback"]);
    deepEqual(await complete("penstock jobs re"), ["rescale", "rebalance"]);
    deepEqual(await complete("penstock jobs rescale --dr"), ["--dry-run"]);
    deepEqual(await complete("penstock jobs list -o j"), ["json"]);
    deepEqual(await complete("penstock alarms list --state sh"), ["shelved"]);
    deepEqual(await complete("penstock jobs show "), ["count"]);
    deepEqual(await complete("penstock jobs stop --savepoint co"), ["count"]);
    deepEqual(await complete("penstock agents drain "), ["agent-1"]);
    deepEqual(await complete("penstock hub start --data"), ["--data-dir", "--database-url"]);
    const startMs = performance.now();
    deepEqual(await complete("penstock --hub http://192.0.2.1:9 jobs show "), [""]);
    ok(performance.now() - startMs < 10_000, "a hub that does not answer holds nobody up");
  }));

Deno.test({
  name: "cli: a person at a terminal sees a bar with phase, count and seconds; a pipe sees lines",
  ignore: findProgram("script") === null,
  fn: () =>
    withScenario({ brokerUrl: null, agents: {} }, async (scenario) => {
      const env = seat(scenario);
      const penstock = commandLine(env);
      const flags = ["--param", "splits=1", "--timeout", "4s"];
      const piped = await penstock("jobs", "deploy", COUNT_JOB, "--name", "piped", ...flags);
      match(piped.stderr, /^deploy: (accepted|starting \(0\/1\))$/m);
      equal(piped.stderr.includes(ESCAPE), false, "no control characters in a pipe");

      const [found] = JSON.parse((await penstock("operations", "list", "-o", "json")).stdout);
      const words = [Deno.execPath(), ...PENSTOCK_ARGS, "operations", "wait", found.id];
      const command = [...words, "--timeout", "2s"].join(" ");
      const typed = await run("script", ["-qefc", command, "/dev/null"], { env });
      equal(typed.code, 5, typed.stdout);
      const drawn = typed.stdout.split(`\r${ESCAPE}[K`);
      ok(drawn.length > 2, typed.stdout);
      match(drawn[1]!, /^deploy \[\.{24}\] 0\/1 starting, [01] s/);

      const list = [...words.slice(0, -3), "jobs", "list"].join(" ");
      const narrow = `stty cols 60; ${list}`;
      const table = await run("script", ["-qefc", narrow, "/dev/null"], {
        env: { ...env, NO_COLOR: "" },
      });
      const wide = table.stdout.split("\r\n").filter((line) =>
        line.replaceAll(`${ESCAPE}[2m`, "").replaceAll(`${ESCAPE}[22m`, "").length > 60
      );
      deepEqual(wide, [], "a table is cut to the terminal");
      ok(table.stdout.includes(`${ESCAPE}[2mNAME`), table.stdout);
      const plain = await run("script", ["-qefc", narrow, "/dev/null"], {
        env: { ...env, NO_COLOR: "1" },
      });
      equal(plain.stdout.includes(ESCAPE), false, "NO_COLOR");
    }),
});

Deno.test("cli: contexts hold several hubs; a token goes to the hub it belongs to alone", () =>
  withScenario({ brokerUrl: null, agents: {} }, async (scenario) => {
    const { PENSTOCK_CONFIG, PENSTOCK_TOKEN } = seat(scenario);
    const penstock = commandLine({ PENSTOCK_CONFIG: PENSTOCK_CONFIG! });
    const { hubUrl } = scenario.cluster;
    await penstock("context", "add", "far", "--hub", "http://127.0.0.1:1", "--token", "pst_far");
    const tokenFile = `${scenario.folder}/hub/admin-token`;
    const added = await penstock(
      ...["context", "add", "near", "--hub", hubUrl, "--token-file", tokenFile],
    );
    equal(added.code, 0, added.stderr);
    equal((await Deno.stat(PENSTOCK_CONFIG!)).mode! & 0o777, 0o600);

    equal((await penstock("jobs", "list")).code, 1, "the first context is the current one");
    equal((await penstock("jobs", "list", "--context", "near")).code, 0);
    equal((await penstock("context", "use", "near")).code, 0);
    equal((await penstock("jobs", "list")).code, 0);
    const elsewhere = await penstock("jobs", "list", "--hub", "http://127.0.0.1:1");
    deepEqual([elsewhere.code, /No token/.test(elsewhere.stderr)], [2, true]);

    const shown = await commandLine({ PENSTOCK_CONFIG: PENSTOCK_CONFIG!, PENSTOCK_HUB: hubUrl })(
      ...["config", "show", "--effective", "-o", "json"],
    );
    const config = JSON.parse(shown.stdout);
    equal(config.hub.origin, "environment PENSTOCK_HUB");
    match(config.token.origin, /context near/);
    equal(shown.stdout.includes(PENSTOCK_TOKEN!), false, "the token is masked");
    const versions = JSON.parse((await penstock("version", "-o", "json")).stdout);
    equal(versions.hub.url, hubUrl);
  }));

Deno.test("cli: a support bundle holds what helps, and neither token nor password", () =>
  withScenario({ brokerUrl: null, agents: ONE_AGENT }, async (scenario) => {
    const penstock = commandLine(seat(scenario));
    const password = "hunter2-in-a-param";
    await penstock(
      ...["jobs", "deploy", COUNT_JOB, "--param", "splits=1"],
      ...["--param", `password=${password}`, "--param", `url=mqtt://u:${password}@host`],
    );
    const created = await penstock("tokens", "create", "--role", "viewer", "--name", "eve");
    const file = `${scenario.folder}/support.zip`;
    const ran = await penstock("support-bundle", "-f", file);
    equal(ran.code, 0, ran.stderr);
    const files = unzipSync(await Deno.readFile(file));
    const decoder = new TextDecoder();
    const texts = Object.entries(files).map(([name, bytes]) =>
      [name.replace(/^[^/]*\//, ""), decoder.decode(bytes)] as const
    );
    const names = texts.map(([name]) => name);
    for (
      const wanted of ["CONTENTS.txt", "hub/readyz.json", "hub/metrics.txt", "hub/audit.json"]
    ) {
      ok(names.includes(wanted), wanted);
    }
    ok(names.some((name) => /^jobs\/count-.*\/attempts\.json$/.test(name)), names.join("\n"));
    const credential = JSON.parse(
      await Deno.readTextFile(`${scenario.folder}/agent-1/credential.json`),
    ).credential as string;
    const secrets = [scenario.cluster.adminToken, created.stdout.trim(), credential, password];
    for (const [name, text] of texts) {
      for (const secret of secrets) equal(text.includes(secret), false, `${name} holds a secret`);
    }
    const jobs = JSON.parse(texts.find(([name]) => name === "jobs.json")![1]);
    equal((jobs.items as JobSummary[])[0]?.name, "count");
    equal((await penstock("support-bundle", "-f", file)).code, 4, "an archive is not run over");
  }));
