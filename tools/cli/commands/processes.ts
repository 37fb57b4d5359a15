/**
 * `penstock hub start` and `penstock agent start` as the help and the completion know them.
 *
 * They are run by `main.ts` before any command of this tree is loaded: an agent's memory matters.
 *
 * @module
 */
import { buildCommand, buildRouteMap } from "@stricli/core";
import { AGENT_USAGE } from "../../../agent/config.ts";
import { HUB_USAGE } from "../../../hub/config.ts";
import { docs } from "../flags.ts";
import { CliError, EXIT_USAGE } from "../hub_api.ts";

const notHere = () => {
  throw new CliError("Started by the program itself, not by the command tree", EXIT_USAGE);
};

export const hub = buildRouteMap({
  docs: { brief: "Run a hub" },
  routes: {
    start: buildCommand({
      docs: docs(
        "Run a hub until it is told to stop",
        [
          "hub start --data-dir ./penstock-data --broker plant=mqtt://127.0.0.1:1883",
          "hub start --help",
        ],
        HUB_USAGE,
      ),
      parameters: {},
      func: notHere,
    }),
  },
});

export const agent = buildRouteMap({
  docs: { brief: "Run an agent" },
  routes: {
    start: buildCommand({
      docs: docs(
        "Run an agent until it is told to stop",
        [
          "agent start --hub http://127.0.0.1:8080 --join-token-file join-token --name gateway-1",
          "agent start --help",
        ],
        AGENT_USAGE,
      ),
      parameters: {},
      func: notHere,
    }),
  },
});

/** Long flags of the two, which read their own command line. */
export const PROCESS_FLAGS: Readonly<Record<string, readonly string[]>> = {
  "hub start": flagsIn(HUB_USAGE),
  "agent start": flagsIn(AGENT_USAGE),
};

function flagsIn(usage: string): string[] {
  return [...new Set(usage.match(/--[a-z][a-z-]+/g) ?? [])].sort();
}
