/**
 * `penstock`: the command line of contract section 3.
 *
 * Touches the process: arguments, environment, exit code. `hub start` and `agent start` take their own
 * flags and run until they are stopped; everything else is one call or one operation of the REST API.
 *
 * @module
 */
import { buildApplication, buildRouteMap, run } from "@stricli/core";
import { PenstockError } from "@shared/errors.ts";
import { agents, alarms, tokens } from "./commands/fleet.ts";
import { jobs } from "./commands/jobs.ts";
import { checkpoints, rollback, savepoints } from "./commands/savepoints.ts";
import { CliError, EXIT_FAILED, EXIT_USAGE } from "./hub_api.ts";
import { note, print } from "./output.ts";

const VERSION = "0.1.0";

const app = buildApplication(
  buildRouteMap({
    docs: {
      brief: "Stateful stream processing for gateways beside industrial machines",
      fullDescription:
        "penstock hub start and penstock agent start run the two parts; see their own --help.",
    },
    routes: { jobs, savepoints, rollback, checkpoints, agents, alarms, tokens },
  }),
  {
    name: "penstock",
    versionInfo: { currentVersion: VERSION },
    scanner: { caseStyle: "allow-kebab-for-camel" },
    documentation: { caseStyle: "convert-camel-to-kebab", useAliasInUsageLine: true },
    determineExitCode: exitCodeOf,
    localization: {
      text: {
        ...(await import("@stricli/core")).text_en,
        exceptionWhileRunningCommand: (thrown: unknown) => textOf(thrown),
      },
    },
  },
);

function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof CliError) return thrown.exitCode;
  if (thrown instanceof PenstockError && thrown.domain === "user") return EXIT_USAGE;
  return EXIT_FAILED;
}

/** What the person is told; a stack only for what we did not foresee. */
function textOf(thrown: unknown): string {
  if (thrown instanceof CliError || thrown instanceof PenstockError) {
    return `Error: ${thrown.message}`;
  }
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

/** Runs one command line; the exit code follows the contract. */
export async function penstock(args: readonly string[]): Promise<number> {
  if (args[0] === "hub" && args[1] === "start") {
    const { hubCommand } = await import("../../hub/main.ts");
    return await hubCommand(args.slice(2));
  }
  if (args[0] === "agent" && args[1] === "start") {
    const { agentCommand } = await import("../../agent/main.ts");
    return await agentCommand(args.slice(2));
  }
  const process = {
    stdout: { write: (text: string) => print(text.replace(/\n$/, "")) },
    stderr: { write: (text: string) => note(text.replace(/\n$/, "")) },
    env: Deno.env.toObject(),
    exitCode: null as number | string | null,
  };
  await run(app, args, { process });
  const code = Number(process.exitCode ?? 0);
  // The library's own codes are negative: unknown command, arguments it cannot parse.
  return code < 0 ? EXIT_USAGE : code;
}

if (import.meta.main) Deno.exit(await penstock(Deno.args));
