/**
 * The installer against a real hub: the line that the hub gives out, run by a real shell, ends with an agent
 * that is online; replacing it moves its name to another machine.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { AgentReplacement, AgentView, CreatedJoinToken, LogView } from "@shared/api.ts";
import { run } from "../support/commands.ts";
import { startHubProcess } from "../support/hub_process.ts";

/** The line as it is shown, with a prefix in the place of root's rights and of systemd. */
function inPrefix(command: string, prefix: string, flags: string): string {
  return command.replace("sudo sh", "sh") + ` --prefix ${prefix} --no-systemd ${flags}`;
}

Deno.test("installer: checks, installs, proves that the agent is online, again and back (S1)", async () => {
  const hub = await startHubProcess();
  const here = `${hub.directory}/gateway`;
  const prefix = `${here}/root`;
  await Deno.mkdir(here);
  const shell = (line: string) =>
    run("sh", ["-c", line], {
      cwd: here,
      timeoutMs: 240_000,
      env: { DENO: Deno.execPath() },
    });
  try {
    const token = await hub.post<CreatedJoinToken>("/tokens", { labels: { line: "7" } });
    const script = await (await fetch(`${hub.url}/install.sh`)).text();
    ok(!script.includes(token.token) && !script.includes(hub.adminToken));
    await hub.get("/agents");

    const dry = await shell(inPrefix(token.installCommand, prefix, "--dry-run"));
    equal(dry.code, 0, dry.stderr);
    match(dry.stdout, /checksums fit[\s\S]*Nothing was changed/);
    await Deno.stat(prefix).then(() => ok(false, "a dry run made the prefix"), () => {});

    const installed = await shell(inPrefix(token.installCommand, prefix, "--name pump-house"));
    equal(installed.code, 0, installed.stderr + installed.stdout);
    match(installed.stdout, /Agent "pump-house" is online in the hub/);
    const agents = async () => (await hub.get<{ items: AgentView[] }>("/agents")).items;
    const [agent] = await agents();
    equal(agent!.status, "online");
    deepEqual(agent!.labels, { line: "7" });
    equal(await fileExists(`${here}/penstock-join-token`), false);

    // Lines of the agent and of the hub come together, and none holds a secret.
    const { items } = await hub.get<{ items: LogView[] }>("/logs?limit=2000");
    ok(items.some(({ source }) => source === "hub"));
    ok(!JSON.stringify(items).includes(token.token));

    const again = await shell(
      `curl -fsSL ${hub.url}/install.sh | sh -s -- --hub ${hub.url} --prefix ${prefix} --no-systemd`,
    );
    equal(again.code, 0, again.stderr + again.stdout);
    match(again.stdout, /enrolled already, kept[\s\S]*"pump-house" is online/);
    equal((await agents()).length, 1);

    const other = `${here}/other`;
    const replaced = await hub.post<AgentReplacement>(`/agents/${agent!.id}/replace`, {});
    const second = await shell(inPrefix(replaced.installCommand, other, ""));
    equal(second.code, 0, second.stderr + second.stdout);
    match(second.stdout, /Agent "pump-house" is online/);
    const [heir, ...rest] = await agents();
    equal(rest.length, 0);
    ok(heir!.id !== agent!.id);
    deepEqual([heir!.name, heir!.labels], ["pump-house", { line: "7" }]);

    for (const one of [prefix, other]) {
      const gone = await shell(
        `curl -fsSL ${hub.url}/install.sh | sh -s -- --uninstall --purge --no-systemd --prefix ${one}`,
      );
      equal(gone.code, 0, gone.stderr);
      equal(await fileExists(`${one}/usr/local/lib/penstock/agent.js`), false);
      equal(await fileExists(`${one}/var/lib/penstock-agent`), false);
    }
  } finally {
    await hub.stop();
  }
});

function fileExists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}
