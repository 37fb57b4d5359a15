/** Path of a Chromium for the browser tests: given, on PATH, or Debian's package, installed. */
import { findProgram, type Found, installPackages, isFound, once, theFound } from "./commands.ts";

/** What Chromium needs to run without a display, as root, and without calling out. */
export const CHROMIUM_ARGS: string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const search = once(async (): Promise<Found<string>> => {
  const installed = Deno.env.get("PENSTOCK_TEST_CHROMIUM") ?? onPath();
  if (installed !== null) return { kind: "found", value: installed };
  const failure = await installPackages(["chromium"]);
  const value = onPath();
  if (value !== null) return { kind: "found", value };
  const reason = failure ?? "the package chromium has no program";
  return { kind: "missing", service: "chromium", reason };
});

/** Whether there is one; a no is said aloud, and with CI=true it is an error. */
export async function hasChromium(): Promise<boolean> {
  return isFound(await search());
}

/** @throws {Error} When there is none and none can be installed. */
export async function chromiumPath(): Promise<string> {
  return theFound(await search());
}

function onPath(): string | null {
  return findProgram("chromium") ?? findProgram("chromium-browser") ??
    findProgram("google-chrome");
}
