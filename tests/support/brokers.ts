/** Registers a test once per broker that sources must work with: the embedded one and Mosquitto. @module */
import { startMosquitto } from "./mosquitto.ts";

/** `body` gets null for the embedded broker, else the URL of a fresh Mosquitto. */
export function withBrokers(
  title: string,
  body: (brokerUrl: string | null) => Promise<void>,
): void {
  Deno.test(`${title} [embedded broker]`, () => body(null));
  Deno.test(`${title} [mosquitto]`, async () => {
    const broker = await startMosquitto();
    try {
      await body(broker.url);
    } finally {
      await broker.stop();
    }
  });
}
