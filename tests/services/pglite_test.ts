/**
 * The embedded database under SIGKILL: what it acknowledged is there when it is opened again.
 *
 * @module
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { systemClock } from "@shared/platform/clock.ts";
import { lockDirectory } from "@shared/platform/directory_lock.ts";
import { openDatabase } from "../../hub/db/client.ts";
import { bundles } from "../../hub/db/schema.ts";
import { ended, run } from "../support/commands.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const WRITES_BEFORE_KILL = 200;
const KILLS = 2;

/** Opens the database and writes pairs of rows for ever, printing each number once it is committed. */
const WRITER = `
  import { openDatabase } from "./hub/db/client.ts";
  import { bundles } from "./hub/db/schema.ts";
  import { systemClock } from "./shared/platform/clock.ts";
  import { lockDirectory } from "./shared/platform/directory_lock.ts";
  const [dataDir, from] = Deno.args;
  const { db } = await openDatabase({ dataDir }, { clock: systemClock, lockDirectory });
  for (let n = Number(from);; n++) {
    await db.transaction(async (tx) => {
      for (const half of ["a", "b"]) {
        await tx.insert(bundles).values({ digest: n + half, bundle: "x", createdAt: new Date() });
      }
    });
    Deno.stdout.writeSync(new TextEncoder().encode(n + "\\n"));
  }
`;

Deno.test("embedded database: every acknowledged transaction survives kill -9, whole (F10)", async () => {
  const directory = await Deno.makeTempDir({ prefix: "penstock-pglite-" });
  const dataDir = `${directory}/database`;
  const script = `${directory}/writer.ts`;
  await Deno.writeTextFile(script, WRITER.replaceAll('"./', `"file://${root}`));
  let acknowledged = -1;
  for (let kill = 0; kill < KILLS; kill++) {
    const until = acknowledged + WRITES_BEFORE_KILL;
    acknowledged = await writeUntilKilled(script, dataDir, acknowledged + 1, until);
  }
  const { db, close } = await openDatabase({ dataDir }, { clock: systemClock, lockDirectory });
  const kept = new Set(
    (await db.select({ digest: bundles.digest }).from(bundles)).map((row) => row.digest),
  );
  await close();
  const lost = Array.from({ length: acknowledged + 1 }, (_, n) => n)
    .filter((n) => !kept.has(`${n}a`) || !kept.has(`${n}b`));
  deepEqual(lost, []);
  const halves = [...kept].filter((digest) =>
    !kept.has(digest.slice(0, -1) + (digest.endsWith("a") ? "b" : "a"))
  );
  deepEqual(halves, []);
  await Deno.remove(directory, { recursive: true });
});

/** @returns Highest number the writer had committed when it was killed. */
async function writeUntilKilled(
  script: string,
  dataDir: string,
  from: number,
  until: number,
): Promise<number> {
  const writer = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--config",
      `${root}deno.json`,
      script,
      dataDir,
      String(from),
    ],
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  for await (const part of writer.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (lastNumber(text) >= until) writer.kill("SIGKILL");
  }
  await ended(writer);
  ok(lastNumber(text) >= until, `the writer ended by itself: ${text}`);
  return lastNumber(text);
}

/** Of the complete lines alone. */
function lastNumber(text: string): number {
  const lines = text.split("\n").slice(0, -1);
  return Number(lines.at(-1) ?? "-1");
}

Deno.test("embedded database: a second process that opens the directory is told who has it", async () => {
  const directory = await Deno.makeTempDir({ prefix: "penstock-pglite-" });
  const unlock = await lockDirectory(`${directory}/database`);
  const open = `
    import { lockDirectory } from "file://${root}shared/platform/directory_lock.ts";
    await lockDirectory(${JSON.stringify(`${directory}/database`)});`;
  await Deno.writeTextFile(`${directory}/open.ts`, open);
  const args = ["run", "-A", "--no-check", "--config", `${root}deno.json`, `${directory}/open.ts`];
  const refused = await run(Deno.execPath(), args);
  equal(refused.code, 1);
  match(refused.stderr, new RegExp(`process ${Deno.pid} has it open`));
  unlock();
  equal((await run(Deno.execPath(), args)).code, 0);
  await Deno.remove(directory, { recursive: true });
});
