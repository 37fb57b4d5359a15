/**
 * Wires an agent to this machine, and its bare command line.
 *
 * Touches the environment, files, processes and signals.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { messageOf, PenstockError } from "@shared/errors.ts";
import type { Logger } from "@shared/logger.ts";
import { spawnGuarded } from "@shared/platform/child_process.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { lockDirectory } from "@shared/platform/directory_lock.ts";
import { localFiles } from "@shared/platform/local_files.ts";
import { createLogger, writeLog } from "@shared/platform/logger.ts";
import { LogLines } from "./log_lines.ts";
import { systemRandom } from "@shared/platform/random.ts";
import { sha256 } from "@shared/platform/sha256.ts";
import { openWebSocket } from "@shared/platform/websocket.ts";
import { Agent } from "./agent.ts";
import { AGENT_USAGE, type AgentConfig, parseAgentConfig } from "./config.ts";
import { type AgentIdentity, enrol } from "./enrolment.ts";

export type AgentOptions = AgentConfig & {
  /** Default: JSON lines of level info and above, to standard error. */
  readonly logger?: Logger;
  /** Tells the person a line. Default: standard output. */
  readonly say?: (line: string) => void;
  /** Gives up enrolling when aborted. */
  readonly signal?: AbortSignal;
};

export interface RunningAgent {
  readonly agentId: string;
  readonly name: string;
  /** Whether the hub has welcomed it. */
  readonly isConnected: boolean;
  /** Process ids of the runners that live. */
  readonly runnerPids: readonly number[];
  /** Stops all regions, says goodbye and frees the data directory. */
  stop(reason: string): Promise<void>;
}

/** Lets the acknowledgement behind which a test stops the agent leave first. */
const FAIL_POINT_FLUSH_MS = 50;

/**
 * Starts an agent: enrols it if need be, then connects and goes on connecting.
 *
 * @throws {UserError} `no-join-token`, `enrolment-rejected`, `directory-in-use`.
 * @throws {PenstockError} `bundle-failed`, when the runner cannot be made from source.
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { say = writeLine, signal = new AbortController().signal, hubUrl, dataDir } = options;
  const lines = new LogLines();
  const logger = options.logger ?? createLogger("info", (line) => {
    writeLog(line);
    lines.push(line);
  });
  await Deno.mkdir(dataDir, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(dataDir);
  const ports = {
    files: localFiles,
    sha256,
    fetch,
    clock: systemClock,
    random: systemRandom,
    spawn: spawnGuarded,
    openSocket: openWebSocket,
    logger,
    logLines: () => lines.take(),
  };
  try {
    const identity = await enrol({ ...options, ...ports, signal });
    say(enrolmentLine(identity, hubUrl));
    const runnerBundle = options.runnerBundle ?? await findRunnerBundle();
    const { credential, agentId, name } = identity;
    const agent = await Agent.open({ ...options, ...ports, credential, runnerBundle, stopDead });
    agent.start();
    logger.info("Started the agent", { agentId, name, hub: hubUrl, pid: Deno.pid });
    return {
      agentId,
      name,
      get isConnected() {
        return agent.isConnected;
      },
      get runnerPids() {
        return agent.runnerPids;
      },
      async stop(reason) {
        await agent.stop(reason);
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Says whose agent this is; what it was started with may name another hub, which is not taken silently. */
function enrolmentLine(identity: AgentIdentity, hubUrl: string): string {
  if (!identity.isFromBefore) return `Enrolled to ${identity.hubUrl} as ${identity.name}`;
  const line = `Already enrolled to ${identity.hubUrl} as ${identity.name}`;
  if (identity.hubUrl === hubUrl) return `${line}; to enrol anew use --force with a new join token`;
  return `${line}, and now told to use ${hubUrl}: good if that is the same hub under another address. ` +
    `If it is another hub, use --force with a join token of that one`;
}

/** Runs an agent until SIGTERM or SIGINT; resolves to the exit code. */
export async function agentCommand(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    writeLine(AGENT_USAGE);
    return 0;
  }
  const stopped = new AbortController();
  const stop = () => stopped.abort(new Error("Stopped by a signal"));
  for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, stop);
  const config = parseAgentConfig(args, {
    machineName: Deno.hostname(),
    failPoint: Deno.env.get("FP") ?? null,
  });
  let agent: RunningAgent;
  try {
    agent = await startAgent({ ...config, signal: stopped.signal });
  } catch (error) {
    if (stopped.signal.aborted) return 0;
    throw error;
  }
  if (!stopped.signal.aborted) {
    const { promise, resolve } = Promise.withResolvers<void>();
    stopped.signal.addEventListener("abort", () => resolve());
    await promise;
  }
  await agent.stop("The agent was stopped");
  return 0;
}

/** The runner lies beside a bundled agent, and is made from source otherwise. */
async function findRunnerBundle(): Promise<string> {
  if (Deno.mainModule.endsWith(".js")) {
    // The path, not what a URL makes of it: there may be a space in it.
    return fileURLToPath(new URL("./runner.js", Deno.mainModule));
  }
  // Not a literal: the agent's own bundle must not take the tools in.
  const tools = new URL("../tools/build/build_bundles.ts", import.meta.url).href;
  const { ensureBundle } = await import(tools) as {
    ensureBundle: (entry: "runner") => Promise<string>;
  };
  return await ensureBundle("runner");
}

/** Tests only: ends the runners, then this process, with no chance to tidy up. */
function stopDead(name: string, runnerPids: readonly number[]): void {
  const die = () => {
    for (const pid of runnerPids) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    Deno.kill(Deno.pid, "SIGKILL");
  };
  if (name === "after-ack") setTimeout(die, FAIL_POINT_FLUSH_MS);
  else die();
}

function writeLine(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** The whole process: runs the agent and ends with its exit code. */
export async function agentProcess(): Promise<never> {
  try {
    return Deno.exit(await agentCommand(Deno.args));
  } catch (error) {
    const text = error instanceof PenstockError || !(error instanceof Error)
      ? messageOf(error)
      : error.stack ?? error.message;
    Deno.stderr.writeSync(new TextEncoder().encode(`Error: ${text}\n`));
    Deno.exit(error instanceof PenstockError && error.domain === "user" ? 2 : 1);
  }
}

if (import.meta.main) await agentProcess();
