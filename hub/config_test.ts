import { deepEqual, equal, throws } from "node:assert/strict";
import { parseHubFlags } from "./config.ts";

Deno.test("hub flags: the defaults are those of the protocol", () => {
  const settings = parseHubFlags([], {})!;
  deepEqual([settings.hostname, settings.port, settings.databaseUrl], ["127.0.0.1", 8080, null]);
  const { checkpointIntervalMs, leaseTtlMs, reassignWithinMs, autonomousAfterMs } = settings.tuning;
  deepEqual([checkpointIntervalMs, leaseTtlMs, reassignWithinMs, autonomousAfterMs], [
    5_000,
    6_000,
    30_000,
    45_000,
  ]);
});

Deno.test("hub flags: a database is named by flag, else by the environment", () => {
  const env = { PENSTOCK_DATABASE_URL: "postgres://env" };
  equal(parseHubFlags([], env)!.databaseUrl, "postgres://env");
  equal(parseHubFlags(["--database-url", "postgres://flag"], env)!.databaseUrl, "postgres://flag");
});

Deno.test("hub flags: plain http beyond this machine has to be asked for by name (S23)", () => {
  throws(() => parseHubFlags(["--listen", "0.0.0.0:8080"], {}), /--allow-plain-http/);
  equal(
    parseHubFlags(["--listen", "0.0.0.0:8080", "--allow-plain-http"], {})!.isPlainHttpExposed,
    true,
  );
  const tls = ["--listen", "0.0.0.0:8443", "--tls-cert", "c.pem", "--tls-key", "k.pem"];
  equal(parseHubFlags(tls, {})!.isPlainHttpExposed, false);
  equal(parseHubFlags(["--listen", "[::1]:0"], {})!.hostname, "::1");
});

Deno.test("hub flags: an agent goes autonomous only when nobody may reassign any more (P6)", () => {
  throws(() => parseHubFlags(["--autonomous-after", "40s"], {}), /two agents/);
  throws(() => parseHubFlags(["--lease-ttl", "3s"], {}), /heartbeats/);
  equal(parseHubFlags(["--autonomous-after", "41s"], {})!.tuning.autonomousAfterMs, 41_000);
});

Deno.test("hub flags: brokers keep their credentials out of the address", () => {
  const env = { PENSTOCK_BROKER_LINE_2_PASSWORD: "from env" };
  const args = ["--broker", "plant=mqtt://u:p%40ss@h", "--broker", "line-2=mqtts://h2:9000"];
  const [plant, line] = parseHubFlags(args, env)!.brokers;
  deepEqual([plant?.url, plant?.username, plant?.password], ["mqtt://h:1883", "u", "p@ss"]);
  deepEqual([line?.url, line?.password], ["mqtts://h2:9000", "from env"]);
  throws(() => parseHubFlags(["--broker", "plant=http://h"], {}), /mqtt:\/\/HOST/);
  throws(() => parseHubFlags(["--broker", "a=mqtt://h", "--broker", "a=mqtt://g"], {}), /twice/);
});

Deno.test("hub flags: a wrong one is named", () => {
  throws(() => parseHubFlags(["--colour", "red"], {}), /--colour/);
  throws(() => parseHubFlags(["--checkpoint-interval", "soon"], {}), /--checkpoint-interval/);
  throws(() => parseHubFlags(["--listen", "8080"], {}), /HOST:PORT/);
  equal(parseHubFlags(["--help"], {}), null);
});
