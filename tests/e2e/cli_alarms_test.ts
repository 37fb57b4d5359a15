/**
 * Alarms, logs and events at the command line, against a hub with a plant's day behind it.
 *
 * @module
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { LogView } from "@shared/api.ts";
import type {
  AlarmDetail,
  AlarmHealth,
  AlarmTransitionView,
  AlarmView,
} from "@shared/plant_api.ts";
import { waitUntil } from "../support/commands.ts";
import { commandLine, interruptedAt } from "../support/command_line.ts";
import { startSeededHub } from "../support/seeded_hub.ts";

Deno.test("cli: a shift's work with alarms, from the list to the log of every step", async () => {
  const seeded = await startSeededHub({
    equipmentCount: 6,
    isPlantOnly: true,
    isLive: false,
  });
  try {
    const env = { PENSTOCK_HUB: seeded.url, PENSTOCK_TOKEN: await seeded.token("operator") };
    const penstock = commandLine(env);
    const json = async <T>(...args: string[]): Promise<T> => {
      const { code, stdout, stderr } = await penstock(...args, "-o", "json");
      equal(code, 0, `${args.join(" ")}: ${stderr}`);
      return JSON.parse(stdout) as T;
    };
    const listed = (...args: string[]) => json<AlarmView[]>("alarms", "list", ...args);

    seeded.ring(4);
    await waitUntil("alarms", async () => (await listed()).length >= 2, 120_000);
    const waiting = await listed();
    ok(waiting.length > 1, "the seeded plant has alarms");
    const [first, second] = [waiting[0]!, waiting[1]!];
    const table = await penstock("alarms", "list");
    ok(table.stdout.includes(first.id) && table.stdout.includes(first.text), table.stdout);
    for (const { priority } of await listed("--state", "all", "--priority", "critical,high")) {
      ok(["critical", "high"].includes(priority), priority);
    }

    equal((await penstock("alarms", "ack", first.id, "--comment", "seen")).code, 0);
    const comment = ["--comment", "fitter on the way"];
    equal((await penstock("alarms", "comment", first.id, ...comment)).code, 0);
    const detail = await json<AlarmDetail>("alarms", "show", first.id);
    deepEqual([detail.isAcknowledged, detail.comment], [true, "seen"]);
    const steps = detail.transitions.map(({ kind }) => kind);
    ok(steps.includes("acknowledged") && steps.includes("commented"), steps.join(" "));

    const shelving = ["--for", "2h", "--reason", "planned stop"];
    equal((await penstock("alarms", "shelve", second.id, ...shelving)).code, 0);
    ok(!(await listed()).some(({ id }) => id === second.id), "what is shelved needs no attention");
    const [shelved] = await listed("--state", "shelved", "--equipment", second.equipment);
    equal(shelved?.shelveReason, "planned stop");
    equal((await penstock("alarms", "unshelve", second.id)).code, 0);
    const reason = ["--reason", "sensor is being replaced"];
    equal((await penstock("alarms", "out-of-service", second.id, ...reason)).code, 0);
    equal((await json<AlarmDetail>("alarms", "show", second.id)).state, "out-of-service");
    equal((await penstock("alarms", "return-to-service", second.id)).code, 0);

    const without = await penstock("alarms", "ack");
    deepEqual([without.code, /by id, by a filter/.test(without.stderr)], [2, true]);
    equal((await penstock("alarms", "show", "no-such-alarm")).code, 3);
    const all = await penstock("alarms", "ack", "--all", "--yes");
    match(all.stdout, /^\d+ alarms? acknowledged$/m);
    const left = (await listed()).filter((one) => one.kind === "condition" && !one.isAcknowledged);
    deepEqual(left, []);

    const history = await json<AlarmTransitionView[]>("alarms", "history", "--kind", "shelved");
    equal(history[0]?.alarmId, second.id);
    const health = await json<AlarmHealth>("alarms", "health", "--from", "24h");
    ok(health.topTen.length > 0 && health.peakPerTenMinutes > 0);

    await testWatching(env, penstock);
  } finally {
    await seeded.close();
  }
});

/** Past events and logs end by themselves; following ends with Ctrl-C. */
async function testWatching(
  env: Record<string, string>,
  penstock: ReturnType<typeof commandLine>,
): Promise<void> {
  // It ends although the plant goes on speaking, every second.
  const whole = await penstock("events", "--from", "1h", "-o", "json");
  equal(whole.code, 0, whole.stderr);
  const past = await penstock("events", "--from", "1h", "--types", "alarm.*", "-o", "json");
  const types = past.stdout.trim().split("\n").map((line) => JSON.parse(line).type as string);
  ok(types.includes("alarm.acknowledged"), types.join(" "));
  const logs = await penstock("logs", "--level", "info", "--limit", "5", "-o", "json");
  const lines = logs.stdout.trim().split("\n").map((line) => JSON.parse(line) as LogView);
  ok(lines.length > 0 && lines.every(({ level }) => level !== "debug"));
  const follow = ["events", "-f", "--from", "1h", "--types", "alarm.*"];
  const followed = await interruptedAt("alarm.acknowledged", follow, env);
  equal(followed.code, 0, "Ctrl-C is how following ends");
  equal(followed.stderr, "");
}
