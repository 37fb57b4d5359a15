/** Path of a Chromium for the browser tests: given, on PATH, or Debian's package, installed. */
import { findProgram, installPackages, serviceMissing } from "./commands.ts";

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

/** Null, said aloud, when there is none; with CI=true that is an error. */
export async function findChromium(): Promise<string | null> {
  const given = Deno.env.get("PENSTOCK_TEST_CHROMIUM");
  if (given !== undefined && given !== "") return given;
  const found = onPath();
  if (found !== null) return found;
  const failure = await installPackages(["chromium"]);
  return onPath() ?? serviceMissing("chromium", failure ?? "the package chromium has no program");
}

function onPath(): string | null {
  return findProgram("chromium") ?? findProgram("chromium-browser") ??
    findProgram("google-chrome");
}
