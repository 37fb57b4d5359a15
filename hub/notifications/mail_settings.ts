/**
 * How the hub gets its mail out, read from its flags.
 *
 * Pure.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";

/** How the hub gets its mail out. */
export interface MailSettings {
  /** `smtp:` (STARTTLS when the server offers it) or `smtps:` (TLS from the start). */
  readonly url: string;
  readonly password: string | null;
  readonly from: string;
}

/** @throws {UserError} If the URL is none of a mail server, or the sender is no address. */
export function parseMailSettings(
  given: { readonly url: string; readonly from: string | undefined },
  password: string | undefined,
): MailSettings {
  const url = URL.canParse(given.url) ? new URL(given.url) : null;
  if (url === null || !["smtp:", "smtps:"].includes(url.protocol) || url.hostname === "") {
    throw new UserError(
      "bad-flag",
      "Cannot take --smtp-url: want smtp://USER@HOST:PORT or smtps://USER@HOST:PORT",
    );
  }
  if (given.from === undefined || !isMailAddress(given.from)) {
    throw new UserError("bad-flag", "Cannot take --mail-from: want the sender as NAME@HOST");
  }
  const own = url.password === "" ? null : decodeURIComponent(url.password);
  return { url: given.url, password: password ?? own, from: given.from };
}

export function isMailAddress(text: string): boolean {
  return /^[^\s@<>,;"]{1,64}@[^\s@<>,;"]{1,255}$/.test(text);
}
