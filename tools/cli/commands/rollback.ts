/**
 * `penstock rollback`: what it would do, and doing it.
 *
 * Touches the network and the terminal. A person at a terminal sees the plan first and says yes to it.
 *
 * @module
 */
import { buildCommand } from "@stricli/core";
import type { OperationView } from "@shared/api.ts";
import type { JobSummary, RollbackPlan } from "@shared/job_api.ts";
import { read } from "@shared/hub_client.ts";
import {
  args,
  type Call,
  call,
  consent,
  docs,
  JOB,
  switchFlag,
  textFlag,
  WAIT_FLAGS,
  type WaitFlags,
  YES_ALIASES,
  YES_FLAG,
} from "../flags.ts";
import { CliError, EXIT_CONFLICT, EXIT_USAGE } from "../hub_api.ts";
import { follow } from "../operations.ts";
import { counted, type Printer, size } from "../output.ts";
import { isInputTerminal, painted, print } from "../terminal.ts";

type RollbackFlags = WaitFlags & {
  readonly to: string;
  readonly agents?: string;
  readonly allowGap: boolean;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly reason?: string;
};

const ALARMS_SHOWN_MAX = 10;

export const rollback = buildCommand({
  docs: docs(
    "Bring a job back to a savepoint",
    [
      "rollback pump-watch --to SAVEPOINT --dry-run",
      'rollback pump-watch --to SAVEPOINT --allow-gap --reason "threshold was wrong"',
      'rollback pump-watch --to SAVEPOINT --agents gateway-1 --reason "its clock was wrong"',
    ],
    "Shows what it would do with --dry-run: agents hit, state replaced, and the gap: records the brokers " +
      "have been told are done since the savepoint, which nobody can replay. A gap needs --allow-gap. " +
      "A savepoint taken before a rollback brings the job back to where it was: --to that one undoes it.",
  ),
  parameters: {
    flags: {
      ...WAIT_FLAGS,
      to: {
        kind: "parsed",
        parse: String,
        brief: "Savepoint id or label",
        placeholder: "SAVEPOINT",
      },
      agents: textFlag("Only regions on agents with these labels, or of this name", "SELECTOR"),
      allowGap: switchFlag("Accept the gap that the plan shows"),
      dryRun: switchFlag("Show the plan and change nothing"),
      yes: YES_FLAG,
      reason: textFlag("Why; kept in the audit log. Needed unless --dry-run", "TEXT"),
    },
    aliases: YES_ALIASES,
    positional: args(JOB),
  },
  async func(flags: RollbackFlags, name: string) {
    if (!flags.dryRun && (flags.reason ?? "") === "") {
      throw new CliError("A rollback needs --reason: it stays in the audit log", EXIT_USAGE);
    }
    const { api, out } = call(flags);
    const job = await api.job(name);
    const savepoint = await api.savepoint(flags.to);
    const param = { id: job.id };
    const { rollbacks } = api.api.jobs[":id"];
    const body = {
      savepointId: savepoint.id,
      ...(flags.agents === undefined ? {} : { agents: flags.agents }),
      allowGap: flags.allowGap,
      reason: flags.reason ?? "dry run",
    };
    const plan = async () =>
      await read(rollbacks.$post({ param, json: { ...body, dryRun: true } })) as RollbackPlan;
    if (flags.dryRun) {
      const found = await plan();
      return out.isForPeople ? printPlan(found, job, flags, out) : out.value(found);
    }
    if (!flags.yes && isInputTerminal()) {
      printPlan(await plan(), job, flags, out);
      consent({ question: "Do it?", isGiven: false, isLossy: false });
    }
    const request = read(rollbacks.$post({ param, json: { ...body, dryRun: false } }));
    const operation = await accepted(request as Promise<OperationView>);
    await finish({ api, out }, operation, { flags, job, savepointId: savepoint.id });
  },
});

async function finish(
  { api, out }: Call,
  operation: OperationView,
  done: {
    readonly flags: RollbackFlags;
    readonly job: JobSummary;
    readonly savepointId: string;
  },
): Promise<void> {
  const ended = await follow({ api, out }, operation, done.flags);
  if (ended === null) return;
  if (!out.isForPeople) return out.value(ended);
  const tookMs = String(ended.result?.["durationMs"]);
  print(`Job "${done.job.name}" runs from savepoint ${done.savepointId}, in ${tookMs} ms`);
  const plan = ended.result?.["plan"] as RollbackPlan | undefined;
  if (plan !== undefined) printGaps(plan, out);
}

/** Adds what to do to the refusal that only a flag is missing for. */
async function accepted(request: Promise<OperationView>): Promise<OperationView> {
  try {
    return await request;
  } catch (thrown) {
    if (!(thrown instanceof CliError) || thrown.problem?.code !== "gap-needs-consent") throw thrown;
    throw new CliError(
      `${thrown.message}\nLook at it with --dry-run, accept it with --allow-gap`,
      EXIT_CONFLICT,
      thrown.problem,
    );
  }
}

function printPlan(
  plan: RollbackPlan,
  job: JobSummary,
  flags: RollbackFlags,
  out: Printer,
): void {
  print(
    painted(
      `Rollback of job "${job.name}" to savepoint ${plan.savepointId} (checkpoint ${plan.checkpointId})`,
      "bold",
    ),
  );
  print("\nState that is replaced:");
  out.rows(plan.regions, {
    "": () => "~",
    region: (region) => region.regionId,
    agent: (region) => region.agentName ?? region.agentId,
    "keys now": (region) => region.entriesNow,
    "keys then": (region) => region.entriesThen,
    restore: (region) => size(region.bytesToRestore),
    attempt: (region) => `${region.currentAttempt} -> ${region.currentAttempt + 1}`,
  });
  if (plan.operators.length > 0) {
    print("\nOperators:");
    out.rows(plan.operators, {
      operator: (one) => one.uid,
      compatibility: (one) => one.compatibility,
      reason: (one) => one.reason,
    });
  }
  print("");
  printGaps(plan, out);
  printConsequences(plan, out);
  printNext(plan, job, flags);
}

function printConsequences(plan: RollbackPlan, out: Printer): void {
  const { abandonedCheckpointIds: abandoned, alarmsConcerned: alarms } = plan;
  print(
    abandoned.length === 0
      ? "Checkpoints abandoned: none"
      : `Checkpoints abandoned, never to be recovered from again: ${abandoned.join(", ")}`,
  );
  print(
    alarms.length === 0
      ? "Alarms raised since: none"
      : `Alarms raised since, which keep their ids and do not ring again: ${alarms.length}`,
  );
  if (alarms.length === 0) return;
  out.rows(alarms.slice(0, ALARMS_SHOWN_MAX), {
    "": () => "~",
    equipment: (alarm) => alarm.equipment,
    raised: (alarm) => alarm.raisedAt,
    text: (alarm) => alarm.text,
  });
}

function printNext(plan: RollbackPlan, job: JobSummary, flags: RollbackFlags): void {
  const agents = new Set(plan.regions.map(({ agentId }) => agentId)).size;
  const records = plan.gaps.reduce((sum, gap) => sum + gap.records, 0);
  print(
    painted("\nPlan: ", "bold") +
      `${counted(plan.regions.length, "region")} on ${counted(agents, "agent")} to restart, ` +
      `${counted(records, "record")} in ${counted(plan.gaps.length, "gap")}, ` +
      `${counted(plan.abandonedCheckpointIds.length, "checkpoint")} abandoned, ` +
      `${counted(plan.alarmsConcerned.length, "alarm")} concerned.`,
  );
  if (plan.needsAllowGap) print("It needs your consent to the gap: --allow-gap");
  if (!flags.dryRun) return;
  const agentFlag = flags.agents === undefined ? "" : ` --agents ${quoted(flags.agents)}`;
  const gapFlag = plan.needsAllowGap ? " --allow-gap" : "";
  print(
    "Run it:\n" +
      `  penstock rollback ${quoted(job.name)} --to ${plan.savepointId}${agentFlag}${gapFlag} ` +
      `--reason ${flags.reason === undefined ? '"WHY"' : quoted(flags.reason)}`,
  );
}

/** As one word of a shell. */
function quoted(text: string): string {
  return /^[\w.,=:@/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function printGaps(plan: RollbackPlan, out: Printer): void {
  if (plan.gaps.length === 0) return print("No gap: nothing was acknowledged since the savepoint.");
  print("Gap: records acknowledged since the savepoint, which the brokers cannot send again:");
  out.rows(plan.gaps, {
    "": () => "-",
    region: (gap) => gap.regionId,
    split: (gap) => `${gap.sourceUid}.${gap.splitIndex}`,
    records: (gap) => gap.records,
    from: (gap) => gap.fromAt,
    to: (gap) => gap.toAt,
    positions: (gap) => `${gap.fromPosition + 1}..${gap.toPosition}`,
  });
}
