/**
 * `penstock hub start`: reads flags, takes the machine's clock, disk and network, runs until told to stop.
 *
 * Touches the process. SIGTERM and SIGINT stop in order; everything else is a crash, which a start
 * recovers from (H1).
 *
 * @module
 */
import { messageOf, UserError } from "@shared/errors.ts";
import { spawnSelf } from "@shared/platform/child_process.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { denoDialer } from "@shared/platform/deno_dialer.ts";
import { openSavedPiece } from "../agent/state/saved_piece.ts";
import { lockDirectory } from "@shared/platform/directory_lock.ts";
import { serveHttp, upgradeWebSocket } from "@shared/platform/http_server.ts";
import { localFiles } from "@shared/platform/local_files.ts";
import { createLogger, writeLog } from "@shared/platform/logger.ts";
import { openObjectStore } from "@shared/platform/open_object_store.ts";
import { systemRandom } from "@shared/platform/random.ts";
import { ensureBundle } from "../tools/build/build_bundles.ts";
import { AGENT_FLAGS, gatewayBundles } from "../tools/build/gateway.ts";
import { createAssets } from "./assets.ts";
import { HUB_USAGE, type HubSettings, parseHubFlags } from "./config.ts";
import { createGraphExtractor } from "./graph_extractor/graph_extractor.ts";
import { LogBook } from "./log_book.ts";
import { type HubWorld, startHub } from "./hub.ts";
import type { FailPoint } from "./ports.ts";
import { startTracing } from "./tracing.ts";

const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Runs `penstock hub start` with `args` until it is told to stop. @returns The exit code. */
export async function hubCommand(args: readonly string[]): Promise<number> {
  try {
    const settings = parseHubFlags(args, Deno.env.toObject());
    if (settings === null) {
      say(HUB_USAGE);
      return EXIT_OK;
    }
    return await runHub(settings);
  } catch (thrown) {
    complain(`Error: ${messageOf(thrown)}`);
    return thrown instanceof UserError ? EXIT_USAGE : EXIT_FAILED;
  }
}

async function runHub(given: HubSettings): Promise<number> {
  const settings = await withBrokerAuthorities(given);
  const world = await machine(settings);
  if (settings.isPlainHttpExposed) {
    world.logger.warn("Hub listens beyond this machine over plain http", {
      hostname: settings.hostname,
      advice: "put it behind a proxy that does TLS, or give --tls-cert and --tls-key",
    });
  }
  const stopped = Promise.withResolvers<number>();
  const stop = () => stopped.resolve(EXIT_OK);
  Deno.addSignalListener("SIGTERM", stop);
  Deno.addSignalListener("SIGINT", stop);
  const hub = await startHub(settings, world);
  if (hub.newAdminToken !== null) {
    say(`Admin token, shown once: ${hub.newAdminToken}`);
    say(`Dashboard: ${hub.url}/#token=${hub.newAdminToken}`);
  }
  say(`Hub at ${hub.url}, admin token in ${hub.adminTokenFile}`);
  const ended = await Promise.race([
    stopped.promise,
    hub.deposed.then((reason) => {
      complain(`Error: ${reason}`);
      return EXIT_FAILED;
    }),
  ]);
  await hub.stop();
  Deno.removeSignalListener("SIGTERM", stop);
  Deno.removeSignalListener("SIGINT", stop);
  return ended;
}

async function machine(settings: HubSettings): Promise<HubWorld> {
  const logs = new LogBook();
  const logger = createLogger(settings.logLevel, (line) => {
    writeLog(line);
    logs.addOwn(line);
  });
  const tls = settings.tlsFiles === null ? null : {
    cert: await Deno.readTextFile(settings.tlsFiles.cert),
    key: await Deno.readTextFile(settings.tlsFiles.key),
  };
  return {
    clock: systemClock,
    random: systemRandom,
    logger,
    logs,
    ...(Deno.env.get("OTEL_DENO") === "true" ? { startTracing } : {}),
    files: localFiles,
    assets: createAssets({
      dashboard: new URL("./dashboard", import.meta.url).pathname,
      dashboardScript: dashboardScript((error) =>
        logger.error("Dashboard could not be built; the API works without it", { error })
      ),
      asyncApi: new URL("./asyncapi.yaml", import.meta.url).pathname,
      installScript: new URL("./install.sh", import.meta.url).pathname,
      programs: gatewayBundles,
      denoFlags: AGENT_FLAGS,
      swaggerUi: new URL("../node_modules/swagger-ui-dist", import.meta.url).pathname,
    }),
    extractGraph: createGraphExtractor({ spawn: spawnSelf, clock: systemClock }),
    openPiece: openSavedPiece,
    lockDirectory,
    openObjectStore: (spec, options) =>
      openObjectStore(spec, {
        ...options,
        clock: systemClock,
        s3Credentials: settings.s3Credentials,
      }),
    async checkBroker({ url, caPem }) {
      (await denoDialer(url, { caPem })).close();
    },
    serve: (answer) => serveHttp({ ...settings, tls, answer }),
    upgradeWebSocket,
    ...(settings.failPoint === null ? {} : { failPoint: failPointOf(settings.failPoint) }),
  };
}

async function dashboardScript(failed: (error: unknown) => void): Promise<string | null> {
  try {
    return await ensureBundle("dashboard");
  } catch (thrown) {
    failed(thrown);
    return null;
  }
}

async function withBrokerAuthorities(settings: HubSettings): Promise<HubSettings> {
  const brokers = await Promise.all(settings.brokers.map(async (broker) => {
    const file = settings.brokerCaFiles[broker.name];
    return file === undefined ? broker : { ...broker, caPem: await Deno.readTextFile(file) };
  }));
  return { ...settings, brokers };
}

/** Kills this process the nth time a point is reached, as a power cut would. */
function failPointOf(text: string): (name: FailPoint) => void {
  const [wanted, nth = "1"] = text.split(":");
  let left = Number(nth);
  return (name) => {
    if (name !== wanted) return;
    left--;
    if (left === 0) Deno.kill(Deno.pid, "SIGKILL");
  };
}

const encoder = new TextEncoder();

function say(line: string): void {
  Deno.stdout.writeSync(encoder.encode(`${line}\n`));
}

function complain(line: string): void {
  Deno.stderr.writeSync(encoder.encode(`${line}\n`));
}

if (import.meta.main) Deno.exit(await hubCommand(Deno.args));
