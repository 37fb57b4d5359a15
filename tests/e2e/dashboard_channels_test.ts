/// <reference lib="dom" />
/** Who is told of alarms, set in a real browser before a real hub: a webhook and a mailbox get what rings. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Page } from "playwright-core";
import type { NotificationChannelView } from "@shared/plant_api.ts";
import { eventually, launchBrowser, LOOKS, takeSeat } from "../support/browser_seat.ts";
import { hasChromium } from "../support/chromium.ts";
import { waitUntil } from "../support/commands.ts";
import { mailReceiver, webhookReceiver } from "../support/message_receivers.ts";
import { type SeededHub, startSeededHub } from "../support/seeded_hub.ts";

type Hook = ReturnType<typeof webhookReceiver>;
type Mail = Awaited<ReturnType<typeof mailReceiver>>;

const TOLD_WAIT_MS = 120_000;
const PAGER = "pager";
const FITTERS = "fitters";

Deno.test({
  name: "dashboard: alarms are told to a webhook and by mail that were set in the browser",
  ignore: !await hasChromium(),
  // Hub, broker and browser are processes of their own that end with `close`.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(test) {
    const hook = webhookReceiver();
    const mail = await mailReceiver();
    const hub = await startSeededHub({
      equipmentCount: 6,
      isPlantOnly: true,
      isLive: false,
      hubFlags: [
        ...["--allow-webhook-to", "127.0.0.0/8"],
        ...["--smtp-url", `smtp://127.0.0.1:${mail.port}`, "--mail-from", "hub@plant.example"],
      ],
    });
    const browser = await launchBrowser();
    try {
      const seat = await takeSeat(browser, LOOKS[0]!, hub.signedIn("/settings/notifications"));
      const { page } = seat;
      const step = (name: string, run: () => Promise<void>) => test.step(name, run);
      await step("an address that is no receiver is refused in the hub's words", async () => {
        await beRefused(page);
        deepEqual(seat.complaints.splice(0).filter((text) => !text.includes(" 4")), []);
      });
      await step("a webhook is added, its secret shown once, and tried", () => addHook(page, hook));
      await step("a mailbox is added and tried", () => addMailbox(page, mail));
      await step("an alarm reaches both", () => ring(hub, hook, mail));
      await step("what failed is said", async () => {
        hook.state.failures = 1;
        await row(page, PAGER).getByRole("button", { name: "Test" }).click();
        await row(page, PAGER).getByText("failed", { exact: true }).waitFor();
        await row(page, PAGER).getByText(/500/).waitFor();
      });
      await step("a channel is switched off and deleted", () => endChannels(page, hub));
      deepEqual(seat.complaints, []);
      await step("a viewer reads and changes nothing", async () => {
        const token = await hub.token("viewer");
        const viewer = await takeSeat(browser, LOOKS[2]!, `${hub.url}/#token=${token}`);
        await viewer.page.getByRole("button", { name: "Sign out" }).waitFor();
        await viewer.show("/settings/notifications");
        await viewer.page.getByText("Changing channels needs the role admin.").waitFor();
        await viewer.page.getByRole("button", { name: "Add a channel", disabled: true }).waitFor();
        await eventually(async () =>
          ok(await row(viewer.page, PAGER).getByRole("button", { name: "Test" }).isDisabled())
        );
        deepEqual(viewer.complaints, []);
        await viewer.close();
      });
    } finally {
      await browser.close();
      await hub.close();
      await hook.close();
      await mail.close();
    }
  },
});

const row = (page: Page, name: string) =>
  page.getByRole("table", { name: "Notification channels" }).getByRole("row")
    .filter({ hasText: name });

async function beRefused(page: Page): Promise<void> {
  await page.getByText("Nobody is told: alarms are seen here alone.").waitFor();
  await page.getByRole("button", { name: "Add a channel" }).click();
  const add = page.getByRole("button", { name: "Add channel" });
  await eventually(async () => ok(await add.isDisabled()));
  await page.getByLabel("Name", { exact: true }).fill(PAGER);
  await page.getByLabel("URL").fill("http://10.0.0.7/hook");
  await add.click();
  await page.getByRole("alert").getByText(/10\.0\.0\.7.*private/).waitFor();
}

async function addHook(page: Page, hook: Hook): Promise<void> {
  await page.getByLabel("URL").fill(hook.url);
  await page.getByLabel("From priority").selectOption("low");
  await page.getByRole("button", { name: "Add channel" }).click();
  const secret = await page.locator(".notice code").innerText();
  await page.getByRole("button", { name: "I have kept it" }).click();
  await eventually(async () => equal(await page.getByText(secret).count(), 0));
  await row(page, PAGER).getByRole("button", { name: "Test" }).click();
  await page.getByText(`${PAGER}: the test was delivered.`).waitFor();
  await row(page, PAGER).getByText("delivered", { exact: true }).waitFor();
  equal(hook.got.length, 1);
  equal(hook.got[0]!.events[0]!.kind, "test");
  ok(hook.got[0]!.isSigned(secret), "the secret shown is the one that signs");
}

async function addMailbox(page: Page, mail: Mail): Promise<void> {
  await page.getByRole("button", { name: "Add a channel" }).click();
  await page.getByRole("radio", { name: "E-mail" }).check({ force: true });
  await page.getByLabel("Name", { exact: true }).fill(FITTERS);
  await page.getByLabel(/^Recipients/).fill("anna@plant.example, ben@plant.example");
  await page.getByLabel("From priority").selectOption("low");
  await page.getByRole("button", { name: "Add channel" }).click();
  await row(page, FITTERS).getByText("anna@plant.example, ben@plant.example").waitFor();
  await row(page, FITTERS).getByRole("button", { name: "Test" }).click();
  await page.getByText(`${FITTERS}: the test was delivered.`).waitFor();
  deepEqual(mail.mails[0]!.to, ["anna@plant.example", "ben@plant.example"]);
}

async function ring(hub: SeededHub, hook: Hook, mail: Mail): Promise<void> {
  hub.ring(1);
  const isTold = () => hook.got.some(({ events }) => events.some(({ kind }) => kind === "raised"));
  await waitUntil("the webhook is told", () => Promise.resolve(isTold()), TOLD_WAIT_MS);
  const isMailed = () => mail.mails.length > 1;
  await waitUntil("the mail is there", () => Promise.resolve(isMailed()), TOLD_WAIT_MS);
  match(mail.mails.at(-1)!.text, /Subject: /);
}

async function endChannels(page: Page, hub: SeededHub): Promise<void> {
  await row(page, PAGER).getByRole("button", { name: "Switch off" }).click();
  await row(page, PAGER).getByText("switched off", { exact: true }).waitFor();
  await row(page, FITTERS).getByRole("button", { name: "Delete…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Delete" }).click();
  await row(page, FITTERS).waitFor({ state: "detached" });
  const { items } = await hub.api.get<{ items: NotificationChannelView[] }>(
    "/notifications/channels",
  );
  deepEqual(items.map(({ name, isEnabled }) => [name, isEnabled]), [[PAGER, false]]);
}
