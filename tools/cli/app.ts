/** The commands that talk to a hub, as one application. Touches stdout, stderr and the environment. @module */
import { buildApplication, buildRouteMap, run, text_en } from "@stricli/core";
import { agents, alarms, tokens } from "./commands/fleet.ts";
import { jobs } from "./commands/jobs.ts";
import { checkpoints, rollback, savepoints } from "./commands/savepoints.ts";
import { EXIT_USAGE } from "./hub_api.ts";
import { exitCodeOf, textOf } from "./failures.ts";
import { note, print } from "./terminal.ts";

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
        ...text_en,
        exceptionWhileRunningCommand: (thrown: unknown) => textOf(thrown),
      },
    },
  },
);

/** Runs one command line; resolves to its exit code. */
export async function runCommand(args: readonly string[]): Promise<number> {
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
