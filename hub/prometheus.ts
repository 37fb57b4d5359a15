/**
 * The hub's figures in Prometheus' text format: prefix `penstock_`, base units, bounded labels.
 *
 * Touches the database, only to read. Gauges are made at each scrape from what is known; nothing is
 * labelled by key or by text that an agent sends.
 *
 * @module
 */
import { Counter, Gauge, Registry } from "prom-client";
import { listAgents } from "./db/agent_store.ts";
import { alarmTotals } from "./db/alarm_store.ts";
import { listJobFacts } from "./db/job_view_store.ts";
import type { HubContext } from "./ports.ts";
import { type Make, subtaskFigures } from "./prometheus_subtasks.ts";

/** Jobs of which figures are given: the newest. */
const JOBS_MAX = 200;

/** All figures of this moment. */
export async function renderMetrics(hub: HubContext, version: string): Promise<string> {
  const registry = new Registry();
  const make: Make = {
    gauge: (name, help, labels) => new Gauge(configOf(registry, name, help, labels)),
    counter: (name, help, labels) => new Counter(configOf(registry, name, help, labels)),
  };
  const { gauge } = make;
  gauge("build_info", "Version of this hub", ["version"]).set({ version }, 1);
  gauge("hub_term", "Reign of this hub over its database", []).set(hub.hubTerm);
  await addAgents(hub, make);
  await addJobs(hub, make);
  const alarms = gauge("alarms_active", "Alarms whose condition holds", ["priority", "state"]);
  for (const { priority, isAcknowledged, count } of await alarmTotals(hub.db)) {
    alarms.set({ priority, state: isAcknowledged ? "acknowledged" : "unacknowledged" }, count);
  }
  return await registry.metrics();
}

function configOf(registry: Registry, name: string, help: string, labelNames: readonly string[]) {
  return { name: `penstock_${name}`, help, labelNames: [...labelNames], registers: [registry] };
}

async function addAgents(hub: HubContext, { gauge }: Make): Promise<void> {
  const up = gauge("agent_up", "1 while the agent is connected", ["agent"]);
  const seen = gauge("agent_last_seen_timestamp_seconds", "When it was last heard", ["agent"]);
  for (const agent of await listAgents(hub.db)) {
    up.set({ agent: agent.name }, hub.live.onlineAgents.has(agent.id) ? 1 : 0);
    if (agent.lastSeenAtMs !== null) seen.set({ agent: agent.name }, agent.lastSeenAtMs / 1000);
  }
}

async function addJobs(hub: HubContext, make: Make): Promise<void> {
  const { gauge } = make;
  const labels = ["job", "region"];
  const running = gauge("region_running", "1 while the region runs", labels);
  const attempt = gauge("region_attempt", "Run number of the region", labels);
  const checkpoint = gauge("last_checkpoint_timestamp_seconds", "When it completed", ["job"]);
  const recordsIn = make.counter("records_in_total", "Records in since the attempt began", labels);
  const recordsOut = make.counter(
    "records_out_total",
    "Records out since the attempt began",
    labels,
  );
  const duplicates = make.counter("duplicates_dropped_total", "Redeliveries recognised", labels);
  const deadLetters = make.counter("dead_letters_total", "Records not decodable", labels);
  const entries = gauge("state_entries", "Keys with state", labels);
  const windowUsed = gauge("mqtt_window_used", "Unacknowledged messages", labels);
  const windowSize = gauge("mqtt_window_size", "Most unacknowledged messages", labels);
  const busy = gauge("operator_busy_ratio", "Share of time spent processing", labels);
  const backpressured = gauge("operator_backpressured_ratio", "Share of time held back", labels);
  const addSubtask = subtaskFigures(make);
  const connected = gauge("mqtt_connected", "1 while the source is connected", labels);
  const jobs = await listJobFacts(hub.db, {
    limit: JOBS_MAX,
    beforeId: null,
    desiredState: "running",
  });
  for (const job of jobs) {
    if (job.lastCheckpoint !== null) {
      checkpoint.set({ job: job.name }, Date.parse(job.lastCheckpoint.endedAt) / 1000);
    }
    for (const region of job.regions) {
      const at = { job: job.name, region: region.regionId };
      running.set(at, region.status === "running" ? 1 : 0);
      attempt.set(at, region.attempt);
      const metrics = hub.live.metrics.get(`${job.id}/${region.regionId}`);
      if (metrics === undefined) continue;
      const subtasks = hub.live.subtasks.get(`${job.id}/${region.regionId}`);
      for (const subtask of subtasks?.values() ?? []) addSubtask(job.name, subtask);
      recordsIn.inc(at, metrics.recordsIn);
      recordsOut.inc(at, metrics.recordsOut);
      duplicates.inc(at, metrics.duplicatesDropped);
      deadLetters.inc(at, metrics.deadLetters);
      entries.set(at, metrics.stateEntries);
      windowUsed.set(at, metrics.windowUsed);
      windowSize.set(at, metrics.windowSize);
      busy.set(at, metrics.busyRatio);
      backpressured.set(at, metrics.backpressuredRatio);
      connected.set(at, metrics.isConnected ? 1 : 0);
    }
  }
}
