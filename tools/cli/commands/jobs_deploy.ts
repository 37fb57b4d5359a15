/**
 * `penstock jobs deploy`: starts a job, also from a savepoint, also in place of one that runs.
 *
 * Touches the network and the terminal. A replacement is judged before anything is stopped; then the old job
 * stops with a savepoint, and the new one starts from it. Should the start fail all the same, the savepoint
 * is there, and the command says what to do.
 *
 * @module
 */
import { buildCommand } from "@stricli/core";
import type { OperationView } from "@shared/api.ts";
import type { JobSummary } from "@shared/job_api.ts";
import { read } from "@shared/hub_client.ts";
import type { DeployPlan } from "@shared/state_api.ts";
import { bundleJob } from "../../build/bundle_job.ts";
import { validateJob } from "../../build/validate_job.ts";
import {
  args,
  argument,
  type Call,
  call,
  docs,
  HUB_ALIASES,
  pairs,
  PARAM_FLAG,
  switchFlag as flag,
  textFlag,
  WAIT_FLAGS,
  type WaitFlags,
} from "../flags.ts";
import { CliError, EXIT_CONFLICT, EXIT_FAILED, EXIT_USAGE, type HubApi } from "../hub_api.ts";
import { Detached, follow } from "../operations.ts";
import type { Printer } from "../output.ts";
import { note, print } from "../terminal.ts";

type DeployFlags = WaitFlags & {
  readonly param?: readonly string[];
  readonly parallelism?: number;
  readonly fromSavepoint?: string;
  readonly claim: boolean;
  readonly allowNonRestoredState: boolean;
  readonly allowGap: boolean;
  readonly replace?: string;
  readonly drain: boolean;
  readonly dryRun: boolean;
  readonly name?: string;
};

/** Body of POST /jobs. */
interface DeployBody {
  readonly name: string;
  readonly bundle: string;
  readonly params: Record<string, string>;
  readonly allowNonRestoredState: boolean;
  readonly allowGap: boolean;
  readonly parallelism?: number;
  readonly fromSavepoint?: string;
  readonly claim?: boolean;
}

export const deploy = buildCommand({
  docs: docs(
    "Bundle a job file and run it on the agents",
    [
      "jobs deploy examples/pump_watch.ts",
      "jobs deploy job.ts --param threshold=65 --dry-run",
      "jobs deploy job.ts --replace pump-watch --drain",
      "jobs deploy job.ts --from-savepoint SAVEPOINT --claim",
    ],
    "With --replace J the job takes the place of J without losing a record or its state: whether the state " +
      "fits is judged first, then J stops with a savepoint, then this job starts from it and goes on with " +
      "J's sessions at the brokers. If the state does not fit, nothing is touched.",
  ),
  parameters: {
    flags: {
      ...WAIT_FLAGS,
      param: PARAM_FLAG,
      name: textFlag("Name to run it under instead of the file's own", "N"),
      parallelism: {
        kind: "parsed",
        parse: parallelismOf,
        optional: true,
        brief: "Subtasks of each keyed stage; default: one for each split of the largest source",
        placeholder: "N",
      },
      fromSavepoint: textFlag("Savepoint to start from, by id or label", "SAVEPOINT"),
      claim: flag("The job takes the savepoint over: it goes when the job needs it no more"),
      allowNonRestoredState: flag(
        "Go on although there is saved state of operators this job does not have",
      ),
      allowGap: flag("Go on although the brokers do not hold all records since the savepoint"),
      replace: textFlag("Running job, by id or name, whose place it takes", "J"),
      drain: flag(
        "With --replace: fire all timers and windows of the old job before its savepoint",
      ),
      dryRun: flag("Show what it would start from, and change nothing"),
    },
    aliases: HUB_ALIASES,
    positional: args(argument("Job file", "FILE.ts")),
  },
  async func(flags: DeployFlags, file: string) {
    refuseContradictions(flags);
    const { api, out } = call(flags);
    const { graph } = await validateJob(file, pairs(flags.param));
    const { bundle } = await bundleJob(file);
    const old = flags.replace === undefined ? null : await api.job(flags.replace);
    const body: DeployBody = {
      name: flags.name ?? old?.name ?? graph.name,
      bundle,
      params: pairs(flags.param),
      allowNonRestoredState: flags.allowNonRestoredState,
      allowGap: flags.allowGap,
      ...(flags.parallelism === undefined ? {} : { parallelism: flags.parallelism }),
      ...(flags.fromSavepoint === undefined
        ? {}
        : { fromSavepoint: (await api.savepoint(flags.fromSavepoint)).id }),
      ...(flags.claim ? { claim: true } : {}),
    };
    if (flags.dryRun) return printPlan(await trial(api, body, old), out);
    const from = old === null ? {} : await stopForReplacement({ api, out }, body, old, flags);
    const ended = await start({ api, out }, { ...body, ...from }, flags);
    if (ended === null) return;
    if (!out.isForPeople) return out.value(ended);
    print(`Job "${body.name}" runs: ${ended.jobId}`);
  },
});

/** A whole number from 1 to 128. */
export function parallelismOf(text: string): number {
  const parallelism = Number(text);
  if (Number.isInteger(parallelism) && parallelism >= 1 && parallelism <= 128) return parallelism;
  throw new Error(`Want a parallelism from 1 to 128, found "${text}"`);
}

function refuseContradictions(flags: DeployFlags): void {
  if (flags.replace !== undefined && flags.fromSavepoint !== undefined) {
    throw new CliError(
      "--replace takes its own savepoint: leave --from-savepoint out, or stop the job yourself",
      EXIT_USAGE,
    );
  }
  if (flags.replace !== undefined && !flags.wait && !flags.dryRun) {
    throw new CliError(
      "--replace has to wait for the old job to stop: leave --no-wait out",
      EXIT_USAGE,
    );
  }
  if (flags.claim && flags.fromSavepoint === undefined && flags.replace === undefined) {
    throw new CliError("--claim needs --from-savepoint or --replace", EXIT_USAGE);
  }
  if (flags.drain && flags.replace === undefined) {
    throw new CliError("--drain needs --replace", EXIT_USAGE);
  }
}

/** The plan as the hub judges it; throws the refusal with what stands against each operator. */
async function trial(api: HubApi, body: DeployBody, old: JobSummary | null): Promise<DeployPlan> {
  const { claim: _claim, ...rest } = body;
  const replaces = old === null ? {} : { replaces: old.id };
  const json = { ...rest, ...replaces, dryRun: true };
  return await explained(read(api.api.jobs.$post({ json }))) as DeployPlan;
}

/**
 * Stops `old` with a savepoint once it is sure that the new job could start from what it holds.
 *
 * @returns What to start from.
 */
async function stopForReplacement(
  { api, out }: Call,
  body: DeployBody,
  old: JobSummary,
  flags: DeployFlags,
): Promise<{ readonly fromSavepoint: string }> {
  if (old.desiredState !== "running") {
    throw new CliError(
      `Job "${old.name}" is ${old.desiredState}: start from its savepoint with --from-savepoint`,
      EXIT_CONFLICT,
    );
  }
  const plan = await trial(api, body, old);
  if (plan.needsAllowGap === true && !flags.allowGap) {
    throw new CliError(
      `A source reads other topics or another broker than in job "${old.name}": the new job cannot go on with ` +
        `its sessions, and records published during the change are lost. Accept this with --allow-gap; ` +
        `nothing was stopped`,
      EXIT_CONFLICT,
    );
  }
  out.note(`The state of job "${old.name}" fits: stopping it with a savepoint`);
  const stop = { savepoint: true, drain: flags.drain };
  const operation = await read(
    api.api.jobs[":id"].stop.$post({ param: { id: old.id }, json: stop }),
  );
  const ended = await follow({ api, out }, operation, flags).catch((thrown) => {
    if (!(thrown instanceof Detached)) throw thrown;
    note(`Job "${old.name}" goes on stopping with a savepoint; the new job is NOT started then`);
    throw thrown;
  });
  const savepointId = ended?.result?.["savepointId"];
  if (typeof savepointId === "string") return { fromSavepoint: savepointId };
  throw new CliError(`Job "${old.name}" stopped without a savepoint`, EXIT_FAILED);
}

async function start(
  { api, out }: Call,
  body: DeployBody,
  flags: DeployFlags,
): Promise<OperationView | null> {
  try {
    const accepted = await explained(read(api.api.jobs.$post({ json: body })));
    const operation = accepted as OperationView;
    return await follow({ api, out }, operation, flags);
  } catch (thrown) {
    if (thrown instanceof Detached) throw thrown;
    if (flags.replace === undefined || !(thrown instanceof CliError)) throw thrown;
    throw new CliError(
      `${thrown.message}\nThe old job is stopped at savepoint ${body.fromSavepoint}; nothing of it is lost. ` +
        `Start this or the old job file with --from-savepoint ${body.fromSavepoint}`,
      thrown.exitCode,
      thrown.problem,
    );
  }
}

/** Adds to a refusal for its state what each operator becomes. */
async function explained<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (thrown) {
    if (!(thrown instanceof CliError)) throw thrown;
    const operators = (thrown.problem as { operators?: DeployPlan["operators"] } | null)?.operators;
    if (operators === undefined) throw thrown;
    const lines = stateRows(operators).map(({ operator, state, compatibility, reason }) =>
      `  ${operator}${state === "" ? "" : `.${state}`}: ${compatibility}: ${reason}`
    );
    throw new CliError([thrown.message, ...lines].join("\n"), thrown.exitCode, thrown.problem);
  }
}

function stateRows(operators: DeployPlan["operators"]) {
  return operators.flatMap(({ uid, compatibility, reason, states }) =>
    states.length === 0
      ? [{ operator: uid, state: "", compatibility, reason }]
      : states.map((state) => ({
        operator: uid,
        state: state.name,
        compatibility: state.compatibility,
        reason: state.reason,
      }))
  );
}

function printPlan(plan: DeployPlan, out: Printer): void {
  if (!out.isForPeople) return out.value(plan);
  const from = plan.from === null
    ? "empty"
    : plan.from.savepointId === null
    ? `from a savepoint of job ${plan.from.jobId} (judged by its checkpoint ${plan.from.checkpointId})`
    : `from savepoint ${plan.from.savepointId}`;
  print(`Job "${plan.name}" would start ${from}, with parallelism ${plan.parallelism}`);
  print(
    plan.sessions === "continued"
      ? "Its sources go on with the sessions of the job before"
      : "Its sources begin with sessions of their own",
  );
  out.rows(plan.regions, {
    region: (region) => region.regionId,
    subtasks: (region) => region.subtasks.join(" "),
  });
  if (plan.operators.length > 0) {
    print("");
    out.rows(stateRows(plan.operators), {
      operator: (row) => row.operator,
      state: (row) => row.state,
      compatibility: (row) => row.compatibility,
      reason: (row) => row.reason,
    });
  }
  if (plan.straySubtasks.length > 0) print(`No place for: ${plan.straySubtasks.join(", ")}`);
  if (plan.needsAllowGap) {
    print(
      plan.sessions === "own"
        ? "A source reads something else than before: what waits in the old sessions is lost: needs --allow-gap"
        : "Records acknowledged since the savepoint are gone at the brokers: needs --allow-gap",
    );
  }
}
