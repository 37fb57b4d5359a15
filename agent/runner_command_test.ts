import { deepStrictEqual as equal, ok, throws } from "node:assert/strict";
import { runnerArguments } from "./runner_command.ts";

function broker(url: string) {
  return { name: "plant", url, username: null, password: null, caPem: null };
}

Deno.test("runner command: net only to the job's brokers, nothing else, heap limited (P8)", () => {
  const brokers = [broker("mqtts://b.example"), broker("mqtt://[::1]:1884"), broker("mqtt://a")];
  const args = runnerArguments({ runnerBundle: "/opt/runner.js", brokers, heapMb: 256 });
  equal(args, [
    "run",
    "--quiet",
    "--no-prompt",
    "--no-config",
    "--no-lock",
    "--no-remote",
    "--no-npm",
    "--cached-only",
    "--no-code-cache",
    "--deny-import",
    "--deny-read",
    "--deny-write",
    "--deny-run",
    "--deny-sys",
    "--deny-ffi",
    "--ignore-env",
    "--allow-net=[::1]:1884,a:1883,b.example:8883",
    "--v8-flags=--max-old-space-size=256,--max-semi-space-size=1,--heap-growing-percent=40,--optimize-for-size,--no-incremental-marking-task",
    "/opt/runner.js",
  ]);
});

Deno.test("runner command: a job without brokers has no net at all", () => {
  const args = runnerArguments({ runnerBundle: "r.js", brokers: [], heapMb: 64 });
  ok(args.includes("--deny-net"));
  ok(!args.some((arg) => arg.startsWith("--allow")));
});

for (const url of ["mqtt://a,evil.example:1883", "plant", "http://x", "mqtt://"]) {
  Deno.test(`runner command: refuses the broker address ${url}`, () => {
    throws(
      () => runnerArguments({ runnerBundle: "r.js", brokers: [broker(url)], heapMb: 64 }),
      /Broker "plant" has the address/,
    );
  });
}
