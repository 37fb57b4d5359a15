/// <reference lib="dom" />
/**
 * Jobs and fleet in a real browser: before a real hub with a plant's past, and before a whole Penstock.
 *
 * PENSTOCK_SCREENSHOTS=DIR keeps a picture of every page, light and dark, wide and narrow.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Browser, Page } from "playwright-core";
import type { CheckpointView, JobDetail, SavepointView } from "@shared/job_api.ts";
import type { KeyStateView } from "@shared/state_api.ts";
import {
  type BrowserSeat,
  eventually,
  focusedText,
  keepPicture,
  launchBrowser,
  type Look,
  LOOKS,
  overflowOf,
  tabTo,
  takeSeat,
  violationsOf,
} from "../support/browser_seat.ts";
import { hasChromium } from "../support/chromium.ts";
import { type Scenario, withScenario } from "../support/scenario.ts";
import { type SeededHub, startSeededHub } from "../support/seeded_hub.ts";

const WIDE: Look = { colorScheme: "light", width: 1440 };
/** A rollback of processes, with the savepoint before it. */
const OPERATION_WAIT_MS = 60_000;

interface Scene {
  readonly hub: SeededHub;
  readonly browser: Browser;
}

type Walk = (seat: BrowserSeat, scene: Scene) => Promise<void>;

const WALKS: readonly (readonly [name: string, walk: Walk])[] = [
  ["the list of jobs leads to the slowest subtask, and says why it is", findTheSlowest],
  ["an operator opens its subtasks by keyboard alone", openAnOperator],
  [
    "a checkpoint that failed says who failed and why; a slow one names its outlier",
    readCheckpoints,
  ],
  ["a savepoint is taken, looked into and deleted", handleSavepoint],
  ["a paused page does not turn its subtasks silent", holdSubtasksStill],
  ["an agent is found by label and state, and the address keeps that", findAnAgent],
  ["a join token with labels gives one line to run, and can be revoked", makeAJoinToken],
  ["a viewer sees everything and is offered nothing that is refused", lookAsViewer],
];

Deno.test({
  name: "dashboard: jobs and fleet before a real hub",
  ignore: !await hasChromium(),
  // Hub, broker and browser are processes of their own that end with `close`.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(test) {
    const hub = await startSeededHub();
    const browser = await launchBrowser();
    const scene = { hub, browser };
    try {
      await untilHeard(hub);
      for (const [name, walk] of WALKS) {
        await test.step(name, async () => {
          const seat = await takeSeat(browser, WIDE, hub.signedIn("/"));
          try {
            await seat.page.getByRole("heading", { level: 1 }).waitFor();
            await walk(seat, scene);
            deepEqual(seat.complaints, []);
          } finally {
            await seat.close();
          }
        });
      }
      for (const look of LOOKS) {
        await test.step(
          `pages are accessible and fit, ${look.colorScheme} at ${look.width} px`,
          () => lookAround(look, scene),
        );
      }
    } finally {
      await browser.close();
      await hub.close();
    }
  },
});

/** Waits until every subtask has reported: what agents say stands behind the past they tell first. */
async function untilHeard(hub: SeededHub): Promise<void> {
  const isHeard = async () => {
    const { regions } = await hub.api.get<JobDetail>(`/jobs/${hub.energyJobId}`);
    return regions.flatMap(({ subtasks }) => subtasks).every(({ metrics }) => metrics !== null);
  };
  while (!await isHeard()) await new Promise((resolve) => setTimeout(resolve, 500));
}

/** Every page with what shows that it has loaded. */
async function lookAround(look: Look, { hub, browser }: Scene): Promise<void> {
  const seat = await takeSeat(browser, look, hub.signedIn("/"));
  try {
    await seat.page.getByRole("heading", { level: 1 }).waitFor();
    const energy = `/jobs/${hub.energyJobId}`;
    const failed = (await checkpointsOf(hub, "aborted"))[0]!;
    const savepoint = await savepointOf(hub);
    const watch = `/jobs/${hub.jobId}/savepoints`;
    const agent = await agentNamed(hub, "gateway-south-2");
    const pages: readonly (readonly [name: string, path: string, sign: string])[] = [
      ["list", "/jobs", "energy.1"],
      ["graph", `${energy}?operator=energy`, "Subtasks of energy"],
      ["checkpoints", `${energy}/checkpoints?checkpoint=${failed.id + 1}`, "outlier"],
      ["failed-checkpoint", `${energy}/checkpoints?checkpoint=${failed.id}`, "Why it failed"],
      ["savepoints", `${watch}?savepoint=${savepoint}`, "With the running version"],
      ["rollback-agents", `${watch}?rollback=${savepoint}`, "Changes nothing yet"],
      ["rollback-plan", `${watch}?rollback=${savepoint}&agents=all`, "State to be replaced"],
      ["history", `${energy}/history`, "Log of this job"],
      ["fleet", "/fleet", "gateway-west-1"],
      ["agent", `/fleet?agent=${agent}&agentLog=open`, "Its log"],
    ];
    for (const [name, path, sign] of pages) {
      await seat.show(path);
      await seat.page.getByText(sign).first().waitFor();
      await settle(seat.page, `jobs-${name}`, look);
    }
    deepEqual(seat.complaints, []);
  } finally {
    await seat.close();
  }
}

async function settle(page: Page, name: string, look: Look): Promise<void> {
  await page.waitForFunction(() => !document.body.innerText.includes("Loading…"));
  await keepPicture(page, `${name}-${look.colorScheme}-${look.width}`);
  equal(await overflowOf(page), 0, `${name} is too wide`);
  deepEqual(await violationsOf(page), [], name);
}

async function checkpointsOf(hub: SeededHub, status: string): Promise<readonly CheckpointView[]> {
  for (;;) {
    const { items } = await hub.api.get<{ items: CheckpointView[] }>(
      `/jobs/${hub.energyJobId}/checkpoints?status=${status}&limit=50`,
    );
    // The next one has to be there too, complete.
    const settled = items.filter(({ endedAt }) =>
      endedAt !== null && Date.now() - Date.parse(endedAt) > 10_000
    );
    if (settled.length > 0) return settled;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

async function savepointOf(hub: SeededHub): Promise<string> {
  const { items } = await hub.api.get<{ items: { id: string }[] }>(
    `/savepoints?jobId=${hub.jobId}`,
  );
  return items[0]!.id;
}

async function agentNamed(hub: SeededHub, name: string): Promise<string> {
  const { items } = await hub.api.get<{ items: { id: string; name: string }[] }>("/agents");
  return items.find((agent) => agent.name === name)!.id;
}

async function findTheSlowest({ page }: BrowserSeat): Promise<void> {
  await page.getByRole("link", { name: "Jobs", exact: true }).click();
  const row = page.getByRole("row", { name: /order-energy/ });
  await row.getByText("busy 97 %").waitFor();
  await row.getByRole("link", { name: "order-energy" }).click();
  const worst = page.getByRole("table", { name: "Subtasks, worst first" });
  const first = worst.getByRole("row").nth(1);
  await eventually(async () => match(await first.innerText(), /energy\.1[\s\S]*busy 97 %/));
  await eventually(async () => match(await first.innerText(), /gateway-/));
  await page.getByRole("radio", { name: "Behind" }).check();
  await page.waitForURL(/sort=lag/);
  await eventually(async () => match(await first.innerText(), /energy\.1/));
  await page.getByRole("radio", { name: "Held up" }).check();
  await page.waitForURL(/sort=backpressure/);
  await first.getByText("meters.").waitFor();
  const strong = page.getByLabel("Strong line");
  await strong.selectOption("energy.1");
  await page.waitForURL(/subtask=energy.1/);
  await page.getByText("energy.1 is the strong line").waitFor();
}

async function openAnOperator({ page, show }: BrowserSeat, { hub }: Scene): Promise<void> {
  await show(`/jobs/${hub.energyJobId}`);
  const node = page.getByRole("button", { name: /^window · keyed/ });
  await node.getByText("busy 97 %").waitFor();
  await tabTo(page, /^window · keyed/);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Subtasks of energy" }).waitFor();
  match(page.url(), /operator=energy$/);
  await eventually(async () =>
    match(await focusedText(page), /^window · keyed/, "the focus stays where it was")
  );
  const subtasks = page.getByRole("table", { name: /^Subtasks of energy/ });
  await eventually(async () =>
    equal(await subtasks.getByRole("row").count(), 4, "a head and three subtasks")
  );
  await page.keyboard.press("Space");
  await page.getByRole("heading", { name: "Subtasks of energy" }).waitFor({ state: "detached" });
}

/** Longer than a subtask may be without a report. */
const SILENCE_MS = 17_000;

async function holdSubtasksStill({ page, show }: BrowserSeat, { hub }: Scene): Promise<void> {
  await show(`/jobs/${hub.energyJobId}`);
  const worst = page.getByRole("table", { name: "Subtasks, worst first" });
  await worst.getByText(/^busy 97 %/).first().waitFor();
  await page.getByRole("button", { name: "Pause" }).first().click();
  await page.waitForTimeout(SILENCE_MS);
  equal(await page.getByText(/silent for/).count(), 0);
  match(await worst.getByRole("row").nth(1).innerText(), /energy\.1[\s\S]*busy 97 %/);
}

async function readCheckpoints({ page, show }: BrowserSeat, { hub }: Scene): Promise<void> {
  const failed = (await checkpointsOf(hub, "aborted"))[0]!;
  await show(`/jobs/${hub.energyJobId}/checkpoints`);
  await page.getByRole("radio", { name: "Failed" }).check();
  const history = page.getByRole("grid", { name: /Checkpoints/ });
  await history.getByRole("row", { name: new RegExp(`^${failed.id} aborted`) }).waitFor();
  await history.getByRole("button", { name: String(failed.id), exact: true }).click();
  await page.getByText("Why it failed").waitFor();
  await page.getByText(/energy\.1 on gateway-.*upload took 10 s/).waitFor();
  await show(`/jobs/${hub.energyJobId}/checkpoints?checkpoint=${failed.id + 1}`);
  await page.getByText("Phases as a table").click();
  const phases = page.getByRole("table", { name: /^Phases per subtask/ });
  const slowest = phases.getByRole("row").nth(1);
  await eventually(async () => match(await slowest.innerText(), /^energy\.1[\s\S]*outlier/));
  await eventually(async () => equal(await page.locator(".gantt-row.is-outlier").count(), 1));
}

async function handleSavepoint({ page, show }: BrowserSeat, { hub }: Scene): Promise<void> {
  await show(`/jobs/${hub.jobId}/savepoints`);
  await page.getByLabel("Label (optional)").fill("for the test");
  await page.getByRole("button", { name: "Take savepoint" }).click();
  await page.getByText("Savepoint completed.").waitFor();
  await page.getByRole("link", { name: "Show the savepoint" }).click();
  await page.getByText("fits as it is").waitFor();
  await page.getByText("It is of the version that runs.").waitFor();
  const verdicts = page.getByRole("table", { name: "Compatibility of each operator" });
  await verdicts.getByRole("row", { name: /vibration as-is/ }).waitFor();
  await page.getByRole("button", { name: "Delete…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete savepoint" }).click();
  await page.getByText("The savepoint was deleted.").waitFor();
  await page.getByRole("link", { name: "for the test", exact: true }).waitFor({
    state: "detached",
  });
}

async function findAnAgent({ page, show }: BrowserSeat, { hub }: Scene): Promise<void> {
  await show("/fleet");
  const grid = page.getByRole("grid", { name: "Agents" });
  await grid.getByRole("row", { name: /gateway-west-1/ }).waitFor();
  await eventually(async () =>
    match(await grid.getByRole("row").nth(1).innerText(), /gateway-west-1[\s\S]*offline/)
  );
  await page.getByLabel("Find").fill("site=south");
  await page.getByRole("heading", { name: "Agents: 2 of 4" }).waitFor();
  match(page.url(), /search=site%3Dsouth/);
  await page.reload();
  await page.getByRole("heading", { name: "Agents: 2 of 4" }).waitFor();
  await grid.getByRole("row", { name: /gateway-south-2.*slow/ }).waitFor();
  await page.getByRole("combobox", { name: "State" }).selectOption("offline");
  await page.getByText("No agent is like that.").waitFor();
  await page.getByLabel("Find").fill("");
  await grid.getByRole("button", { name: "gateway-west-1" }).click();
  await page.getByRole("heading", { name: "gateway-west-1" }).waitFor();
  await page.getByText("Nothing at the moment.").waitFor();
  await show("/fleet?state=online&search=north");
  await grid.getByRole("row", { name: /gateway-north-1/ }).waitFor();
  await show(`/fleet?state=online&search=north&agent=${await agentNamed(hub, "gateway-west-1")}`);
  // Opened by its id: the list beside it may show others.
  await page.getByRole("heading", { name: "gateway-west-1" }).waitFor();
  await show("/fleet");
  await grid.getByRole("button", { name: "gateway-north-1" }).click();
  await page.getByRole("button", { name: "Drain…" }).click();
  const dialog = page.getByRole("dialog");
  const moves = dialog.getByRole("table", { name: "What would move" });
  await moves.getByRole("row", { name: /line-watch telemetry\.0 .* to gateway-south/ }).waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await eventually(async () => match(await focusedText(page), /Drain/));
}

async function makeAJoinToken({ page, show }: BrowserSeat, { hub }: Scene): Promise<void> {
  await show("/fleet");
  const labels = page.getByLabel("Labels (optional)");
  await labels.fill("site");
  await page.getByRole("button", { name: "Make a join token", disabled: true }).waitFor();
  await labels.fill("site=north, line=7");
  await page.getByLabel("Good for").selectOption("900");
  await page.getByRole("button", { name: "Make a join token" }).click();
  const line = await page.locator("code.command").innerText();
  ok(line.includes(`--hub ${hub.url}`), line);
  await page.getByText(/ends in 1[45] min/).waitFor();
  const row = page.getByRole("row", { name: /open.*line=7.*site=north/ });
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("row", { name: /revoked.*line=7/ }).waitFor();
}

async function lookAsViewer(_seat: BrowserSeat, { hub, browser }: Scene): Promise<void> {
  const token = await hub.token("viewer");
  const seat = await takeSeat(browser, WIDE, `${hub.url}/#token=${token}`);
  const { page } = seat;
  try {
    await page.getByRole("heading", { level: 1 }).waitFor();
    await seat.show(`/jobs/${hub.energyJobId}`);
    await page.getByText("need the role operator").waitFor();
    equal(await page.getByRole("button", { name: "Stop…" }).count(), 0);
    await seat.show(`/jobs/${hub.jobId}/savepoints`);
    await page.getByRole("link", { name: /Look into/ }).first().click();
    await page.getByText("With the running version").waitFor();
    equal(await page.getByRole("button", { name: "Delete…" }).count(), 0);
    equal(await page.getByRole("link", { name: /Roll back/ }).count(), 0);
    await seat.show(`/jobs/${hub.jobId}/savepoints?rollback=${await savepointOf(hub)}`);
    await page.getByText(/^Rolling back, and .* needs the role admin\.$/).waitFor();
    equal(await page.getByRole("button", { name: "Show what it would do" }).count(), 0);
    await seat.show("/fleet");
    await page.getByRole("button", { name: "gateway-north-1" }).waitFor();
    equal(await page.getByRole("button", { name: "Make a join token" }).count(), 0);
    deepEqual(seat.complaints, []);
  } finally {
    await seat.close();
  }
}

Deno.test({
  name:
    "dashboard: a rollback is seen before it is done, done with a reason, and rolled back (L1, P4)",
  ignore: !await hasChromium(),
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    withScenario({ brokerUrl: null }, async (scenario) => {
      await scenario.startCounting();
      await scenario.untilCheckpoints(2);
      const browser = await launchBrowser();
      const { cluster } = scenario;
      const signedIn = `${cluster.hubUrl}/#token=${cluster.adminToken}`;
      const seat = await takeSeat(browser, WIDE, signedIn);
      try {
        await seat.page.getByRole("heading", { level: 1 }).waitFor();
        await rollBackAndForth(seat, scenario);
        deepEqual(seat.complaints.filter((text) => !text.includes("409")), []);
      } finally {
        await browser.close();
      }
    }),
});

async function rollBackAndForth(seat: BrowserSeat, scenario: Scenario): Promise<void> {
  const { page } = seat;
  await scenario.load.pause();
  await scenario.untilCheckpoints(2);
  const before = await countOf(scenario);
  await seat.show(`/jobs/${scenario.jobId}/savepoints`);
  await page.getByLabel("Label (optional)").fill("good state");
  await page.getByRole("button", { name: "Take savepoint" }).click();
  await page.getByText("Savepoint completed.").waitFor({ timeout: OPERATION_WAIT_MS });
  scenario.load.run();
  await scenario.untilCheckpoints(3);
  await scenario.load.pause();
  await scenario.untilCheckpoints(2);
  const after = await countOf(scenario);
  ok(after > before, "records came after the savepoint");

  await page.getByRole("link", { name: /Roll back…\s*to good state/ }).click();
  await seePlans(page);
  await page.getByLabel(/^Reason/).fill("the new threshold rang all night");
  await page.getByText("Accept the gap first.").waitFor();
  await page.getByLabel(/^I accept/).check();
  await beRefused(seat);
  await page.getByRole("button", { name: /^Roll back to checkpoint/ }).click();
  await page.getByText("Rollback completed.").waitFor({ timeout: OPERATION_WAIT_MS });
  const { items } = await scenario.api.get<{ items: SavepointView[] }>(
    `/savepoints?jobId=${scenario.jobId}`,
  );
  equal(items.filter(({ label }) => /^before (rolling|undoing)/.test(label ?? "")).length, 2);
  const undo = new URL(page.url()).searchParams.get("undo");
  equal(undo, items[0]!.id, "the way back leads to the state of just before");
  await untilRunning(scenario);
  equal(await countOf(scenario), before, "the state is that of the savepoint");
  equal((await scenario.job()).lineage, 2);

  await page.getByRole("link", { name: "Roll this back…" }).click();
  await page.getByText("Nothing has been changed: this is a dry run.").waitFor();
  await page.getByLabel(/^Take a savepoint of the present state/).uncheck();
  await page.getByLabel(/^Reason/).fill("it was not the threshold");
  const consent = page.getByLabel(/^I accept/);
  if (await consent.count() > 0) await consent.check();
  await page.getByRole("button", { name: /^Roll back to checkpoint/ }).click();
  await page.getByText("cannot be undone").waitFor({ timeout: OPERATION_WAIT_MS });
  await untilRunning(scenario);
  equal(await countOf(scenario), after, "the state is that from before the rollback");
  await seat.show(`/jobs/${scenario.jobId}/savepoints`);
  await page.getByRole("link", { name: "good state", exact: true }).click();
  await page.getByLabel("Compare with").selectOption({ index: 1 });
  const differing = page.getByRole("table", { name: "Keys that differ, by operator" });
  await eventually(async () =>
    match(await differing.getByRole("row").nth(1).innerText(), /^total/)
  );
  await seat.show(`/jobs/${scenario.jobId}/history`);
  const attempts = page.getByRole("table", { name: /^Attempts/ });
  await attempts.getByRole("cell", { name: "rollback", exact: true }).first().waitFor();
  await eventually(async () =>
    equal(await attempts.getByRole("cell", { name: "rollback", exact: true }).count(), 4)
  );
}

/** The hub is busy with something else: nothing was done, and the present state is saved anew later. */
async function beRefused({ page }: BrowserSeat): Promise<void> {
  const problem = {
    title: "Conflict",
    status: 409,
    detail: "The job is being rescaled",
    code: "x",
  };
  await page.route("**/rollbacks", (route) =>
    route.fulfill({
      status: 409,
      contentType: "application/problem+json",
      body: JSON.stringify(problem),
    }), { times: 1 });
  await page.getByRole("button", { name: /^Roll back to checkpoint/ }).click();
  await page.getByText("The rollback was not started. The job is being rescaled").waitFor({
    timeout: OPERATION_WAIT_MS,
  });
}

/** One agent alone, then the whole job: each plan says whom it hits, and nothing happens. */
async function seePlans(page: Page): Promise<void> {
  await page.getByLabel("Only what runs on some agents").check();
  await page.getByRole("button", { name: "Show what it would do", disabled: true }).waitFor();
  await page.getByLabel(/^agent-2/).check();
  await page.getByRole("button", { name: "Show what it would do" }).click();
  const replaced = page.getByRole("table", { name: "State to be replaced" });
  await replaced.waitFor();
  await eventually(async () =>
    equal(await replaced.getByRole("row").count(), 2, "a head and the region of agent-2")
  );
  await replaced.getByText("agent-2").waitFor();
  await page.getByRole("button", { name: "Choose other agents" }).click();
  await page.getByRole("button", { name: "Show what it would do" }).click();
  await replaced.getByText("agent-1").waitFor();
  await page.getByText(/^Gap of [\d\u202f]+ records/).waitFor();
  await page.getByText("Give a reason first.").waitFor();
  await page.getByRole("button", { name: /^Roll back to checkpoint/, disabled: true }).waitFor();
}

/** Records counted for one key, as the agent that owns it says. */
async function countOf(scenario: Scenario): Promise<number> {
  const key = [...scenario.load.oracle.keys()].sort()[0]!;
  const state = await scenario.until(
    "the state of a key",
    () => scenario.api.get<KeyStateView>(`/jobs/${scenario.jobId}/state/total?key=${key}`),
  );
  return (Object.values(state.states)[0] as { n: number }).n;
}

async function untilRunning(scenario: Scenario): Promise<JobDetail> {
  return await scenario.until("the job to run", async () => {
    const job = await scenario.job();
    return job.status === "running" ? job : null;
  });
}
