/** A broker as `--broker [NAME=]mqtt://USER:PASSWORD@HOST` names it. Pure. @module */
import type { BrokerConfig } from "@shared/messages.ts";
import { CliError, EXIT_USAGE } from "../hub_api.ts";

const PORTS: Readonly<Record<string, string>> = { "mqtt:": "1883", "mqtts:": "8883" };

/** @throws {CliError} When it is no address of a broker. */
export function brokerOf(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): BrokerConfig {
  const match = /^(?:([a-z0-9][a-z0-9-]*)=)?(mqtts?:\/\/.+)$/.exec(text);
  const url = match !== null && URL.canParse(match[2]!) ? new URL(match[2]!) : null;
  if (url === null || url.hostname === "") {
    throw new CliError(
      `--broker is "${text}": want mqtt://HOST, mqtts://HOST, or NAME=mqtt://HOST`,
      EXIT_USAGE,
    );
  }
  const name = match?.[1] ?? url.hostname;
  const prefix = `PENSTOCK_BROKER_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`;
  return {
    name,
    url: `${url.protocol}//${url.hostname}:${url.port || PORTS[url.protocol]}`,
    username: decodeURIComponent(url.username) || env[`${prefix}_USERNAME`] || null,
    password: decodeURIComponent(url.password) || env[`${prefix}_PASSWORD`] || null,
    caPem: null,
  };
}
