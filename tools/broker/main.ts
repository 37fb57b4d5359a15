/**
 * Starts the embedded MQTT broker: `deno run --allow-net tools/broker/main.ts --listen 127.0.0.1:1883`.
 *
 * Prints `{"listening":"127.0.0.1:1883"}` when it accepts clients; port 0 takes a free one. In memory, without
 * authentication: for development and tests.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { serveBroker } from "./server.ts";

/** Serves until the process ends. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { listen: { type: "string", default: "127.0.0.1:1883" } },
  });
  const [, hostname, port] = /^\[?([^\]]*)\]?:(\d+)$/.exec(values.listen) ?? [];
  if (hostname === undefined) {
    throw new Error(`--listen is "${values.listen}": want host:port, such as 127.0.0.1:1883`);
  }
  const { address } = serveBroker({ hostname, port: Number(port) });
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify({ listening: address })}\n`));
}

if (import.meta.main) await main();
