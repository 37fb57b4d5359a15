/// <reference lib="dom" />
/** The dashboard's door before a real hub: signing in and out, a wrong address, what a viewer may not do. */
import { deepEqual, equal } from "node:assert/strict";
import {
  type BrowserSeat,
  keepPicture,
  launchBrowser,
  LOOKS,
  overflowOf,
  takeSeat,
  violationsOf,
} from "../support/browser_seat.ts";
import { hasChromium } from "../support/chromium.ts";
import { type SeededHub, startSeededHub } from "../support/seeded_hub.ts";

type Walk = (seat: BrowserSeat, hub: SeededHub) => Promise<void>;

const WALKS: readonly (readonly [name: string, walk: Walk])[] = [
  ["a token in the address signs in and leaves the address", signInAndOut],
  ["an address that names no page says so and leads back", loseTheWay],
  ["the colours chosen stay over a reload", chooseColours],
];

Deno.test({
  name: "dashboard: its door before a real hub",
  ignore: !await hasChromium(),
  // Hub, broker and browser are processes of their own that end with `close`.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(test) {
    const hub = await startSeededHub({ isPlantOnly: true, isLive: false });
    const browser = await launchBrowser();
    try {
      for (const [name, walk] of WALKS) {
        await test.step(name, async () => {
          const seat = await takeSeat(browser, LOOKS[0]!, hub.signedIn("/"));
          try {
            await seat.page.getByRole("heading", { name: "Overview" }).waitFor();
            await walk(seat, hub);
          } finally {
            await seat.close();
          }
        });
      }
      for (const look of LOOKS) {
        await test.step(`the door fits, ${look.colorScheme} at ${look.width} px`, async () => {
          const seat = await takeSeat(browser, look, hub.url);
          await seat.page.getByLabel("API token").waitFor();
          await keepPicture(seat.page, `sign-in-${look.colorScheme}-${look.width}`);
          equal(await overflowOf(seat.page), 0);
          deepEqual(await violationsOf(seat.page), []);
          await seat.close();
        });
      }
    } finally {
      await browser.close();
      await hub.close();
    }
  },
});

async function signInAndOut({ page }: BrowserSeat, hub: SeededHub): Promise<void> {
  equal(page.url(), `${hub.url}/`);
  await page.route("**/session", (route) => route.abort(), { times: 1 });
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText(/^You are still signed in\. The hub cannot be reached/).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API token").fill("pst_wrong");
  await page.keyboard.press("Enter");
  await page.getByText("The hub does not know this token").waitFor();
  await page.getByLabel("API token").fill(hub.adminToken);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

async function loseTheWay({ page, show, complaints }: BrowserSeat): Promise<void> {
  await show("/nothing/here");
  await page.getByText("There is no page").waitFor();
  await page.getByRole("link", { name: "Go to the overview" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  deepEqual(complaints, []);
}

async function chooseColours({ page }: BrowserSeat): Promise<void> {
  const background = () =>
    page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await background();
  await page.getByLabel("Colours").selectOption("dark");
  const dark = await background();
  equal(dark === light, false);
  await page.reload();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  equal(await background(), dark);
}
