/**
 * Tries a job file out without deploying it: evaluates it, builds it, plans its regions.
 *
 * The original file is evaluated, not its bundle, so that an error names the author's own line. It runs in
 * a child process with no permissions; nothing is type-checked.
 *
 * @module
 */
import { pathToFileURL } from "node:url";
import { UserError } from "@shared/errors.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import { planRegions, type RegionPlan } from "@shared/regions.ts";
import type { JobAnswer } from "@shared/sdk/describe_job.ts";
import { decodeJobGraph } from "../../hub/graph_extractor/job_graph_schema.ts";
import { checkedJobFile } from "./bundle_job.ts";
import { PROJECT_ROOT, runDeno } from "./run_deno.ts";

const VALIDATE_TIMEOUT_MS = 20_000;
const HEAP_MB = 256;
/** Stands before the answer on stdout, after whatever the job prints. */
const MARK = "\u0001penstock-answer:";

export interface JobValidation {
  readonly graph: JobGraph;
  readonly regions: readonly RegionPlan[];
}

/**
 * Validates the job file at `path`.
 *
 * @param params Params the job is built with.
 * @returns The job's graph and regions.
 * @throws {UserError} `job-file-not-found`, or what is wrong with the job: the message begins with the
 *   author's `path:line:` where a line is to blame, and `at` holds that place alone.
 */
export async function validateJob(
  path: string,
  params: Readonly<Record<string, string>> = {},
): Promise<JobValidation> {
  const file = await checkedJobFile(path);
  const outcome = await runDeno(
    [
      "run",
      "--quiet",
      "--no-prompt",
      "--no-remote",
      "--no-lock",
      "--no-check",
      `--v8-flags=--max-old-space-size=${HEAP_MB}`,
      "--config",
      `${PROJECT_ROOT}/deno.json`,
      "-",
    ],
    programFor(file, params),
    { timeoutMs: VALIDATE_TIMEOUT_MS },
  );
  const answer = answerIn(outcome.stdout);
  if (answer === null) {
    const said = outcome.stderr.trim() || "it ended the process that evaluated it";
    throw new UserError("job-not-evaluated", `Cannot evaluate ${path}: ${said}`);
  }
  if ("error" in answer) {
    const at = answer.error.at === null ? null : relativePlace(answer.error.at, Deno.cwd());
    const place = at === null ? "" : `${at}: `;
    throw new UserError(answer.error.code, `${place}${answer.error.message}`, { at });
  }
  const graph = decodeJobGraph(answer.graph);
  return { graph, regions: planRegions(graph) };
}

/** The child's program. The import is literal: deno loads it without read permission. */
function programFor(file: string, params: Readonly<Record<string, string>>): string {
  const url = (path: string) => JSON.stringify(pathToFileURL(path).href);
  return `import { describeJob } from ${url(`${PROJECT_ROOT}/shared/sdk/describe_job.ts`)};
const load = async () => (await import(${url(file)})).default;
const answer = await describeJob(load, ${JSON.stringify(params)});
console.log(${JSON.stringify(MARK)} + JSON.stringify(answer));
Deno.exit(0);
`;
}

function answerIn(stdout: string): JobAnswer | null {
  const start = stdout.lastIndexOf(MARK);
  return start === -1 ? null : JSON.parse(stdout.slice(start + MARK.length)) as JobAnswer;
}

/** `at` as a person in `folder` would write it. */
export function relativePlace(at: string, folder: string): string {
  return at.startsWith(`${folder}/`) ? at.slice(folder.length + 1) : at;
}
