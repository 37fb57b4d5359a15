/** Which alarms a command is about. @module */
import { said, textFlag, timeFlag } from "../flags.ts";
import { CliError, EXIT_USAGE, type HubApi } from "../hub_api.ts";

const STATES = [
  "attention",
  "active",
  "unacknowledged",
  "shelved",
  "suppressed",
  "out-of-service",
  "all",
] as const;
const PRIORITIES: readonly string[] = ["critical", "high", "medium", "low"];

export type AlarmFilterFlags = {
  readonly state?: typeof STATES[number];
  readonly priority?: string;
  readonly equipment?: string;
  readonly path?: string;
  readonly job?: string;
  readonly search?: string;
  readonly from?: string;
  readonly to?: string;
};

export const ALARM_FILTER_FLAGS = {
  state: { kind: "enum", values: STATES, optional: true, brief: "Which of them" },
  priority: {
    kind: "parsed",
    parse: prioritiesOf,
    optional: true,
    brief: "Of these priorities, separated by commas: critical, high, medium, low",
    placeholder: "P",
  },
  equipment: textFlag("Of this equipment", "E"),
  path: textFlag("Of this part of the plant, such as site-1/line-2", "PATH"),
  job: textFlag("Of this job", "JOB"),
  search: textFlag("With this in text or equipment", "TEXT"),
  from: timeFlag("Raised since: a time, or a span before now such as 2h"),
  to: timeFlag("Raised before"),
} as const;

/** As the API takes it. */
export interface AlarmFilter {
  readonly state?: typeof STATES[number];
  readonly priority?: string;
  readonly equipment?: string;
  readonly path?: string;
  readonly jobId?: string;
  readonly search?: string;
  readonly from?: string;
  readonly to?: string;
}

/** The filter without what was not said. */
export async function filterOf(api: HubApi, flags: AlarmFilterFlags): Promise<AlarmFilter> {
  const { state, priority, equipment, search, from, to } = flags;
  const path = flags.path?.split("/").map(encodeURIComponent).join("/");
  const jobId = flags.job === undefined ? undefined : (await api.job(flags.job)).id;
  return said({ state, priority, equipment, path, jobId, search, from, to });
}

function prioritiesOf(text: string): string {
  for (const priority of text.split(",")) {
    if (PRIORITIES.includes(priority)) continue;
    throw new CliError(
      `Priority "${priority}" is none of ${PRIORITIES.join(", ")}`,
      EXIT_USAGE,
    );
  }
  return text;
}
