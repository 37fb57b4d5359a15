/** A person's seat before a real hub: a page of a real Chromium, signed in, with what it complained about. */
import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { CHROMIUM_ARGS, chromiumPath } from "./chromium.ts";

const WAIT_MS = 20_000;
const SIGN_IN_WAIT_MS = 30_000;

export interface Look {
  readonly colorScheme: "light" | "dark";
  readonly width: number;
}

export interface DashboardSeat {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the console and the page complained about. */
  readonly complaints: string[];
  /** Shows `path` as a link of the page would. */
  show(path: string): Promise<void>;
  /** Accessibility rules that the page breaks, each with one place. */
  violations(): Promise<string[]>;
  /** Pixels by which the page is too wide. */
  overflow(): Promise<number>;
  /** Keeps a picture in PENSTOCK_SCREENSHOTS, if that is set. */
  picture(name: string): Promise<void>;
}

/** Runs `use` with a browser and ends it. */
export async function withBrowser<T>(use: (browser: Browser) => Promise<T>): Promise<T> {
  const browser = await chromium.launch({
    executablePath: await chromiumPath(),
    args: CHROMIUM_ARGS,
  });
  try {
    return await use(browser);
  } finally {
    await browser.close();
  }
}

/** Takes a seat with `token` before the hub at `url`, and leaves it when `sit` is done. */
export async function withSeat(
  browser: Browser,
  of: { readonly url: string; readonly token: string; readonly look: Look },
  sit: (seat: DashboardSeat) => Promise<void>,
): Promise<void> {
  const { colorScheme, width } = of.look;
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme,
    reducedMotion: "reduce",
  });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        complaints.push(`${message.text()} ${message.location().url}`);
      }
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(`${of.url}/#token=${of.token}`);
    await page.getByRole("button", { name: "Sign out" }).waitFor({ timeout: SIGN_IN_WAIT_MS });
    await sit(seatOf(page, context, complaints, of.look));
  } finally {
    await context.close();
  }
}

function seatOf(
  page: Page,
  context: BrowserContext,
  complaints: string[],
  look: Look,
): DashboardSeat {
  return {
    page,
    context,
    complaints,
    async show(path) {
      await page.evaluate((href) => {
        history.pushState(null, "", href);
        dispatchEvent(new PopStateEvent("popstate"));
      }, path);
      await page.waitForFunction(() => !document.body.innerText.includes("Loading…"));
    },
    async violations() {
      const found = await new AxeBuilder({ page })
        .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
        .analyze();
      return found.violations.map((one) => `${one.id}: ${one.nodes[0]?.html}`);
    },
    overflow: () =>
      page.evaluate(() =>
        document.documentElement.scrollWidth - document.documentElement.clientWidth
      ),
    async picture(name) {
      const folder = Deno.env.get("PENSTOCK_SCREENSHOTS");
      if (folder === undefined || folder === "") return;
      await Deno.mkdir(folder, { recursive: true });
      await page.screenshot({ path: `${folder}/${name}-${look.colorScheme}-${look.width}.png` });
    },
  };
}
