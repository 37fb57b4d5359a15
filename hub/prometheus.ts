/**
 * The hub's figures in Prometheus' text format: prefix `penstock_`, base units, bounded labels.
 *
 * Touches the database, only to read. Gauges are made at each scrape from what is known; counters are kept
 * by the `MetricBook`. Nothing is labelled by key or by text that comes with telemetry.
 *
 * @module
 */
import process from "node:process";
import { Counter, Gauge, Registry } from "prom-client";
import type { AlarmPriority } from "@shared/plant_api.ts";
import { listAgents } from "./db/agent_store.ts";
import { alarmTotals } from "./db/alarm_store.ts";
import { type JobFacts, listJobFacts } from "./db/job_view_store.ts";
import { regionFigures } from "./db/region_figures.ts";
import { jobMetrics } from "./job_metrics.ts";
import { regionViews } from "./job_views.ts";
import type { MetricBook } from "./metric_book.ts";
import type { HubContext } from "./ports.ts";
import { type Make, subtaskFigures } from "./prometheus_subtasks.ts";

/** Jobs of which figures are given: the newest. */
const JOBS_MAX = 200;
const PRIORITIES: readonly AlarmPriority[] = ["low", "medium", "high", "critical"];

/** What a scrape needs beside the hub. */
export interface ScrapeSources {
  readonly hub: HubContext;
  readonly book: MetricBook;
  readonly version: string;
}

/** All figures of this moment. */
export async function renderMetrics({ hub, book, version }: ScrapeSources): Promise<string> {
  const registry = new Registry();
  const make: Make = {
    gauge: (name, help, labels) => new Gauge(configOf(registry, name, help, labels)),
    counter: (name, help, labels) => new Counter(configOf(registry, name, help, labels)),
  };
  const { gauge } = make;
  gauge("build_info", "Version of this hub", ["version"]).set({ version }, 1);
  gauge("hub_term", "Reign of this hub over its database", []).set(hub.hubTerm);
  addProcess(make);
  await addAgents(hub, make);
  await addJobs(hub, book, make);
  const alarms = gauge("alarms_active", "Alarms whose condition holds", ["priority", "state"]);
  for (const priority of PRIORITIES) {
    for (const state of ["acknowledged", "unacknowledged"]) alarms.set({ priority, state }, 0);
  }
  for (const { priority, isAcknowledged, count } of await alarmTotals(hub.db)) {
    alarms.set({ priority, state: isAcknowledged ? "acknowledged" : "unacknowledged" }, count);
  }
  const dropped = make.counter("signal_samples_dropped_total", "Points that no chart has", [
    "reason",
  ]);
  const { tooOld, tooNew, overflow } = hub.signals.drops;
  dropped.inc({ reason: "too_old" }, tooOld);
  dropped.inc({ reason: "too_new" }, tooNew);
  dropped.inc({ reason: "overflow" }, overflow);
  return await registry.metrics() + "\n" + await book.registry.metrics();
}

function configOf(registry: Registry, name: string, help: string, labelNames: readonly string[]) {
  return { name: `penstock_${name}`, help, labelNames: [...labelNames], registers: [registry] };
}

function addProcess({ gauge, counter }: Make): void {
  const { rss, heapUsed } = process.memoryUsage();
  gauge("process_resident_memory_bytes", "Memory of the hub's process", []).set(rss);
  gauge("process_heap_bytes", "Memory that its JavaScript objects take", []).set(heapUsed);
  counter("process_uptime_seconds_total", "How long this hub has run", []).inc(process.uptime());
}

async function addAgents(hub: HubContext, { gauge }: Make): Promise<void> {
  const up = gauge("agent_up", "1 while the agent is connected", ["agent"]);
  const seen = gauge("agent_last_seen_timestamp_seconds", "When it was last heard", ["agent"]);
  const trip = gauge("agent_round_trip_seconds", "From a heartbeat to its answer", ["agent"]);
  for (const agent of await listAgents(hub.db)) {
    const online = hub.live.onlineAgents.get(agent.id);
    up.set({ agent: agent.name }, online === undefined ? 0 : 1);
    if (agent.lastSeenAtMs !== null) seen.set({ agent: agent.name }, agent.lastSeenAtMs / 1000);
    const tripMs = online?.uplink?.roundTripMs ?? null;
    if (tripMs !== null) trip.set({ agent: agent.name }, tripMs / 1000);
  }
}

async function addJobs(hub: HubContext, book: MetricBook, make: Make): Promise<void> {
  const jobs = await listJobFacts(hub.db, {
    limit: JOBS_MAX,
    beforeId: null,
    desiredState: "running",
  });
  const addRegions = regionGauges(make);
  const addTotals = totalCounters(make);
  const addOperators = operatorGauges(hub, make);
  const addSubtask = subtaskFigures(make);
  const addStored = storedGauges(make, await regionFigures(hub.db));
  for (const job of jobs) {
    book.nameJob(job.id, job.name);
    addRegions(hub, job);
    addTotals(job, book);
    addOperators(job);
    addStored(job);
    for (const { regionId } of job.regions) {
      const subtasks = hub.live.subtasks.get(`${job.id}/${regionId}`);
      for (const subtask of subtasks?.values() ?? []) addSubtask(job.name, subtask);
    }
  }
}

/** What the database knows of regions: how they stand. */
function regionGauges({ gauge }: Make): (hub: HubContext, job: JobFacts) => void {
  const labels = ["job", "region"];
  const running = gauge("region_running", "1 while the region runs", labels);
  const attempt = gauge("region_attempt", "Run number of the region", labels);
  const entries = gauge("state_entries", "Keys with state", labels);
  const used = gauge("mqtt_window_used", "Unacknowledged messages", labels);
  const size = gauge("mqtt_window_size", "Most unacknowledged messages", labels);
  const connected = gauge("mqtt_connected", "1 while the source is connected", labels);
  return (hub, job) => {
    for (const region of job.regions) {
      const at = { job: job.name, region: region.regionId };
      running.set(at, region.status === "running" ? 1 : 0);
      attempt.set(at, region.attempt);
      const metrics = hub.live.metrics.get(`${job.id}/${region.regionId}`);
      if (metrics === undefined) continue;
      entries.set(at, metrics.stateEntries);
      used.set(at, metrics.windowUsed);
      size.set(at, metrics.windowSize);
      connected.set(at, metrics.isConnected ? 1 : 0);
    }
  };
}

/** Counts over all attempts that this hub saw. */
function totalCounters({ counter }: Make): (job: JobFacts, book: MetricBook) => void {
  const recordsIn = counter("records_in_total", "Records into an operator", ["job", "operator"]);
  const recordsOut = counter("records_out_total", "Records out of it", ["job", "operator"]);
  const dropped = counter("records_dropped_total", "Records not worked on", ["job", "reason"]);
  const late = counter("late_records_total", "Records behind the watermark", ["job"]);
  return ({ id, name: job }, book) => {
    const totals = book.ofJob(id);
    for (const [operator, counts] of totals?.operators ?? []) {
      recordsIn.inc({ job, operator }, counts.recordsIn);
      recordsOut.inc({ job, operator }, counts.recordsOut);
    }
    for (const [reason, count] of totals?.dropped ?? []) dropped.inc({ job, reason }, count);
    if (totals !== null) late.inc({ job }, totals.dropped.get("late") ?? 0);
  };
}

/** Shares of an operator: those of the subtasks that run it. */
function operatorGauges(hub: HubContext, { gauge }: Make): (job: JobFacts) => void {
  const labels = ["job", "operator"];
  const busy = gauge("operator_busy_ratio", "Share of time spent processing", labels);
  const held = gauge("backpressured_ratio", "Share of time held back", labels);
  return (job) => {
    const moment = { live: hub.live, isPossiblyAutonomous: () => false };
    for (const one of jobMetrics(job.id, regionViews(job, moment)).operators) {
      busy.set({ job: job.name, operator: one.operator }, one.busyRatio);
      held.set({ job: job.name, operator: one.operator }, one.backpressuredRatio);
    }
  };
}

/** Of the last completed checkpoint and of the last restore. */
function storedGauges(
  { gauge }: Make,
  figures: Awaited<ReturnType<typeof regionFigures>>,
): (job: JobFacts) => void {
  const labels = ["job", "region"];
  const last = gauge("last_checkpoint_timestamp_seconds", "When it completed", ["job"]);
  const checkpoint = gauge("checkpoint_size_bytes", "All that the newest refers to", ["job"]);
  const state = gauge("state_size_bytes", "State of the region when it was last saved", labels);
  const restore = gauge(
    "restore_duration_seconds",
    "From assignment to running, last time",
    labels,
  );
  return (job) => {
    if (job.lastCheckpoint !== null) {
      last.set({ job: job.name }, Date.parse(job.lastCheckpoint.endedAt) / 1000);
    }
    let sum = 0;
    for (const { regionId } of job.regions) {
      const found = figures.get(`${job.id}/${regionId}`);
      const at = { job: job.name, region: regionId };
      if (found?.stateBytes !== undefined) state.set(at, found.stateBytes);
      if (found?.restoreMs !== undefined) restore.set(at, found.restoreMs / 1000);
      sum += found?.stateBytes ?? 0;
    }
    if (job.lastCheckpoint !== null) checkpoint.set({ job: job.name }, sum);
  };
}
