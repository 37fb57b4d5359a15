/**
 * A whole Penstock on this machine: broker, hub and agents as real processes.
 *
 * Touches processes, files under one folder and loopback ports. Every part can be killed, frozen and
 * started again; a hub keeps its port and an agent its data folder over restarts.
 *
 * @module
 */
import type { AgentView, CreatedJoinToken } from "@shared/api.ts";
import {
  AGENT_ENVIRONMENT,
  AGENT_FLAGS,
  gatewayBundles,
  HUB_ENVIRONMENT,
  HUB_FLAGS,
} from "../build/gateway.ts";
import { HubApi } from "../cli/hub_api.ts";
import { PROJECT_ROOT } from "../build/run_deno.ts";
import { ClusterProcess, freePort } from "./process.ts";

const READY_TIMEOUT_MS = 60_000;
const CLI = `${PROJECT_ROOT}/tools/cli/main.ts`;

export interface ClusterOptions {
  /** Everything the cluster writes goes below it. */
  readonly folder: string;
  /** `mqtt://…` of a broker that runs already; null starts the embedded one. */
  readonly brokerUrl: string | null;
  /** 0 takes a free one. */
  readonly hubPort: number;
  /** Further flags of `penstock hub start`. */
  readonly hubFlags?: readonly string[];
  readonly hubEnv?: Readonly<Record<string, string>>;
}

export class LocalCluster {
  readonly #options: ClusterOptions;
  readonly #agents = new Map<string, ClusterProcess>();
  #broker: ClusterProcess | null = null;
  #brokerPort = 0;
  #hub: ClusterProcess | null = null;
  readonly #hubPort: number;
  #token = "";

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#hubPort = options.hubPort === 0 ? freePort() : options.hubPort;
    Deno.mkdirSync(options.folder, { recursive: true });
  }

  get brokerUrl(): string {
    return this.#options.brokerUrl ?? `mqtt://127.0.0.1:${this.#brokerPort}`;
  }

  get hubUrl(): string {
    return `http://127.0.0.1:${this.#hubPort}`;
  }

  get adminToken(): string {
    return this.#token;
  }

  get api(): HubApi {
    return new HubApi({ hubUrl: this.hubUrl, token: this.#token });
  }

  get hub(): ClusterProcess {
    return this.#hub!;
  }

  agent(name: string): ClusterProcess {
    return this.#agents.get(name)!;
  }

  /** Starts the embedded broker unless one was named; the same port after a restart. */
  async startBroker(): Promise<void> {
    if (this.#options.brokerUrl !== null) return;
    this.#broker = this.#spawn("broker", [
      "run",
      "-A",
      `${PROJECT_ROOT}/tools/broker/main.ts`,
      "--listen",
      `127.0.0.1:${this.#brokerPort}`,
    ]);
    const line = await this.#broker.line(/"listening"/, READY_TIMEOUT_MS);
    this.#brokerPort = Number(/:(\d+)"/.exec(line)![1]);
  }

  /** Starts the hub and waits until it is ready; `env` is for this start alone. */
  async startHub(env: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#hub = this.#spawn("hub", [
      "run",
      ...HUB_FLAGS,
      CLI,
      "hub",
      "start",
      "--listen",
      `127.0.0.1:${this.#hubPort}`,
      "--data-dir",
      `${this.#options.folder}/hub`,
      "--broker",
      `plant=${this.brokerUrl}`,
      ...this.#options.hubFlags ?? [],
    ], { ...HUB_ENVIRONMENT, ...this.#options.hubEnv, ...env });
    await this.#hub.until("to be ready", async () => {
      const response = await fetch(`${this.hubUrl}/readyz`).catch(() => null);
      await response?.body?.cancel();
      return response?.ok ?? false;
    }, READY_TIMEOUT_MS);
    this.#token = Deno.readTextFileSync(`${this.#options.folder}/hub/admin-token`).trim();
  }

  /** Starts an agent: enrols it the first time, and waits until the hub sees it online. */
  async startAgent(
    name: string,
    labels: Readonly<Record<string, string>>,
    env: Readonly<Record<string, string>> = {},
  ): Promise<AgentView> {
    const folder = `${this.#options.folder}/${name}`;
    const tokenFile = `${folder}/join-token`;
    if (!exists(`${folder}/credential.json`)) {
      Deno.mkdirSync(folder, { recursive: true });
      const { token } = await this.api.post<CreatedJoinToken>("/tokens", { labels: {} });
      Deno.writeTextFileSync(tokenFile, token, { mode: 0o600 });
    }
    const labelFlags = Object.entries(labels).flatMap(([k, v]) => ["--label", `${k}=${v}`]);
    const bundles = await gatewayBundles();
    const process = this.#spawn(name, [
      "run",
      ...AGENT_FLAGS,
      bundles.agent,
      "--runner-bundle",
      bundles.runner,
      "--hub",
      this.hubUrl,
      "--join-token-file",
      tokenFile,
      "--name",
      name,
      "--data-dir",
      folder,
      ...labelFlags,
    ], { ...AGENT_ENVIRONMENT, ...env });
    this.#agents.set(name, process);
    let view: AgentView | undefined;
    await process.until("to be online", async () => {
      view = (await this.api.list<AgentView>("/agents"))
        .find((agent) => agent.name === name && agent.status === "online");
      return view !== undefined;
    }, READY_TIMEOUT_MS);
    return view!;
  }

  /** SIGKILL; the runner processes of the agent end by themselves. */
  async killAgent(name: string): Promise<void> {
    await this.agent(name).kill();
  }

  async killHub(): Promise<void> {
    await this.hub.kill();
  }

  /** Stops everything that this cluster started. */
  async stop(): Promise<void> {
    for (const process of this.#agents.values()) process.signal("SIGCONT");
    await Promise.all([...this.#agents.values()].map((process) => process.stop()));
    await this.#hub?.stop();
    await this.#broker?.stop();
  }

  /** Last lines of every part, for a failing test. */
  logs(): string {
    const parts = [this.#hub, ...this.#agents.values()].filter((part) => part !== null);
    return parts.map((part) => `--- ${part.name}\n${part.tail()}`).join("\n");
  }

  #spawn(
    name: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): ClusterProcess {
    return new ClusterProcess(name, { args, env, logFile: `${this.#options.folder}/${name}.log` });
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
