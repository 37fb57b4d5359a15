/// <reference lib="dom" />
/**
 * The dashboard in a real browser, before a made-up hub: what a person sees, presses and reads.
 *
 * PENSTOCK_SCREENSHOTS=DIR keeps a picture of every page, light and dark, wide and narrow.
 */
import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { CHROMIUM_ARGS, chromiumPath, hasChromium } from "../support/chromium.ts";
import {
  type DashboardFixture,
  FIXTURE_TOKEN,
  startDashboardFixture,
} from "../support/dashboard_fixture.ts";
import { JOB_ID } from "../support/dashboard_plant_history.ts";

const PUMP = "/equipment/site-north%2Fline-1%2Fpump-17";
const JOB = `/jobs/${JOB_ID}`;

/** Every page with the words that show it has loaded. */
const PAGES: readonly (readonly [name: string, path: string, sign: string])[] = [
  ["overview", "/", "gateway-east-1"],
  ["equipment", "/equipment", "press-2"],
  ["equipment-detail", PUMP, "Anomaly score"],
  ["alarms", "/alarms?state=all", "Speed outside its usual range"],
  ["jobs", "/jobs", "vibration-watch"],
  ["job-graph", JOB, "Guarantee"],
  ["job-checkpoints", `${JOB}/checkpoints?checkpoint=240`, "Phases per subtask"],
  ["job-savepoints", `${JOB}/savepoints`, "before the new threshold"],
  ["job-rollback", `${JOB}/savepoints?rollback=sp-2`, "Gap of"],
  ["job-history", `${JOB}/history`, "lease expired"],
  ["fleet", "/fleet", "Make a join token"],
  ["audit", "/audit", "Threshold 3 rang all night"],
  ["not-found", "/nothing", "There is no page"],
];

const WAIT_MS = 10_000;

interface Seat {
  readonly fixture: DashboardFixture;
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the console and the page complained about. */
  readonly complaints: string[];
  open(path: string): Promise<void>;
}

const isThere = await hasChromium();
const browserTest = (name: string, run: (browser: Browser) => Promise<void>) =>
  Deno.test({
    name,
    ignore: !isThere,
    // The browser's process and sockets are Playwright's and end with `close`.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const browser = await chromium.launch({
        executablePath: await chromiumPath(),
        args: CHROMIUM_ARGS,
      });
      try {
        await run(browser);
      } finally {
        await browser.close();
      }
    },
  });

interface Look {
  readonly colorScheme: "light" | "dark";
  readonly width: number;
}

async function withSeat(
  browser: Browser,
  look: Look,
  sit: (seat: Seat) => Promise<void>,
): Promise<void> {
  const fixture = await startDashboardFixture();
  const context = await browser.newContext({
    viewport: { width: look.width, height: 900 },
    colorScheme: look.colorScheme,
    reducedMotion: "reduce",
  });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        complaints.push(message.text());
      }
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await sit({
      fixture,
      context,
      page,
      complaints,
      open: async (to) => void await page.goto(fixture.url + to),
    });
  } finally {
    await context.close();
    await fixture.close();
  }
}

/** Signs in by the address, as the line that the hub prints does. */
async function signIn(seat: Seat): Promise<void> {
  await seat.open(`/#token=${FIXTURE_TOKEN}`);
  await seat.page.getByRole("heading", { name: "Overview" }).waitFor();
}

const WIDE: Look = { colorScheme: "light", width: 1440 };

browserTest(
  "dashboard: a token in the address signs in and leaves the address",
  async (browser) => {
    await withSeat(browser, WIDE, async (seat) => {
      await signIn(seat);
      equal(seat.page.url(), `${seat.fixture.url}/`);
      await seat.page.getByRole("button", { name: "Sign out" }).click();
      await seat.page.getByLabel("API token").fill("pst_wrong");
      await seat.page.keyboard.press("Enter");
      await seat.page.getByText("The hub does not know this token").waitFor();
      await seat.page.getByLabel("API token").fill(FIXTURE_TOKEN);
      await seat.page.keyboard.press("Enter");
      await seat.page.getByRole("heading", { name: "Overview" }).waitFor();
    });
  },
);

browserTest(
  "dashboard: values and rates move without a reload, a dead hub is said",
  async (browser) => {
    await withSeat(browser, WIDE, async (seat) => {
      const { page, fixture } = seat;
      await signIn(seat);
      await page.getByText("live", { exact: true }).waitFor();
      const value = page.getByRole("row", { name: /pump-17/ }).getByRole("cell").nth(2);
      const before = await value.innerText();
      await page.waitForFunction(
        ([was]) =>
          [...document.querySelectorAll("tr")].some((row) =>
            row.textContent!.includes("pump-17") && !row.textContent!.includes(was!)
          ),
        [before],
      );
      notEqual(await value.innerText(), before);
      await page.getByRole("link", { name: "vibration-watch", exact: true }).first().click();
      await page.locator(".graph-rate", { hasText: /in [\d\s.]+\/s/ }).first().waitFor();
      deepEqual(seat.complaints, []);

      await fixture.close();
      await page.getByText(/reconnecting · data is/).waitFor();
    });
  },
);

browserTest("dashboard: an acknowledged alarm loses its mark, one and many", async (browser) => {
  await withSeat(browser, WIDE, async (seat) => {
    const { page, fixture } = seat;
    await signIn(seat);
    await page.getByRole("link", { name: /^Alarms/ }).click();
    const row = page.getByRole("row", { name: /Vibration far above normal/ });
    await row.getByText("active, unacknowledged").waitFor();
    await page.getByRole("link", { name: /^Alarms 3 unacknowledged/ }).waitFor();
    await row.getByRole("button", { name: /^Acknowledge/ }).click();
    await row.getByText("active, acknowledged").waitFor();
    equal(await row.locator(".unacknowledged").count(), 0);
    await page.getByRole("link", { name: /^Alarms 2 unacknowledged/ }).waitFor();

    await page.getByRole("radio", { name: "All" }).check({ force: true });
    match(page.url(), /state=all/);
    await page.getByRole("button", { name: "Select all 2" }).click();
    await page.getByRole("button", { name: "Acknowledge selected (2)" }).click();
    await page.getByText("2 alarms acknowledged.").waitFor();
    equal(await page.locator("tr .unacknowledged").count(), 0);
    equal(fixture.plant.alarms.every((alarm) => alarm.isAcknowledged), true);
    deepEqual(seat.complaints, []);
  });
});

browserTest(
  "dashboard: a rollback shows its gap first and needs reason and consent",
  async (browser) => {
    await withSeat(browser, WIDE, async (seat) => {
      const { page, fixture } = seat;
      await signIn(seat);
      await seat.open(`${JOB}/savepoints`);
      await page.getByLabel("Label (optional)").fill("from the test");
      await page.getByRole("button", { name: "Take savepoint" }).click();
      await page.getByRole("row", { name: /from the test/ }).waitFor();
      await page.getByRole("link", { name: "Roll back… to before the new threshold" }).click();
      await page.getByText("Gap of 9\u202f413 records").waitFor();
      match(await page.locator(".notice").innerText(), /over \d+ s/);

      const start = page.getByRole("button", { name: "Roll back to checkpoint 232" });
      equal(await start.isDisabled(), true);
      await page.getByLabel("Reason (kept in the audit log)").fill("Threshold was wrong");
      await page.getByText("Accept the gap first.").waitFor();
      equal(await start.isDisabled(), true);
      await page.getByRole("checkbox", { name: /will not be counted/ }).check();
      await start.click();
      await page.getByText("Rollback completed.").waitFor();
      await page.getByText("took 640 ms").waitFor();
      const rollbacks = fixture.posts.filter((post) => post.path.endsWith("/rollbacks"));
      deepEqual(rollbacks.map((post) => post.body), [
        { savepointId: "sp-2", dryRun: true },
        { savepointId: "sp-2", allowGap: true, dryRun: false, reason: "Threshold was wrong" },
      ]);
      deepEqual(seat.complaints, []);
    });
  },
);

browserTest(
  "dashboard: a chart has the range of its URL and a table beside it",
  async (browser) => {
    await withSeat(browser, WIDE, async (seat) => {
      const { page } = seat;
      await signIn(seat);
      await seat.open(`${PUMP}?range=1h`);
      await page.locator("canvas").first().waitFor();
      equal(await page.getByRole("radio", { name: "1 h" }).isChecked(), true);
      equal(await page.locator("canvas").count(), 2);
      await page.getByText("Newest samples as a table").click();
      ok(await page.getByRole("table", { name: /Newest 60 samples/ }).isVisible());
      await page.getByRole("radio", { name: "5 min" }).check({ force: true });
      match(page.url(), /range=5m/);
      await seat.open("/equipment/site-south%2Fpress-2");
      await page.getByText("No signal was recorded").waitFor();
      await page.getByText("unknown", { exact: true }).waitFor();
      deepEqual(seat.complaints, []);
    });
  },
);

browserTest(
  "dashboard: the keyboard alone reaches a page and acknowledges an alarm",
  async (browser) => {
    await withSeat(browser, WIDE, async (seat) => {
      const { page, fixture } = seat;
      await signIn(seat);
      await page.reload();
      await page.getByRole("heading", { name: "Overview" }).waitFor();
      await page.keyboard.press("Tab");
      equal(await focused(page), "Skip to content");
      await tabTo(page, /^Alarms/);
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Alarms", level: 1 }).waitFor();
      equal(await focused(page), "Alarms");
      await page.getByRole("row", { name: /Vibration far above normal/ }).waitFor();
      await tabTo(page, /^Acknowledge ?Vibration far/);
      const outline = await page.evaluate(() =>
        getComputedStyle(document.activeElement!).outlineStyle
      );
      equal(outline, "solid");
      await page.keyboard.press("Enter");
      await page.getByText("1 alarm acknowledged.").waitFor();
      equal(fixture.plant.alarms[0]!.isAcknowledged, true);
    });
  },
);

const TABS_MAX = 60;

async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let tab = 0; tab < TABS_MAX; tab++) {
    if (name.test(await focused(page))) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab did not reach ${name} within ${TABS_MAX} steps`);
}

function focused(page: Page): Promise<string> {
  return page.evaluate(() => document.activeElement?.textContent ?? "");
}

const LOOKS: readonly Look[] = [
  { colorScheme: "light", width: 1440 },
  { colorScheme: "dark", width: 1440 },
  { colorScheme: "light", width: 390 },
  { colorScheme: "dark", width: 390 },
];

for (const look of LOOKS) {
  browserTest(
    `dashboard: every page is accessible and fits, ${look.colorScheme} at ${look.width} px`,
    (browser) =>
      withSeat(browser, look, async (seat) => {
        const { page } = seat;
        await signIn(seat);
        for (const [name, to, sign] of PAGES) {
          await page.evaluate((href) => {
            history.pushState(null, "", href);
            dispatchEvent(new PopStateEvent("popstate"));
          }, to);
          await page.getByText(sign).first().waitFor();
          await page.getByText("live", { exact: true }).waitFor();
          await page.waitForFunction(() => !document.body.innerText.includes("Loading…"));
          await keepPicture(page, `${name}-${look.colorScheme}-${look.width}`);
          const overflow = await page.evaluate(() =>
            document.documentElement.scrollWidth - document.documentElement.clientWidth
          );
          equal(overflow, 0, `${name} is ${overflow} px too wide`);
          if (look.width < 1000 && look.colorScheme === "dark") continue;
          const found = await new AxeBuilder({ page })
            .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
            .analyze();
          deepEqual(found.violations.map((one) => [name, one.id, one.nodes[0]?.html]), []);
        }
        deepEqual(seat.complaints, []);
      }),
  );
}

async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = Deno.env.get("PENSTOCK_SCREENSHOTS");
  if (folder === undefined || folder === "") return;
  await Deno.mkdir(folder, { recursive: true });
  // Two reports make a rate.
  await page.waitForTimeout(700);
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}
