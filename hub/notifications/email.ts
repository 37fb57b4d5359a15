/**
 * Sends one message by e-mail.
 *
 * Touches the network, through nodemailer.
 *
 * @module
 */
import { createTransport } from "nodemailer";
import { messageOf, PenstockError } from "@shared/errors.ts";
import type { MailSettings } from "./mail_settings.ts";

const TIMEOUT_MS = 10_000;
const SUBMISSION_PORT = 587;
const TLS_PORT = 465;

export interface Mail {
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** The same when the same is sent again. */
  readonly deliveryId: string;
}

/** Sends; throws in words for people when the server did not take it. */
export type SendMail = (mail: Mail) => Promise<void>;

/** A way out through the server of `settings`; a connection for each message. */
export function mailSender({ url: text, password, from }: MailSettings): SendMail {
  const url = new URL(text);
  const isTls = url.protocol === "smtps:";
  const user = decodeURIComponent(url.username);
  const transport = createTransport({
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? (isTls ? TLS_PORT : SUBMISSION_PORT) : Number(url.port),
    secure: isTls,
    ...(user === "" ? {} : { auth: { user, pass: password ?? "" } }),
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return async ({ to, subject, text, deliveryId }) => {
    const host = from.slice(from.indexOf("@") + 1);
    try {
      await transport.sendMail({
        from,
        to: [...to],
        subject,
        text,
        messageId: `<${deliveryId}@${host}>`,
        headers: { "auto-submitted": "auto-generated" },
      });
    } catch (cause) {
      throw new PenstockError(`The mail server did not take the message: ${messageOf(cause)}`, {
        code: "mail-failed",
        domain: "external",
        isRetryable: true,
        cause,
      });
    }
  };
}
