/** The commands, as one application. Touches stdout, stderr and the environment. @module */
import { buildApplication, buildRouteMap, run, text_en } from "@stricli/core";
import { agents } from "./commands/agents.ts";
import { alarms } from "./commands/alarms.ts";
import { checkpoints } from "./commands/checkpoints.ts";
import { completion } from "./commands/completion.ts";
import { config, context, version } from "./commands/config.ts";
import { doctor } from "./commands/doctor.ts";
import { audit, brokers, settings } from "./commands/hub_state.ts";
import { jobs } from "./commands/jobs.ts";
import { notifications } from "./commands/notifications.ts";
import { operations } from "./commands/operations.ts";
import { agent, hub } from "./commands/processes.ts";
import { rollback } from "./commands/rollback.ts";
import { savepoints } from "./commands/savepoints.ts";
import { supportBundle } from "./commands/support_bundle.ts";
import { tokens } from "./commands/tokens.ts";
import { events, logs } from "./commands/watch.ts";
import { exitCodeOf, textOf } from "./failures.ts";
import { EXIT_USAGE } from "./hub_api.ts";
import { note, print } from "./terminal.ts";
import { CLIENT_VERSION } from "./version.ts";

export const root = buildRouteMap({
  docs: {
    brief: "Stateful stream processing for gateways beside industrial machines",
    fullDescription: "Stateful stream processing for gateways beside industrial machines.\n" +
      "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 timed out (the operation goes on), " +
      "130 detached by Ctrl-C (it goes on, too).\n\n" +
      "EXAMPLES\n" +
      "  penstock hub start --broker plant=mqtt://127.0.0.1:1883\n" +
      "  penstock context add local --hub http://127.0.0.1:8080 --token-file penstock-data/admin-token\n" +
      "  penstock jobs list\n" +
      "  penstock alarms list\n" +
      "  penstock doctor",
  },
  routes: {
    hub,
    agent,
    jobs,
    savepoints,
    rollback,
    checkpoints,
    agents,
    alarms,
    notifications,
    operations,
    tokens,
    brokers,
    settings,
    audit,
    events,
    logs,
    config,
    context,
    doctor,
    supportBundle,
    version,
    completion,
  },
});

const app = buildApplication(root, {
  name: "penstock",
  versionInfo: { currentVersion: CLIENT_VERSION },
  scanner: { caseStyle: "allow-kebab-for-camel" },
  documentation: {
    caseStyle: "convert-camel-to-kebab",
    useAliasInUsageLine: true,
    onlyRequiredInUsageLine: true,
  },
  determineExitCode: exitCodeOf,
  localization: {
    text: {
      ...text_en,
      exceptionWhileRunningCommand: (thrown: unknown) => textOf(thrown),
    },
  },
});

/** Runs one command line; resolves to its exit code. */
export async function runCommand(args: readonly string[]): Promise<number> {
  const process = {
    stdout: { write: (text: string) => print(text.replace(/\n$/, "")) },
    stderr: { write: (text: string) => note(text.replace(/\n$/, "")) },
    env: Deno.env.toObject(),
    exitCode: null as number | string | null,
  };
  await run(app, withFlagsBehind(args), { process });
  const code = Number(process.exitCode ?? 0);
  // The library's own codes are negative: unknown command, arguments it cannot parse.
  return code < 0 ? EXIT_USAGE : code;
}

const LEADING_WITH_VALUE: ReadonlySet<string> = new Set([
  "--hub",
  "--token",
  "--context",
  "--output",
  "-o",
]);

/** `penstock --hub URL jobs list` as `penstock jobs list --hub URL`. Pure. */
export function withFlagsBehind(args: readonly string[]): readonly string[] {
  let end = 0;
  while (end < args.length) {
    const name = args[end]!.split("=")[0]!;
    if (!LEADING_WITH_VALUE.has(name)) break;
    end += args[end]!.includes("=") ? 1 : 2;
  }
  return end >= args.length ? args : [...args.slice(end), ...args.slice(0, end)];
}
