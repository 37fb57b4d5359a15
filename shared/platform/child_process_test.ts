/** Children against a real process table. */
import { ok } from "node:assert/strict";

const WAIT_MS = 8_000;
const POLL_MS = 100;

function isAlive(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch {
    return false;
  }
}

Deno.test("child process: a guarded child that loops for ever dies with a parent that is killed", async () => {
  const module = new URL("./child_process.ts", import.meta.url).href;
  const loop = "data:text/javascript,for(;;);";
  const code = `import { spawnGuarded } from "${module}";
    const child = spawnGuarded(["run", "--no-config", "${loop}"]);
    console.log(child.pid);
    await child.exited;`;
  const parent = new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    cwd: new URL("../../", import.meta.url).pathname,
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = parent.stdout.getReader();
  const { value } = await reader.read();
  const pid = Number(new TextDecoder().decode(value));
  ok(pid > 0 && isAlive(pid), "The child runs");
  parent.kill("SIGKILL");
  await parent.status;
  await reader.cancel();
  let waitedMs = 0;
  for (; isAlive(pid) && waitedMs < WAIT_MS; waitedMs += POLL_MS) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  ok(!isAlive(pid), `The child is gone after ${waitedMs} ms`);
});
