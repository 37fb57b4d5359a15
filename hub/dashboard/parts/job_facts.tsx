/// <reference lib="dom" />
/**
 * What a job was asked for and made of, and why it gives the guarantee it gives.
 *
 * @module
 */
import type { JobDetail } from "@shared/job_api.ts";
import { durationText, shortId } from "../format.ts";
import { Facts, Section } from "./frame.tsx";
import { jobMark, type Mark } from "./health.ts";
import { Badge, Time, Who } from "./marks.tsx";

export function JobFacts(props: { readonly job: JobDetail }) {
  return (
    <div class="columns">
      <Section title="State and version">
        <StateFacts job={props.job} />
      </Section>
      <Section title="Guarantee">
        <GuaranteeFacts job={props.job} />
      </Section>
    </div>
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
        ["Version", <code key="bundle" title={job.bundleDigest}>{shortId(job.bundleDigest)}</code>],
        ["Lineage", `${job.lineage}${job.lineage > 1 ? " (rolled back before)" : ""}`],
        ["Parallelism", `${job.parallelism} for each keyed stage`],
        ["Checkpoint every", durationText(job.checkpointIntervalMs)],
        [
          "Created",
          <span key="created">
            <Time at={job.createdAt} /> by{" "}
            <Who principal={job.createdBy} name={job.createdByName} />
          </span>,
        ],
        [
          "Parameters",
          params.length === 0 ? "none" : (
            <span key="params" class="chips">
              {params.map(([name, value]) => <span key={name} class="chip">{name}={value}</span>)}
            </span>
          ),
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
