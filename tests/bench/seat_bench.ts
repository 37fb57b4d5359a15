/**
 * The operator's seat under a large plant: 5,000 pieces of equipment with 4 signals each, every second.
 *
 * Touches processes, loopback ports and files below a temporary folder. A real hub over a real PostgreSQL, an
 * agent's connection over the real WebSocket, 200 open event streams, and Chromium, which opens the overview
 * and a chart of 24 hours as a person would: with nothing cached.
 *
 * @module
 */
import { type Browser, chromium } from "playwright-core";
import { sql } from "drizzle-orm";
import type { OperationView } from "@shared/api.ts";
import type { JobDetail } from "@shared/job_api.ts";
import type { JobId } from "@shared/ids.ts";
import type { SignalSample } from "@shared/messages.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { lockDirectory } from "@shared/platform/directory_lock.ts";
import { type Db, openDatabase, rowsOf } from "../../hub/db/client.ts";
import { makePartition, partitionStart } from "../../hub/db/signal_partitions.ts";
import { bundleJob } from "../../tools/build/bundle_job.ts";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import { LocalCluster } from "../../tools/cluster/cluster.ts";
import { CHROMIUM_ARGS, chromiumPath } from "../support/chromium.ts";
import { startPostgres } from "../support/postgres.ts";
import { WireAgent } from "../support/wire_agent.ts";
import { median, usageOf } from "./machine.ts";

const EQUIPMENT_COUNT = 5_000;
const SIGNALS = ["temperature", "pressure", "vibration", "current"] as const;
const SECONDS = 75;
/** Messages that one second's samples go in; a gateway sends a few hundred each. */
const MESSAGES_PER_SECOND = 20;
/** A little faster than every second, so that what timers lose is made up for. */
const MESSAGE_INTERVAL_MS = 980 / MESSAGES_PER_SECOND;
const CLIENTS = 200;
/** Equipment that each client follows. */
const FOLLOWED = 3;
/** Equipment with a day behind it. */
const BACKFILLED = 250;
const BACKFILLED_AT_ONCE = 10;
const OPENINGS = 3;
const READY_TIMEOUT_MS = 90_000;
const WARM_SECONDS = 15;

export interface SeatFigures {
  readonly overviewOpenMs: number;
  readonly chartOpenMs: number;
  readonly seatHubRssMb: number;
  /** Samples a second that the hub took in and stored. */
  readonly signalsPerSecond: number;
  readonly sseClients: number;
}

export async function benchSeat(note: (line: string) => void): Promise<SeatFigures> {
  const folder = await Deno.makeTempDir({ prefix: "penstock-seat-" });
  const postgres = await startPostgres();
  const databaseUrl = await postgres.createDatabase();
  const cluster = new LocalCluster({
    folder,
    brokerUrl: null,
    hubPort: 0,
    hubFlags: ["--database-url", databaseUrl],
  });
  const opened: { close(): Promise<void> }[] = [];
  try {
    await cluster.startBroker();
    await cluster.startHub();
    note(`hub at rest: ${Math.round(usageOf(cluster.hub.pid).rssMb)} MB`);
    const plant = await startPlant(cluster);
    opened.push({ close: () => Promise.resolve(plant.agent.close()) });
    const database = await openDatabase({ databaseUrl }, { clock: systemClock, lockDirectory });
    opened.push(database);
    const speech = speak(plant);
    opened.push({ close: () => speech.stop() });
    const clients = await openClients(cluster);
    opened.push(clients);
    await seconds(WARM_SECONDS);
    note(`hub under load: ${Math.round(usageOf(cluster.hub.pid).rssMb)} MB`);
    await backfill(database.db, note);
    return await measure({ cluster, db: database.db, clients, note });
  } finally {
    for (const one of opened.reverse()) await one.close();
    await cluster.stop();
    await postgres.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

interface Plant {
  readonly agent: WireAgent;
  readonly jobId: JobId;
  readonly keys: readonly string[];
}

/** A job that runs on the agent, and its equipment on three levels. */
async function startPlant({ api }: LocalCluster): Promise<Plant> {
  const agent = await WireAgent.enrol({ api, name: "gateway-1" });
  await agent.connect();
  const { bundle } = await bundleJob(`${PROJECT_ROOT}/tests/support/jobs/line_watch.ts`);
  const { jobId } = await api.post<OperationView>("/jobs", { name: "line-watch", bundle });
  await until(
    "the job runs",
    async () => (await api.get<JobDetail>(`/jobs/${jobId}`)).status === "running",
  );
  const places = Array.from({ length: EQUIPMENT_COUNT }, (_, n) => ({
    key: keyOf(n),
    path: [`site-${n % 5}`, `line-${Math.floor(n / 5) % 20}`],
  }));
  agent.say({ kind: "equipment", jobId: jobId as JobId, places });
  return { agent, jobId: jobId as JobId, keys: places.map(({ key }) => key) };
}

function keyOf(n: number): string {
  return `machine-${n}`;
}

/** Every signal of every machine, each second, spread over it. */
function speak({ agent, jobId, keys }: Plant): { stop(): Promise<void> } {
  let isStopped = false;
  const perMessage = Math.ceil(keys.length / MESSAGES_PER_SECOND);
  const done = (async () => {
    const startMs = performance.now();
    for (let n = 0; !isStopped; n++) {
      const from = n % MESSAGES_PER_SECOND * perMessage;
      const some = keys.slice(from, from + perMessage);
      agent.say({ kind: "samples", jobId, samples: samplesOf(some, Date.now()) });
      const waitMs = startMs + (n + 1) * MESSAGE_INTERVAL_MS - performance.now();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, waitMs)));
    }
  })();
  return {
    stop() {
      isStopped = true;
      return done;
    },
  };
}

function samplesOf(keys: readonly string[], atMs: number): SignalSample[] {
  return keys.flatMap((key, n) =>
    SIGNALS.map((operatorUid, s) => ({
      operatorUid,
      key,
      atMs,
      value: 50 + 10 * Math.sin(atMs / 10_000 + n + s),
      score: Math.sin(atMs / 3_000 + n) * 2,
      low: 38,
      high: 62,
    }))
  );
}

interface Clients {
  readonly count: () => number;
  readonly received: () => number;
  close(): Promise<void>;
}

/** Event streams of as many screens, each following a few machines; what comes is read and counted. */
async function openClients({ hubUrl, adminToken }: LocalCluster): Promise<Clients> {
  const abort = new AbortController();
  let open = 0;
  let received = 0;
  const reading: Promise<void>[] = [];
  for (let i = 0; i < CLIENTS; i++) {
    const query = Array.from(
      { length: FOLLOWED },
      (_, n) => `equipment=${keyOf((i * 17 + n * 5) % EQUIPMENT_COUNT)}`,
    );
    const response = await fetch(`${hubUrl}/api/v1/events?${query.join("&")}`, {
      headers: { authorization: `Bearer ${adminToken}` },
      signal: abort.signal,
    });
    if (!response.ok) throw new Error(`Stream ${i} was refused: ${await response.text()}`);
    open++;
    reading.push(
      (async () => {
        for await (const chunk of response.body!) received += chunk.length;
      })().catch(() => {}).finally(() => open--),
    );
  }
  return {
    count: () => open,
    received: () => received,
    async close() {
      abort.abort();
      await Promise.all(reading);
    },
  };
}

/** A day of minutes for some machines, as roll-ups would have left it. */
async function backfill(db: Db, note: (line: string) => void): Promise<void> {
  const dayAgo = new Date(Date.now() - 86_400_000).toISOString();
  for (const atMs of [Date.now() - 86_400_000, Date.now()]) {
    await makePartition(db, "minute", partitionStart("minute", atMs));
  }
  for (let first = 0; first < BACKFILLED; first += BACKFILLED_AT_ONCE) {
    await db.execute(sql`
      insert into signal_minutes (series_id, at, n, lowest, highest, total, latest, score, low, high)
      select s.id, date_trunc('minute', t), 60, 40 + sin(extract(epoch from t) / 900),
        60 + cos(extract(epoch from t) / 700), 3000, 50, 1, 38, 62
      from series s, generate_series(${dayAgo}::timestamptz, now() - interval '2 minutes',
        interval '1 minute') t
      where s.kind = 'signal' and substring(s.subject from 9)::int >= ${first}
        and substring(s.subject from 9)::int < ${first + BACKFILLED_AT_ONCE}
      on conflict do nothing`);
  }
  await db.execute(sql`analyze signal_minutes`);
  const [row] = rowsOf<{ n: number }>(
    await db.execute(sql`select count(*)::int as n from signal_minutes`),
  );
  note(`${row!.n} minutes of history in the database`);
}

async function measure(
  { cluster, db, clients, note }: {
    readonly cluster: LocalCluster;
    readonly db: Db;
    readonly clients: Clients;
    readonly note: (line: string) => void;
  },
): Promise<SeatFigures> {
  const { pid } = cluster.hub;
  const fromMs = Date.now();
  const before = usageOf(pid);
  let rssMb = before.rssMb;
  const watch = setInterval(() => rssMb = Math.max(rssMb, usageOf(pid).rssMb), 1_000);
  const browser = await chromium.launch({
    executablePath: await chromiumPath(),
    args: CHROMIUM_ARGS,
  });
  try {
    await seconds(SECONDS);
    const overviewOpenMs = await openings(
      browser,
      cluster,
      "/",
      'main a[href*="/equipment/machine-"]',
    );
    const chartOpenMs = await openings(
      browser,
      cluster,
      `/equipment/${keyOf(3)}?range=24h`,
      "canvas",
    );
    const spentMs = Date.now() - fromMs;
    const { cpuSeconds } = usageOf(pid);
    note(
      `hub used ${Math.round((cpuSeconds - before.cpuSeconds) * 100_000 / spentMs)} % of a core`,
    );
    note(`streams brought ${Math.round(clients.received() / 1024)} KiB`);
    const signalsPerSecond = await storedPerSecond(db, fromMs);
    return {
      overviewOpenMs,
      chartOpenMs,
      seatHubRssMb: rssMb,
      signalsPerSecond,
      sseClients: clients.count(),
    };
  } finally {
    clearInterval(watch);
    await browser.close();
  }
}

/** From the call of a page until what it is about can be seen; each time in a browser that knows nothing. */
async function openings(
  browser: Browser,
  { hubUrl, adminToken }: LocalCluster,
  path: string,
  wanted: string,
): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < OPENINGS; i++) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    const signedIn = await context.request.post(`${hubUrl}/api/v1/session`, {
      data: { token: adminToken },
    });
    if (!signedIn.ok()) throw new Error(`Not signed in: ${await signedIn.text()}`);
    const page = await context.newPage();
    const beforeMs = performance.now();
    await page.goto(`${hubUrl}${path}`);
    if (wanted === "canvas") {
      await page.waitForFunction(isDrawn, null, { timeout: READY_TIMEOUT_MS });
    } else await page.locator(wanted).first().waitFor({ timeout: READY_TIMEOUT_MS });
    times.push(performance.now() - beforeMs);
    await context.close();
  }
  return median(times);
}

/** Runs in the page: whether something is drawn in a chart. */
function isDrawn(): boolean {
  const page = globalThis as unknown as {
    document: { querySelectorAll(selector: string): Iterable<DrawnCanvas> };
  };
  return [...page.document.querySelectorAll("canvas")].some((canvas) => {
    if (canvas.width === 0 || canvas.height === 0) return false;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.some((byte) => byte !== 0);
  });
}

interface DrawnCanvas {
  readonly width: number;
  readonly height: number;
  getContext(kind: "2d"): {
    getImageData(x: number, y: number, w: number, h: number): { readonly data: Uint8ClampedArray };
  };
}

/** Of the whole spans that lie in the time measured. */
async function storedPerSecond(db: Db, fromMs: number): Promise<number> {
  const [row] = rowsOf<{ points: number; spans: number }>(
    await db.execute(sql`
      select coalesce(sum(n), 0)::float8 as points, count(distinct at)::int as spans
      from signal_chunks c join series s on s.id = c.series_id and s.kind = 'signal'
      where at >= ${new Date(fromMs).toISOString()}::timestamptz
        and at < now() - interval '25 seconds'`),
  );
  return row!.spans === 0 ? 0 : row!.points / (row!.spans * 10);
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + READY_TIMEOUT_MS;
  while (!await isSo()) {
    if (Date.now() > endMs) throw new Error(`Waited in vain until ${what}`);
    await seconds(0.1);
  }
}

function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}
