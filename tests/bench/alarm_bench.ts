/// <reference lib="dom" />
/**
 * Ten thousand alarms at once: how long one call takes to acknowledge them all, and how the list scrolls.
 *
 * Touches processes, loopback ports and files below a temporary folder. Real hubs, one over PostgreSQL and
 * one over PGlite; the alarms come as edges over an agent's WebSocket; the list is drawn by Chromium.
 *
 * @module
 */
import { chromium, type Page } from "playwright-core";
import type { OperationView } from "@shared/api.ts";
import type { JobDetail } from "@shared/job_api.ts";
import type { JobId, RegionId } from "@shared/ids.ts";
import type { AlarmEdge } from "@shared/messages.ts";
import { bundleJob } from "../../tools/build/bundle_job.ts";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import { LocalCluster } from "../../tools/cluster/cluster.ts";
import { CHROMIUM_ARGS, chromiumPath } from "../support/chromium.ts";
import { startPostgres } from "../support/postgres.ts";
import { WireAgent } from "../support/wire_agent.ts";
import { pauseMs } from "./bench_cluster.ts";

const ALARMS = 10_000;
const EDGES_PER_MESSAGE = 1_000;
const READY_TIMEOUT_MS = 120_000;
const SCROLL_STEPS = 250;

export interface AlarmFigures {
  /** POST /alarms/ack with a filter that takes them all; the slower of the two databases. */
  readonly alarmAckMs: number;
  /** Longest time between two frames while the list goes from its head to its end. */
  readonly alarmScrollWorstFrameMs: number;
}

export async function benchAlarms(note: (line: string) => void): Promise<AlarmFigures> {
  const embedded = await ackOver([], () => Promise.resolve());
  note(`acknowledged on PGlite in ${embedded.toFixed(0)} ms`);
  const postgres = await startPostgres();
  try {
    const databaseUrl = await postgres.createDatabase();
    let worstFrameMs = Infinity;
    const served = await ackOver(["--database-url", databaseUrl], async (cluster) => {
      worstFrameMs = await scroll(cluster, note);
    });
    note(`acknowledged on PostgreSQL in ${served.toFixed(0)} ms`);
    return { alarmAckMs: Math.max(embedded, served), alarmScrollWorstFrameMs: worstFrameMs };
  } finally {
    await postgres.stop();
  }
}

/** Lets the alarms ring, looks at them with `look`, acknowledges all. @returns How long that took, ms. */
async function ackOver(
  flags: readonly string[],
  look: (cluster: LocalCluster) => Promise<void>,
): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "penstock-alarms-" });
  const cluster = new LocalCluster({ folder, brokerUrl: null, hubPort: 0, hubFlags: [...flags] });
  let agent: WireAgent | null = null;
  try {
    await cluster.startBroker();
    await cluster.startHub();
    const { api } = cluster;
    agent = await WireAgent.enrol({ api, name: "gateway-1" });
    await agent.connect();
    const { bundle } = await bundleJob(`${PROJECT_ROOT}/tests/support/jobs/line_watch.ts`);
    const { jobId } = await api.post<OperationView>("/jobs", { name: "line-watch", bundle });
    await until(
      "the job runs",
      async () => (await api.get<JobDetail>(`/jobs/${jobId}`)).status === "running",
    );
    ring(agent, jobId as JobId);
    await until("all have rung", async () => await open(cluster) === ALARMS);
    await look(cluster);
    const startMs = performance.now();
    const body = { filter: { state: "attention" }, comment: "All of it is the power cut" };
    const { acknowledged } = await api.post<{ acknowledged: number }>("/alarms/ack", body);
    const tookMs = performance.now() - startMs;
    if (acknowledged !== ALARMS) throw new Error(`${acknowledged} were acknowledged`);
    return tookMs;
  } finally {
    agent?.close();
    await cluster.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

async function open({ api }: LocalCluster): Promise<number> {
  const { unacknowledged } = await api.get<{ unacknowledged: number }>(
    "/alarms/count?state=attention",
  );
  return unacknowledged;
}

/** One alarm of each of so many machines, over the last hours. */
function ring(agent: WireAgent, jobId: JobId): void {
  const priorities = ["low", "medium", "high", "critical"] as const;
  const nowMs = Date.now();
  const edges = Array.from({ length: ALARMS }, (_, n): AlarmEdge => ({
    edgeId: `bench-${n}-raise`,
    alarmId: `bench-${n}`,
    jobId,
    regionId: "telemetry.0" as RegionId,
    operatorUid: "vibration",
    sinkUid: "vibration-alarms",
    key: `site-${n % 5}/line-${n % 20}/machine-${n}`,
    isActive: true,
    priority: priorities[n % 4]!,
    text: "Vibration far from usual",
    response: "Look at the bearing",
    atMs: nowMs - n * 1_000,
    value: 7.5,
    score: 6,
    threshold: 4,
    low: 1,
    high: 3,
  }));
  for (let i = 0; i < edges.length; i += EDGES_PER_MESSAGE) {
    agent.say({ kind: "alarms", seq: 1 + i, edges: edges.slice(i, i + EDGES_PER_MESSAGE) });
  }
}

/** Scrolls the list from its head to its end. @returns Its longest frame, ms. */
async function scroll(cluster: LocalCluster, note: (line: string) => void): Promise<number> {
  const browser = await chromium.launch({
    executablePath: await chromiumPath(),
    args: CHROMIUM_ARGS,
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    page.setDefaultTimeout(READY_TIMEOUT_MS);
    await page.goto(`${cluster.hubUrl}/alarms#token=${cluster.adminToken}`);
    await page.waitForSelector(".virtual-row");
    const loaded = await loadAll(page);
    const { frames, worstMs, rows } = await page.evaluate(scrollThrough, SCROLL_STEPS);
    note(`scrolled through ${loaded} alarms in ${frames} frames, ${rows} rows drawn at the end`);
    if (loaded < ALARMS) throw new Error(`The list holds ${loaded} of ${ALARMS} alarms`);
    return worstMs;
  } finally {
    await browser.close();
  }
}

/** Goes to the end of the list until no more comes; rows that it holds. */
async function loadAll(page: Page): Promise<number> {
  const count = () =>
    page.evaluate(() => {
      const list = document.querySelector(".virtual")!;
      list.scrollTop = list.scrollHeight;
      const body = list.querySelector(".virtual-body")!;
      const row = list.querySelector(".virtual-row")!;
      return Math.round(body.clientHeight / row.getBoundingClientRect().height);
    });
  const untilMs = performance.now() + READY_TIMEOUT_MS;
  let rows = await count();
  while (rows < ALARMS && performance.now() < untilMs) {
    await pauseMs(50);
    rows = await count();
  }
  return rows;
}

/** Runs in the page. */
async function scrollThrough(
  steps: number,
): Promise<{ frames: number; worstMs: number; rows: number }> {
  const list = document.querySelector(".virtual")!;
  const frame = () => new Promise<number>((resolve) => requestAnimationFrame(resolve));
  list.scrollTop = 0;
  for (let i = 0; i < 30; i++) await frame();
  let worstMs = 0;
  let before = await frame();
  for (let step = 1; step <= steps; step++) {
    list.scrollTop = (list.scrollHeight - list.clientHeight) * step / steps;
    const now = await frame();
    worstMs = Math.max(worstMs, now - before);
    before = now;
  }
  return { frames: steps, worstMs, rows: document.querySelectorAll(".virtual-row").length };
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + READY_TIMEOUT_MS;
  while (!await isSo()) {
    if (performance.now() > untilMs) throw new Error(`It took too long until ${what}`);
    await pauseMs(200);
  }
}
