/**
 * What is shipped for Prometheus and Grafana, against a real Prometheus and a hub that has a plant: the
 * exposition is clean, the target is up, every query of the dashboard and every rule answers.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { isFound, waitUntil } from "../support/commands.ts";
import { checkExposition, findPrometheus, startPrometheus } from "../support/prometheus.ts";
import { startSeededHub } from "../support/seeded_hub.ts";

const DASHBOARD = new URL("../../deploy/grafana/dashboards/penstock.json", import.meta.url);
/** Names that others rely on, beside those that need a restore or a lost session to have a value. */
const NAMES = [
  "records_in_total",
  "records_out_total",
  "records_dropped_total",
  "late_records_total",
  "event_time_lag_seconds",
  "watermark_timestamp_seconds",
  "operator_busy_ratio",
  "backpressured_ratio",
  "checkpoint_duration_seconds_bucket",
  "checkpoint_size_bytes",
  "checkpoints_total",
  "last_checkpoint_timestamp_seconds",
  "state_entries",
  "state_size_bytes",
  "mqtt_sequence_gaps_total",
  "agent_up",
  "agent_last_seen_timestamp_seconds",
  "alarms_active",
  "build_info",
];

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

const programs = await findPrometheus();
if (isFound(programs) && programs.kind === "found") {
  Deno.test("prometheus: scrape file, rules and every query of the dashboard work as shipped", async () => {
    const hub = await startSeededHub({ isPlantOnly: true });
    const token = await hub.token("viewer");
    const prometheus = await startPrometheus(programs.value, { url: hub.url, token });
    try {
      const scraped = await fetch(`${hub.url}/metrics`, {
        headers: { authorization: `Bearer ${token}` },
      });
      equal(await checkExposition(programs.value, await scraped.text()), null);
      const isUp = async () => {
        const { data } = await prometheus.query('up{job="penstock"}');
        return data.result[0]?.value[1] === "1";
      };
      await waitUntil("the target", isUp, 60_000);
      await waitUntil("a timed checkpoint", async () => {
        const name = "penstock_checkpoint_duration_seconds_count";
        return (await prometheus.query(`${name}{phase="total"} > 1`)).data.result.length > 0;
      }, 90_000);
      const absent: string[] = [];
      for (const name of NAMES) {
        const { data } = await prometheus.query(`penstock_${name}`);
        if (data.result.length === 0) absent.push(name);
      }
      deepEqual(absent, []);
      // A rate needs two scrapes, and load may hold a scrape back.
      let empty: string[] = [];
      await waitUntil("every panel shows something", async () => {
        empty = await emptyPanels(prometheus);
        return empty.length === 0;
      }, 60_000).catch((thrown) => {
        deepEqual(empty, []);
        throw thrown;
      });
      const rules = await prometheus.get("/api/v1/rules") as {
        data: { groups: { rules: { name: string; health: string; lastError?: string }[] }[] };
      };
      const all = rules.data.groups.flatMap((group) => group.rules);
      ok(all.length >= 7);
      deepEqual(all.filter(({ lastError }) => (lastError ?? "") !== ""), []);
    } finally {
      await prometheus.stop();
      await hub.close();
    }
  });
}

/** @returns Titles of panels with a query that finds nothing. */
async function emptyPanels(
  prometheus: Awaited<ReturnType<typeof startPrometheus>>,
): Promise<string[]> {
  const dashboard: Dashboard = JSON.parse(await Deno.readTextFile(DASHBOARD));
  const empty: string[] = [];
  for (const { title, targets } of dashboard.panels) {
    for (const { expr } of targets) {
      const plain = expr.replaceAll("$__rate_interval", "30s").replaceAll("$job", ".*");
      const answer = await prometheus.query(plain);
      equal(answer.status, "success", `${title}: ${plain}: ${answer.error}`);
      if (answer.data.result.length === 0) empty.push(title);
    }
  }
  // Nothing was restored yet.
  return empty.filter((title) => !title.startsWith("Restores"));
}
