/**
 * The ways out of this hub, as its settings say: the network, a mail server.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { allowedTargets } from "./address_guard.ts";
import { mailSender } from "./email.ts";
import type { MailSettings } from "./mail_settings.ts";
import type { Outlets } from "./notifier.ts";

export interface OutletSettings {
  readonly allowWebhookTo: readonly string[];
  readonly mail: MailSettings | null;
}

export function outletsOf({ allowWebhookTo, mail }: OutletSettings): Outlets {
  return {
    webhook: { allowed: allowedTargets(allowWebhookTo), resolve },
    sendMail: mail === null ? null : mailSender(mail),
  };
}

async function resolve(hostname: string): Promise<string[]> {
  const found = await lookup(hostname, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}
