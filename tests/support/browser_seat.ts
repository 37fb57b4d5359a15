/// <reference lib="dom" />
/**
 * A person before the dashboard: a page of a real Chromium, and everything it complains about.
 *
 * Touches a browser process. PENSTOCK_SCREENSHOTS=DIR keeps a picture of every page shown to `keepPicture`.
 */
import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { CHROMIUM_ARGS, chromiumPath } from "./chromium.ts";

/** How long anything on a page may take to appear. */
const WAIT_MS = 20_000;

export interface Look {
  readonly colorScheme: "light" | "dark";
  readonly width: number;
}

/** Every look that a page has to stand. */
export const LOOKS: readonly Look[] = [
  { colorScheme: "light", width: 1440 },
  { colorScheme: "dark", width: 1440 },
  { colorScheme: "light", width: 390 },
  { colorScheme: "dark", width: 390 },
];

export interface BrowserSeat {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the console and the page complained about. */
  readonly complaints: string[];
  /** Shows another address as a link of the page would, and waits for what it loads. */
  show(href: string): Promise<void>;
  close(): Promise<void>;
}

export async function launchBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: await chromiumPath(), args: CHROMIUM_ARGS });
}

/** @param signedIn Address that signs in by itself. */
export async function takeSeat(
  browser: Browser,
  look: Look,
  signedIn: string,
): Promise<BrowserSeat> {
  const context = await browser.newContext({
    viewport: { width: look.width, height: 900 },
    colorScheme: look.colorScheme,
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      complaints.push(`${message.text()} ${message.location().url}`);
    }
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(signedIn);
  return {
    context,
    page,
    complaints,
    async show(href) {
      await page.evaluate(async (to) => {
        history.pushState(null, "", to);
        dispatchEvent(new PopStateEvent("popstate"));
        // What the new page asks for it asks for after it was painted.
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      }, href);
      await page.waitForFunction(() => !document.body.innerText.includes("Loading…"));
    },
    close: () => context.close(),
  };
}

/** What axe finds wrong, shortly: rule and the element. */
export async function violationsOf(page: Page): Promise<string[]> {
  const found = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  return found.violations.map((one) => `${one.id}: ${one.nodes[0]?.html}`);
}

/** Pixels by which the page is wider than its window. */
export function overflowOf(page: Page): Promise<number> {
  return page.evaluate(() =>
    document.documentElement.scrollWidth - document.documentElement.clientWidth
  );
}

export async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = Deno.env.get("PENSTOCK_SCREENSHOTS");
  if (folder === undefined || folder === "") return;
  await Deno.mkdir(folder, { recursive: true });
  // What is live needs a moment to arrive.
  await page.waitForTimeout(700);
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}

const TABS_MAX = 80;

/** Presses Tab until what has the focus is called like `name`. */
export async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let tab = 0; tab < TABS_MAX; tab++) {
    if (name.test(await focusedText(page))) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab did not reach ${name} within ${TABS_MAX} steps`);
}

/** What has the focus, by its label or its text. */
export function focusedText(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (element === null || element === document.body) return "";
    return element.getAttribute("aria-label") ?? element.textContent ?? "";
  });
}

const SHOWN_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

/**
 * Checks until it holds: a page shows what was done to it a little later.
 *
 * Not for what must never be there: that holds at once, and says nothing.
 */
export async function eventually(check: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + SHOWN_WITHIN_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
