/** The parts of the command line that decide: names meant, widths, precedence, masks, plans, help. */
import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import type { JobDetail } from "@shared/job_api.ts";
import { root, withFlagsBehind } from "./app.ts";
import { commandTree } from "./command_tree.ts";
import { rescaleChanges } from "./commands/jobs_scale.ts";
import { completionScript } from "./completion_script.ts";
import { effectiveConfig, masked, outputSetting, timeoutSetting } from "./config.ts";
import { decodeFrame } from "./event_stream.ts";
import { columnWidths } from "./output.ts";
import { barLine } from "./progress.ts";
import { didYouMean, nearest } from "./suggest.ts";
import { maskedField, packBundle, withoutSecrets } from "./support_bundle.ts";
import { unzipSync } from "fflate";

const TREE = commandTree(root);

Deno.test("cli help: every command has examples of itself, and each of its flags is explained", () => {
  const commands = TREE.filter(({ children }) => children.length === 0);
  ok(commands.length > 60, String(commands.length));
  for (const { path, help, flags } of commands) {
    match(help, /EXAMPLES\n {2}penstock /, path);
    ok(help.includes(`penstock ${path}`), `the examples of "${path}" are of another command`);
    for (const flag of flags) ok(flag.brief.length > 3, `${path} ${flag.name}`);
  }
});

Deno.test("cli help: examples name commands and flags that exist", () => {
  for (const { help } of TREE) {
    for (const line of help.split("EXAMPLES\n")[1]?.split("\n") ?? []) {
      const words = (line.split(/[|>]/)[0] ?? "").trim().split(/\s+/).slice(1);
      const command = TREE.filter(({ path }) => `${words.join(" ")} `.startsWith(`${path} `))
        .sort((a, b) => b.path.length - a.path.length)[0];
      ok(command !== undefined && command.path !== "", line);
      const isProcess = command.path.endsWith(" start");
      for (const word of words.filter((word) => word.startsWith("--") && !isProcess)) {
        const known: string[] = command.flags.map(({ name }) => name);
        ok(known.includes(word.split("=")[0]!), `${line}: ${word}`);
      }
    }
  }
});

Deno.test("cli: names that come near are found by typing slips and by their beginning", () => {
  deepEqual(nearest("pump-wacth", ["pump-watch", "mill", "pumps"]), ["pump-watch"]);
  deepEqual(nearest("gate", ["gateway-1", "gateway-2", "x"]), ["gateway-1", "gateway-2"]);
  deepEqual(nearest("zzz", ["gateway-1"]), []);
  equal(
    didYouMean("gateway-3", ["gateway-1", "gateway-2"]),
    ' Did you mean "gateway-1" or "gateway-2"?',
  );
});

Deno.test("cli: a table gives way in its widest columns, in those people copy from last", () => {
  const id = "0".repeat(36);
  deepEqual(columnWidths([[id, "running", "x".repeat(80)]], 80, new Set([0])), [36, 7, 33]);
  deepEqual(columnWidths([["abc", "d"]], 80), [3, 1]);
  const narrow = columnWidths([[id, "a".repeat(20), "b".repeat(20)]], 40, new Set([0]));
  equal(narrow.reduce((sum, one) => sum + one, 0), 36);
});

Deno.test("cli: flag before environment before file before default, each with its origin", () => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/config.yaml`;
  Deno.writeTextFileSync(
    path,
    "current: a\noutput: yaml\ncontexts:\n  a: { hub: http://a, token: token-of-a }\n" +
      "  b: { hub: http://b/, token: token-of-b }\n",
  );
  const env = { PENSTOCK_CONFIG: path };
  try {
    const inFile = effectiveConfig({}, env);
    deepEqual([inFile.hub.value, inFile.token.value, inFile.output.value], [
      "http://a",
      "token-of-a",
      "yaml",
    ]);
    const named = effectiveConfig({ context: "b" }, { ...env, PENSTOCK_HUB: "http://e" });
    deepEqual([named.hub.value, named.token.value], ["http://b", "token-of-b"]);
    const said = effectiveConfig({ output: "json" }, { ...env, PENSTOCK_HUB: "http://e/" });
    deepEqual([said.hub.value, said.token.value, said.output.origin], [
      "http://e",
      null,
      "flag --output",
    ]);
    throws(() => effectiveConfig({ context: "aa" }, env), /Did you mean "a"/);
    equal(effectiveConfig({}, { PENSTOCK_CONFIG: `${folder}/none` }).hub.origin, "default");
    const gone = `current: a\ncontexts:\n  a: { hub: http://a, tokenFile: ${folder}/gone }\n`;
    Deno.writeTextFileSync(path, gone);
    throws(() => effectiveConfig({}, env), /Cannot read the token of this context/);
    equal(effectiveConfig({}, { ...env, PENSTOCK_TOKEN: "t" }).token.value, "t");
    equal(outputSetting({}, env).value, "table");
    throws(() => timeoutSetting({ ...env, PENSTOCK_TIMEOUT: "2 minutes" }), /such as 90s/);
    Deno.writeTextFileSync(path, "contexts:\n  a: { hub: nowhere }\n");
    throws(() => effectiveConfig({}, env), /contexts\.a\.hub/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
  equal(masked("pst_0123456789abcd"), "****abcd");
  equal(masked("short"), "****");
});

Deno.test("cli: flags before the command mean the same as behind it", () => {
  deepEqual(withFlagsBehind(["--hub", "h", "-o", "json", "jobs", "list"]), [
    ...["jobs", "list", "--hub", "h", "-o", "json"],
  ]);
  deepEqual(withFlagsBehind(["--context=x", "jobs", "list"]), ["jobs", "list", "--context=x"]);
  deepEqual(withFlagsBehind(["--help"]), ["--help"]);
});

Deno.test("cli: a bar shows share, count, phase and seconds", () => {
  equal(
    barLine("rollback", { done: 1, total: 2, phase: "restoring" }, 12.9),
    "rollback [############............] 1/2 restoring, 12 s",
  );
  equal(
    barLine("stop", { done: 0, total: 0, phase: "accepted" }, 0),
    `stop [${".".repeat(24)}] accepted, 0 s`,
  );
});

Deno.test("support bundle: what looks like a secret is masked wherever it stands", () => {
  const secret = "A".repeat(43);
  const text = [
    `pst_${secret}`,
    `pag_${secret}`,
    `pj_0123456789abcdef_${secret}`,
    `psn.id.9.${secret}`,
    `mqtt://user:${secret}@broker:1883`,
    `Authorization: Bearer ${secret}`,
    `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----`,
    "known-secret",
  ].join("\n");
  const clean = withoutSecrets(text, ["known-secret"]);
  ok(!clean.includes(secret) && !clean.includes("known-secret"), clean);
  match(clean, /mqtt:\/\/user:\*\*\*\*@broker:1883/);
  equal(withoutSecrets("records 12, http://hub:8080/x", []), "records 12, http://hub:8080/x");
  equal(maskedField("url", "https://chat.example/hooks/T0/key?a=b"), "https://chat.example/****");
  equal(maskedField("url", "mqtt://broker:1883"), "mqtt://broker:1883");
  deepEqual([maskedField("secret", "s"), maskedField("tokens", 3)], ["****", 3]);
  const files = unzipSync(packBundle("f", [{ name: "a.json", text: "{}", problem: "cut" }]));
  deepEqual(Object.keys(files).sort(), ["f/CONTENTS.txt", "f/a.json"]);
});

Deno.test("cli: a rescale is planned by the job's own graph", () => {
  const graph = {
    name: "j",
    operators: [
      { uid: "in", kind: "source", isKeyed: false, label: "", source: { splits: [{}, {}] } },
      { uid: "sum", kind: "map", isKeyed: true, label: "", source: null },
    ],
    edges: [{ from: "in", to: "sum", kind: "keyBy" }],
  } as unknown as JobDetail["graph"];
  const subtask = (subtaskId: string, keyGroups: readonly [number, number] | null) => ({
    subtaskId,
    keyGroups,
    agentId: "a",
    agentName: "gateway-1",
    operatorUids: [],
    metrics: null,
  });
  const regions = [{
    subtasks: [subtask("in.0", null), subtask("in.1", null), subtask("sum.0", [0, 127])],
  }] as unknown as JobDetail["regions"];
  deepEqual(
    rescaleChanges({ graph, regions }, 2).map(({ change, subtaskId }) => [change, subtaskId]),
    [
      ["stays", "in.0"],
      ["stays", "in.1"],
      ["takes other keys", "sum.0"],
      ["comes", "sum.1"],
    ],
  );
});

Deno.test("cli: a frame of events is read, a comment is none", () => {
  const frame = 'id: 7\nevent: alarm.raised\ndata: {"id":7,"type":"alarm.raised"}';
  equal(decodeFrame(frame)?.id, 7);
  equal(decodeFrame(": heartbeat"), null);
});

Deno.test("completion: each shell's script knows every command", () => {
  for (const shell of ["bash", "zsh", "fish"] as const) {
    const script = completionScript(shell, TREE);
    for (const { path } of TREE) ok(script.includes(path), `${shell}: ${path}`);
    ok(!/@\w+@/.test(script), "nothing is left to fill in");
  }
});
