/// <reference lib="dom" />
/** All jobs. @module */
import type { JobSummary } from "@shared/api.ts";
import { LoadedList, PageHead, Section } from "../parts/frame.tsx";
import { JobTable } from "../parts/job_table.tsx";
import { useList } from "../state/resource.ts";
import { NO_JOBS } from "./overview.tsx";

export function JobsPage() {
  const jobs = useList<JobSummary>("/jobs", ["job", "region", "checkpoint", "alarm"]);
  return (
    <>
      <PageHead title="Jobs" />
      <Section title="All jobs">
        <LoadedList list={jobs}>
          {(items) => <JobTable jobs={items} empty={NO_JOBS} />}
        </LoadedList>
      </Section>
    </>
  );
}
