/// <reference lib="dom" />
/**
 * What is abnormal now: figures first, then the equipment, jobs and agents that need a look.
 *
 * @module
 */
import type { AgentView, AlarmView, EquipmentView, JobSummary } from "@shared/api.ts";
import { AgentTable } from "../parts/agent_table.tsx";
import { EquipmentTable } from "../parts/equipment_table.tsx";
import { LoadedList, PageHead, Section } from "../parts/frame.tsx";
import { freshnessOf, PRIORITY_RANK } from "../parts/health.ts";
import { withLiveSample } from "../parts/equipment_live.ts";
import { JobTable } from "../parts/job_table.tsx";
import { Figure } from "../parts/marks.tsx";
import { NONE } from "../format.ts";
import { hrefOf } from "../router.ts";
import { type ListResource, useList } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

/** A heartbeat is no event: the time of the last one is asked for. */
export const HEARTBEAT_MS = 5_000;
/** New equipment shows within this time; the values of known ones come with the stream. */
export const DISCOVERY_MS = 15_000;

export function OverviewPage() {
  const jobs = useList<JobSummary>("/jobs?limit=200", ["job", "region", "alarm", "checkpoint"]);
  const agents = useList<AgentView>("/agents?limit=200", ["agent", "region"], HEARTBEAT_MS);
  const equipment = useList<EquipmentView>("/equipment?limit=200", ["alarm"], DISCOVERY_MS);
  const alarms = useList<AlarmView>("/alarms?state=unacknowledged&limit=200", ["alarm"]);
  return (
    <>
      <PageHead title="Overview" />
      <Figures jobs={jobs} agents={agents} equipment={equipment} alarms={alarms} />
      <Section title="Equipment">
        <LoadedList list={equipment}>
          {(items) => (
            <EquipmentTable
              caption="Equipment, worst first"
              equipment={items}
              empty="No equipment has sent a signal yet. It appears once a job with a detector runs."
            />
          )}
        </LoadedList>
      </Section>
      <Section title="Jobs">
        <LoadedList list={jobs}>
          {(items) => <JobTable jobs={items} empty={NO_JOBS} />}
        </LoadedList>
      </Section>
      <Section title="Fleet">
        <LoadedList list={agents}>
          {(items) => <AgentTable agents={items} empty={NO_AGENTS} />}
        </LoadedList>
      </Section>
    </>
  );
}

export const NO_JOBS = "No job yet. Deploy one with: penstock jobs deploy FILE.ts";
export const NO_AGENTS = "No agent yet. An agent appears here as soon as it has enrolled.";

function Figures(
  props: {
    readonly jobs: ListResource<JobSummary>;
    readonly agents: ListResource<AgentView>;
    readonly equipment: ListResource<EquipmentView>;
    readonly alarms: ListResource<AlarmView>;
  },
) {
  const { live, now } = useServices();
  const samples = live.samples.value;
  const alarms = props.alarms.value?.items ?? null;
  const agents = props.agents.value?.items ?? null;
  const jobs = props.jobs.value?.items.filter((job) => job.desiredState === "running") ?? null;
  const equipment = props.equipment.value?.items.map((one) => withLiveSample(one, samples)) ?? null;
  const abnormal = equipment?.filter((one) => one.activeAlarms > 0).length ?? 0;
  const silent =
    equipment?.filter((one) => freshnessOf(one.lastAt, now.value) !== "fresh").length ?? 0;
  const away = agents?.filter((agent) => agent.status !== "online").length ?? 0;
  const troubled = jobs?.filter((job) => job.status !== "running").length ?? 0;
  const urgent = alarms?.filter((alarm) => PRIORITY_RANK[alarm.priority] <= 2).length ?? 0;
  return (
    <dl class="figures" aria-label="State of the plant">
      <Figure
        label="Unacknowledged alarms"
        href={hrefOf({ kind: "alarms" }, { state: "unacknowledged" })}
        value={alarms === null ? NONE : `${alarms.length}${props.alarms.value?.next ? "+" : ""}`}
        note={`${urgent} high or critical`}
        tone={urgent > 0 ? "bad" : (alarms?.length ?? 0) > 0 ? "warn" : "calm"}
      />
      <Figure
        label="Signals in alarm"
        href={hrefOf({ kind: "equipmentList" }, { state: "alarm" })}
        value={equipment === null ? NONE : `${abnormal} of ${equipment.length}`}
        note={`${silent} without fresh signal`}
        tone={abnormal > 0 ? "bad" : silent > 0 ? "unknown" : "calm"}
      />
      <Figure
        label="Jobs running"
        href={hrefOf({ kind: "jobs" })}
        value={jobs === null ? NONE : `${jobs.length - troubled} of ${jobs.length}`}
        note={troubled === 0 ? "as wanted" : `${troubled} not as wanted`}
        tone={troubled > 0 ? "warn" : "calm"}
      />
      <Figure
        label="Agents online"
        href={hrefOf({ kind: "fleet" })}
        value={agents === null ? NONE : `${agents.length - away} of ${agents.length}`}
        note={away === 0 ? "all here" : `${away} away or draining`}
        tone={away > 0 ? "warn" : "calm"}
      />
    </dl>
  );
}
