/// <reference lib="dom" />
/**
 * One job: its head and tabs; the first tab shows graph, guarantee and regions.
 *
 * @module
 */
import type { JobDetail, RegionView } from "@shared/api.ts";
import { countText, durationText, NONE, plural, rateText, shortId } from "../format.ts";
import { Facts, Loaded, PageHead, Section } from "../parts/frame.tsx";
import { GraphView } from "../parts/graph_view.tsx";
import { jobMark, type Mark, rowClass, statusMark } from "../parts/health.ts";
import { Badge, ShareBar, Time, Who } from "../parts/marks.tsx";
import { Table } from "../parts/table.tsx";
import { hrefOf, type JobTab } from "../router.ts";
import { type LiveRegion, type OperatorRate, regionKey } from "../state/live_state.ts";
import { useGet } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { JobCheckpoints } from "./job_checkpoints.tsx";
import { JobHistory } from "./job_history.tsx";
import { JobSavepoints } from "./job_savepoints.tsx";

const TABS: readonly (readonly [JobTab, string])[] = [
  ["graph", "Graph"],
  ["checkpoints", "Checkpoints"],
  ["savepoints", "Savepoints"],
  ["history", "History"],
];

export function JobPage(props: { readonly jobId: string; readonly tab: JobTab }) {
  const path = `/jobs/${encodeURIComponent(props.jobId)}`;
  const job = useGet<JobDetail>(path, ["job", "region", "attempt", "rollback", "savepoint"]);
  const name = job.value?.name ?? "Job";
  const trail = [{ text: "Jobs", href: hrefOf({ kind: "jobs" }) }];
  return (
    <>
      <PageHead title={name} trail={trail}>
        {job.value === null ? null : <Badge mark={jobMark(job.value.status)} />}
      </PageHead>
      <nav class="tabs" aria-label={`Parts of ${name}`}>
        {TABS.map(([tab, text]) => (
          <a
            key={tab}
            href={hrefOf({ kind: "job", jobId: props.jobId, tab })}
            aria-current={tab === props.tab ? "page" : undefined}
          >
            {text}
          </a>
        ))}
      </nav>
      <Loaded resource={job}>{(detail) => <JobTabView job={detail} tab={props.tab} />}</Loaded>
    </>
  );
}

function JobTabView(props: { readonly job: JobDetail; readonly tab: JobTab }) {
  switch (props.tab) {
    case "graph":
      return <JobGraphTab job={props.job} />;
    case "checkpoints":
      return <JobCheckpoints job={props.job} />;
    case "savepoints":
      return <JobSavepoints job={props.job} />;
    case "history":
      return <JobHistory job={props.job} />;
  }
}

function JobGraphTab(props: { readonly job: JobDetail }) {
  const { live } = useServices();
  const { job } = props;
  const liveRegions = job.regions
    .map((region) => live.regions.value.get(regionKey(job.id, region.regionId)))
    .filter((region) => region !== undefined);
  return (
    <>
      <div class="columns">
        <Section title="State">
          <StateFacts job={job} />
        </Section>
        <Section title="Guarantee">
          <GuaranteeFacts job={job} />
        </Section>
      </div>
      <Section title="Graph">
        <GraphView graph={job.graph} rates={sumRates(liveRegions)} />
      </Section>
      <Section title="Regions">
        <RegionTable job={job} />
      </Section>
    </>
  );
}

function StateFacts(props: { readonly job: JobDetail }) {
  const { job } = props;
  const params = Object.entries(job.params);
  return (
    <Facts
      facts={[
        ["Wanted", job.desiredState],
        ["Actual", <Badge key="actual" mark={jobMark(job.status)} />],
        ["Regions running", `${job.regionsRunning} of ${job.regionsTotal}`],
        ["Checkpoint every", durationText(job.checkpointIntervalMs)],
        ["Lineage", `${job.lineage}${job.lineage > 1 ? " (rolled back before)" : ""}`],
        [
          "Created",
          <span key="created">
            <Time at={job.createdAt} /> by{" "}
            <Who principal={job.createdBy} name={job.createdByName} />
          </span>,
        ],
        ["Bundle", <code key="bundle" title={job.bundleDigest}>{shortId(job.bundleDigest)}</code>],
        [
          "Parameters",
          params.length === 0
            ? "none"
            : params.map(([name, value]) => `${name}=${value}`).join(", "),
        ],
      ]}
    />
  );
}

function GuaranteeFacts(props: { readonly job: JobDetail }) {
  const { asked, given, reasons } = props.job.guarantee;
  const mark: Mark = asked === given
    ? { tone: "calm", text: given }
    : { tone: "warn", text: given };
  return (
    <>
      <Facts facts={[["Asked", asked], ["Given", <Badge key="given" mark={mark} />]]} />
      {reasons.length === 0
        ? <p class="muted">The brokers and sinks give what was asked.</p>
        : <ul class="reasons">{reasons.map((reason) => <li key={reason}>{reason}</li>)}</ul>}
    </>
  );
}

/** Rates per operator over all regions. */
export function sumRates(regions: readonly LiveRegion[]): ReadonlyMap<string, OperatorRate> {
  const sums = new Map<string, OperatorRate>();
  for (const rate of regions.flatMap((region) => region.operators)) {
    const sum = sums.get(rate.uid);
    sums.set(rate.uid, {
      uid: rate.uid,
      inPerSecond: (sum?.inPerSecond ?? 0) + rate.inPerSecond,
      outPerSecond: (sum?.outPerSecond ?? 0) + rate.outPerSecond,
    });
  }
  return sums;
}

interface RegionRow {
  readonly region: RegionView;
  readonly perSecond: number | null;
  readonly figures: RegionFigures | null;
}

type RegionFigures = Pick<
  NonNullable<RegionView["metrics"]>,
  | "windowUsed"
  | "windowSize"
  | "windowSecondsLeft"
  | "busyRatio"
  | "position"
  | "isConnected"
  | "stateEntries"
  | "duplicatesDropped"
  | "deadLetters"
>;

const WINDOW_WARN_SHARE = 0.8;
const BUSY_WARN_SHARE = 0.9;

function RegionTable(props: { readonly job: JobDetail }) {
  const { live } = useServices();
  const rows = props.job.regions.map((region): RegionRow => {
    const found = live.regions.value.get(regionKey(props.job.id, region.regionId));
    return {
      region,
      perSecond: found?.inPerSecond ?? region.metrics?.recordsInPerSecond ?? null,
      figures: found?.report ?? region.metrics,
    };
  });
  return (
    <Table<RegionRow>
      caption="Regions"
      isCaptionHidden
      rows={rows}
      rowKey={(row) => row.region.regionId}
      rowClass={(row) => rowClass(statusMark(row.region.status))}
      empty="The job has no regions yet."
      columns={[
        { header: "Region", isWide: true, cell: (row) => <RegionName region={row.region} /> },
        { header: "State", cell: (row) => <Badge mark={statusMark(row.region.status)} /> },
        { header: "Agent", cell: (row) => row.region.agentName ?? row.region.agentId ?? "none" },
        { header: "Attempt", isNumeric: true, cell: (row) => row.region.attempt },
        { header: "Rate", isNumeric: true, cell: (row) => rateText(row.perSecond) },
        {
          header: "Busy",
          cell: (row) => (
            <ShareBar share={row.figures?.busyRatio ?? null} warnAbove={BUSY_WARN_SHARE} />
          ),
        },
        { header: "Window", cell: (row) => <WindowFill figures={row.figures} /> },
        {
          header: "Position",
          isNumeric: true,
          cell: (row) => countText(row.figures?.position ?? null),
        },
        {
          header: "Entries",
          isNumeric: true,
          cell: (row) => countText(row.figures?.stateEntries ?? null),
        },
        {
          header: "Checkpoint",
          isNumeric: true,
          cell: (row) => row.region.lastCompletedId ?? NONE,
        },
      ]}
    />
  );
}

function RegionName(props: { readonly region: RegionView }) {
  const { region } = props;
  return (
    <span class="stack-tight">
      <strong>{region.regionId}</strong>
      {region.isPossiblyAutonomous
        ? <span class="muted">may still run cut off: reassigning needs a gap allowed</span>
        : null}
      {region.consecutiveFailures > 0
        ? <span class="muted">{plural(region.consecutiveFailures, "failure")} in a row</span>
        : null}
    </span>
  );
}

function WindowFill(props: { readonly figures: RegionFigures | null }) {
  const { figures } = props;
  if (figures === null) return <span>{NONE}</span>;
  if (!figures.isConnected) return <Badge mark={{ tone: "bad", text: "broker away" }} />;
  if (figures.windowSize === 0) return <span class="muted">no window</span>;
  const left = figures.windowSecondsLeft;
  const share = figures.windowUsed / figures.windowSize;
  return (
    <span class="stack-tight">
      <ShareBar
        share={share}
        warnAbove={WINDOW_WARN_SHARE}
        text={`${countText(figures.windowUsed)} of ${countText(figures.windowSize)}`}
      />
      {left === null ? null : <span class="muted">full in {durationText(left * 1000)}</span>}
    </span>
  );
}
