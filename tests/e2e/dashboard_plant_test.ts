/// <reference lib="dom" />
/**
 * Overview and equipment before a real hub with a plant's day behind it: what a person finds, and how.
 *
 * PENSTOCK_SCREENSHOTS=DIR keeps a picture of every page, light and dark, wide and narrow.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Browser, Page } from "playwright-core";
import type { Page as PageOf } from "@shared/api.ts";
import type { EquipmentSummary } from "@shared/plant_api.ts";
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
import { type SeededHub, startSeededHub } from "../support/seeded_hub.ts";
import { ODD_MACHINE, SILENT_MACHINE } from "../support/seeded_plant.ts";

const WIDE: Look = { colorScheme: "light", width: 1440 };
const ODD = `/equipment/${ODD_MACHINE}`;
const HOUR_MS = 3_600_000;
/** Every machine of the seeded plant pauses then. */
const GAP_AGO_MS = 3 * HOUR_MS + 10 * 60_000;
const LOOKS_FOR_PAST_MAX = 180;
const LINE_COLOUR = [0x33, 0x49, 0x5c];

interface Scene {
  readonly hub: SeededHub;
  readonly browser: Browser;
}

type Walk = (seat: BrowserSeat, scene: Scene) => Promise<void>;

const WALKS: readonly (readonly [name: string, walk: Walk])[] = [
  ["values come without a reload, each with its age", watchItMove],
  ["the overview leads to the machine that is odd, and says why it rang", findTheOddMachine],
  ["the keyboard alone opens the tree and reaches a machine of a line", walkTheTree],
  ["the span of time is in the address and survives a reload", keepTheSpan],
  ["each drag over a chart is one step, and each double click one back", zoomInAndOut],
  ["a span in which nothing was heard is a hole in the line, and unknown", seeTheGap],
  ["a silent machine is stale, with a sign of its own", seeTheSilentMachine],
  ["what the hub does not tell is not said to be well", beToldNothing],
  ["a paused page stands still, a dead hub is said", standStill],
];

Deno.test({
  name: "dashboard: the plant before a real hub",
  ignore: !await hasChromium(),
  // Hub, broker and browser are processes of their own that end with `close`.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(test) {
    const hub = await startSeededHub({ isPlantOnly: true });
    const browser = await launchBrowser();
    const scene = { hub, browser };
    try {
      await heardOf(hub);
      for (const [name, walk] of WALKS) {
        await test.step(name, async () => {
          const seat = await takeSeat(browser, WIDE, hub.signedIn("/"));
          try {
            await seat.page.getByRole("heading", { name: "Overview" }).waitFor();
            await walk(seat, scene);
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

/** Until the hub has worked off the past: the odd machine has its alarm, and speaks. */
async function heardOf(hub: SeededHub): Promise<void> {
  for (let look = 0; look < LOOKS_FOR_PAST_MAX; look++) {
    const found = await hub.api.get<PageOf<EquipmentSummary>>(
      `/plant/equipment?search=${ODD_MACHINE}`,
    );
    const odd = found.items[0];
    if (odd?.highestPriority === "high" && odd.freshness === "good") return;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  throw new Error(`The hub did not hear of ${ODD_MACHINE} in ${LOOKS_FOR_PAST_MAX} s`);
}

/** Every page with what shows that it has loaded. */
async function lookAround(look: Look, { hub, browser }: Scene): Promise<void> {
  const seat = await takeSeat(browser, look, hub.signedIn("/"));
  const { page } = seat;
  try {
    const pages: readonly (readonly [name: string, path: string, sign: string])[] = [
      ["overview", "/", "Whole plant"],
      ["overview-line", "/?path=south%2Fpumps", ODD_MACHINE],
      ["equipment", "/equipment?sort=name", "filler-1"],
      ["equipment-live", `${ODD}?range=15m`, "Values of vibration as a table"],
      ["equipment-day", `${ODD}?range=24h&tz=utc`, "Values of vibration as a table"],
    ];
    for (const [name, path, sign] of pages) {
      await seat.show(path);
      await page.getByText(sign).first().waitFor();
      await settle(page, `plant-${name}`, look);
    }
    await page.getByRole("link", { name: /^Why/ }).first().click();
    await page.getByText("Similar events before").waitFor();
    await settle(page, "plant-evidence", look);
    deepEqual(seat.complaints, []);
  } finally {
    await seat.close();
  }
}

async function settle(page: Page, name: string, look: Look): Promise<void> {
  await page.getByText("live", { exact: true }).waitFor();
  await page.waitForFunction(() => !document.body.innerText.includes("Loading…"));
  await keepPicture(page, `${name}-${look.colorScheme}-${look.width}`);
  equal(await overflowOf(page), 0, `${name} is too wide`);
  // Narrow and dark is made of the colours and the boxes of the others.
  if (look.width < 1_000 && look.colorScheme === "dark") return;
  deepEqual(await violationsOf(page), [], name);
}

async function watchItMove(seat: BrowserSeat): Promise<void> {
  const { page, complaints } = seat;
  await seat.show(`${ODD}?range=15m`);
  const value = page.locator(".signal-now dd").first();
  await value.waitFor();
  const before = await value.innerText();
  await page.waitForFunction(
    (was) => document.querySelector(".signal-now dd")?.textContent !== was,
    before,
  );
  await page.getByText(/^data is (under 1|[1-9]) s old$/).first().waitFor();
  await page.getByText("Values of vibration as a table").click();
  const newest = await page.locator("details[open] tbody tr").first().textContent();
  await page.waitForFunction(
    (was) => document.querySelector("details[open] tbody tr")?.textContent !== was,
    newest,
  );
  deepEqual(complaints, []);
}

async function findTheOddMachine({ page, complaints }: BrowserSeat): Promise<void> {
  const urgent = page.getByRole("list", { name: /most urgent first/ });
  const row = urgent.getByRole("listitem").filter({ hasText: ODD_MACHINE });
  await row.getByText("high").waitFor();
  await row.getByRole("link", { name: ODD_MACHINE }).click();
  await page.getByRole("heading", { name: ODD_MACHINE, level: 1 }).waitFor();
  const evidence = page.getByRole("region", { name: "Evidence of the alarm" });
  await evidence.getByText("Expected then").waitFor();
  await evidence.locator("canvas").first().waitFor();
  await eventually(async () => match(await evidence.innerText(), /Expected then\s+1\.6 – 3\.2/));
  const vibration = page.locator(".signal", {
    has: page.getByRole("heading", { name: /^vibration/ }),
  });
  await vibration.last().getByText("above threshold").or(vibration.getByText("Expected")).first()
    .waitFor();
  await evidence.getByRole("button", { name: "Acknowledge…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/Comment/).fill("Bearing ordered");
  await dialog.getByRole("button", { name: "Acknowledge" }).click();
  await evidence.getByText(/Bearing ordered/).waitFor();
  await page.getByRole("button", { name: "Close evidence" }).click();
  equal(new URL(page.url()).searchParams.has("alarm"), false);
  deepEqual(complaints, []);
}

async function walkTheTree({ page, complaints }: BrowserSeat): Promise<void> {
  await page.getByRole("treeitem").first().waitFor();
  await tabTo(page, /Whole plant/);
  await page.keyboard.press("s");
  await eventually(async () => match(await focusedText(page), /south/));
  await page.keyboard.press("ArrowRight");
  await page.getByRole("treeitem", { name: /^pumps/ }).waitFor();
  await page.keyboard.press("p");
  await page.keyboard.press("ArrowRight");
  await page.getByRole("treeitem", { name: /^line-4/ }).waitFor();
  await page.keyboard.press("ArrowRight");
  await eventually(async () => match(await focusedText(page), /line-4/));
  await page.keyboard.press("Enter");
  await page.waitForURL(/path=south%2Fpumps%2Fline-4/);
  await page.getByRole("heading", { name: "line-4", level: 2 }).waitFor();
  const rows = page.getByRole("grid", { name: /worst first/ }).getByRole("row");
  await rows.filter({ hasText: ODD_MACHINE }).waitFor();
  await eventually(async () => match(await rows.nth(1).innerText(), new RegExp(ODD_MACHINE)));
  await page.reload();
  const chosen = page.getByRole("treeitem", { name: /^line-4/ });
  await chosen.waitFor();
  await eventually(async () => equal(await chosen.getAttribute("aria-selected"), "true"));
  await tabTo(page, /line-4/);
  await page.keyboard.press("ArrowLeft");
  await eventually(async () => match(await focusedText(page), /pumps/));
  await page.keyboard.press("ArrowLeft");
  await eventually(async () =>
    equal(await page.getByRole("treeitem", { name: /^line-4/ }).count(), 0)
  );
  await tabTo(page, new RegExp(`^${ODD_MACHINE}$`));
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: ODD_MACHINE, level: 1 }).waitFor();
  deepEqual(complaints, []);
}

async function keepTheSpan(seat: BrowserSeat): Promise<void> {
  const { page, complaints } = seat;
  await seat.show(ODD);
  await page.locator("canvas").first().waitFor();
  await page.getByRole("radio", { name: "1 h", checked: true }).waitFor();
  await page.getByRole("radio", { name: "6 h" }).check({ force: true });
  await page.getByRole("radio", { name: "UTC" }).check({ force: true });
  match(page.url(), /range=6h/);
  await page.reload();
  await page.locator("canvas").first().waitFor();
  await page.getByRole("radio", { name: "6 h", checked: true }).waitFor();
  await page.getByRole("radio", { name: "UTC", checked: true }).waitFor();

  const plot = page.locator(".u-over").first();
  await plot.scrollIntoViewIfNeeded();
  const box = (await plot.boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.25, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + 60, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/from=.*to=/);
  const { searchParams } = new URL(page.url());
  const spanMs = Date.parse(searchParams.get("to")!) - Date.parse(searchParams.get("from")!);
  ok(Math.abs(spanMs - 3 * HOUR_MS) < 5 * 60_000, `half of six hours is ${spanMs} ms`);
  await page.reload();
  await page.locator("canvas").first().waitFor();
  await page.getByRole("radio", { name: "Fixed", checked: true }).waitFor();
  await page.getByText(/ UTC$/).first().waitFor();
  await page.getByRole("button", { name: "Longer span" }).click();
  await page.locator(".u-over").first().dblclick();
  await page.getByRole("button", { name: "From – to" }).click();
  await page.getByLabel("From (UTC)").fill("2026-01-01T00:00:01");
  await page.getByLabel("To (UTC)").fill("2025-01-01T00:00:01");
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByText("The end has to come after the start.").waitFor();
  deepEqual(complaints, []);
}

async function zoomInAndOut(seat: BrowserSeat): Promise<void> {
  const { page, complaints } = seat;
  await seat.show(`${ODD}?range=6h`);
  const spanMs = () => {
    const { searchParams } = new URL(page.url());
    return Date.parse(searchParams.get("to") ?? "") - Date.parse(searchParams.get("from") ?? "");
  };
  const drag = async (lessThanMs: number) => {
    const plot = page.locator(".u-over").first();
    await plot.scrollIntoViewIfNeeded();
    const box = (await plot.boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.25, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.75, box.y + 60, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(() => spanMs() < lessThanMs);
  };
  await drag(3.2 * HOUR_MS);
  await drag(1.6 * HOUR_MS);
  await page.locator(".u-over").first().dblclick();
  await page.waitForURL(() => spanMs() > 2.8 * HOUR_MS);
  await page.locator(".u-over").first().dblclick();
  await page.waitForURL(/range=6h/);
  deepEqual(complaints, []);
}

async function beToldNothing({ page, complaints }: BrowserSeat): Promise<void> {
  const problem = { title: "Unavailable", status: 503, detail: "The database is away", code: "x" };
  await page.route(
    /\/api\/v1\/(alarms\/count|agents|jobs)/,
    (route) =>
      route.fulfill({
        status: 503,
        contentType: "application/problem+json",
        body: JSON.stringify(problem),
      }),
  );
  await page.reload();
  await page.getByText("The database is away").first().waitFor();
  await page.getByRole("treeitem").first().waitFor();
  for (const calm of ["Nothing needs a person now.", "none open", "all online", "all as wanted"]) {
    equal(await page.getByText(calm).count(), 0, calm);
  }
  deepEqual(complaints.filter((text) => !text.includes("503")), []);
}

async function seeTheGap(seat: BrowserSeat): Promise<void> {
  const { page, complaints } = seat;
  await seat.show(`${ODD}?range=6h`);
  await page.locator("canvas").first().waitFor();
  await page.getByRole("button", { name: "Pause" }).first().click();
  const share = 1 - GAP_AGO_MS / (6 * HOUR_MS);
  await eventually(async () =>
    ok(await linePixels(page, share - 0.2) > 0, "no line is drawn where something was heard")
  );
  equal(await linePixels(page, share), 0, "a line is drawn where nothing was heard");
  await page.getByText("States as a table").click();
  const unknown = page.getByRole("row").filter({ hasText: /^unknown/ }).first();
  await eventually(async () => match(await unknown.innerText(), /(19|20|21) min/));
  deepEqual(complaints, []);
}

/** Pixels in the colour of the line in the columns around `share` of the first chart's width. */
function linePixels(page: Page, share: number): Promise<number> {
  return page.locator(".uplot").first().evaluate((plot, [at, colour]) => {
    const canvas = plot.querySelector("canvas")!;
    const over = plot.querySelector<HTMLElement>(".u-over")!;
    const scale = canvas.width / canvas.getBoundingClientRect().width;
    const left = (over.offsetLeft + over.offsetWidth * (at as number)) * scale;
    const height = over.offsetHeight * scale;
    // A canvas that is read is slow to paint; what is read is a copy.
    const copy = new OffscreenCanvas(7, height).getContext("2d", { willReadFrequently: true })!;
    copy.drawImage(canvas, 3 - left, -over.offsetTop * scale);
    const { data } = copy.getImageData(0, 0, 7, height);
    const [red, green, blue] = colour as number[];
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
      const distance = Math.abs(data[i]! - red!) + Math.abs(data[i + 1]! - green!) +
        Math.abs(data[i + 2]! - blue!);
      if (distance < 60 && data[i + 3]! > 200) count++;
    }
    return count;
  }, [share, LINE_COLOUR] as const);
}

async function seeTheSilentMachine(seat: BrowserSeat): Promise<void> {
  const { page, complaints } = seat;
  await page.getByText(/Equipment without fresh signal/).waitFor();
  await page.getByLabel("Find").fill(SILENT_MACHINE);
  const row = page.getByRole("grid").getByRole("row").filter({ hasText: SILENT_MACHINE });
  await row.getByText("stale").waitFor();
  await eventually(async () => equal(await row.locator("svg.fresh-stale").count(), 1));
  await page.waitForURL(/search=/);
  await seat.show(`/equipment/${SILENT_MACHINE}`);
  await page.getByText(/data is \d+ min/).first().waitFor();
  deepEqual(complaints, []);
}

async function standStill(seat: BrowserSeat, { hub }: Scene): Promise<void> {
  const { page } = seat;
  await page.getByText("live", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText(/^paused · data is/).waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("live", { exact: true }).waitFor();
  deepEqual(seat.complaints, []);
  await hub.killHub();
  await page.getByText(/^reconnecting · data is/).waitFor();
  await hub.restartHub();
  await page.getByText("live", { exact: true }).waitFor();
}
