/**
 * `penstock`: the command line of contract section 3.
 *
 * Touches the process: arguments and exit code. `hub start` and `agent start` take their own flags and run
 * until they are stopped; everything else is one call or one operation of the REST API. Each branch loads
 * only what it needs: an agent's memory matters.
 *
 * @module
 */
import { exitCodeOf, textOf } from "./failures.ts";
import { note } from "./terminal.ts";

/** Runs one command line; the exit code follows the contract. */
export async function penstock(args: readonly string[]): Promise<number> {
  try {
    if (args[0] === "hub" && args[1] === "start") {
      const { hubCommand } = await import("../../hub/main.ts");
      return await hubCommand(args.slice(2));
    }
    if (args[0] === "agent" && args[1] === "start") {
      const { agentCommand } = await import("../../agent/main.ts");
      return await agentCommand(args.slice(2));
    }
    if (args[0] === "__names" && args[1] !== undefined) {
      const { printNames } = await import("./completion_names.ts");
      await printNames(args[1], args.slice(2));
      return 0;
    }
    const { runCommand } = await import("./app.ts");
    return await runCommand(args);
  } catch (thrown) {
    note(textOf(thrown));
    return exitCodeOf(thrown);
  }
}

if (import.meta.main) Deno.exit(await penstock(Deno.args));
