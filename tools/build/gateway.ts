/**
 * What goes onto a gateway: one bundled agent, one bundled runner, and how the agent is started.
 *
 * Touches files. Gateways are small: no configuration is looked for, nothing is fetched, the agent's heap is
 * kept small, and its JavaScript, of which little runs, is not compiled to machine code: that costs a little
 * time and saves tens of megabytes.
 *
 * @module
 */
import { ensureBundle } from "./build_bundles.ts";
import { PROJECT_ROOT } from "./run_deno.ts";

/** Flags of `deno run` for a bundled agent, before its path. */
export const AGENT_FLAGS: readonly string[] = [
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--no-code-cache",
  "--v8-flags=--max-semi-space-size=1,--max-old-space-size=128,--single-threaded-gc,--optimize-for-size,--heap-growing-percent=15,--jitless",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-run",
  "--allow-env",
  "--allow-sys=hostname",
];

/** Environment of an agent on a gateway: one arena of the C library's memory keeps less of what is freed. */
export const AGENT_ENVIRONMENT: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: "1" };

/**
 * Flags of `deno run` for a hub. Left alone the engine lets young objects take a hundred megabytes before it looks,
 * and a hub makes many: the samples of a plant as JSON, twenty thousand a second.
 */
export const HUB_FLAGS: readonly string[] = [
  "-A",
  "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=30",
];

/** Environment of a hub, as that of an agent. */
export const HUB_ENVIRONMENT: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: "2" };

export interface GatewayBundles {
  readonly agent: string;
  readonly runner: string;
}

export async function gatewayBundles(): Promise<GatewayBundles> {
  const [agent, runner] = await Promise.all([ensureBundle("agent"), ensureBundle("runner")]);
  return { agent, runner };
}

/** Puts agent and runner side by side into `dist/gateway`, ready to be copied. @returns The folder. */
export async function packGateway(): Promise<string> {
  const folder = `${PROJECT_ROOT}/dist/gateway`;
  const { agent, runner } = await gatewayBundles();
  await Deno.mkdir(folder, { recursive: true });
  await Deno.copyFile(agent, `${folder}/agent.js`);
  await Deno.copyFile(runner, `${folder}/runner.js`);
  return folder;
}
