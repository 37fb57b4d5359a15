/**
 * A gateway of the simulation: a real agent and real runners, with processes, disk and network in memory.
 *
 * Touches nothing. It can be killed as by SIGKILL, frozen as by SIGSTOP, cut off from the hub, and lose its
 * disk. What a dead process still has in hand reaches nobody; what reaches a frozen one waits.
 */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers";
import { Agent } from "../../agent/agent.ts";
import type { SinkWriter } from "../../agent/connectors/connector.ts";
import { mqttExchangeOpener } from "../../agent/exchange/mqtt_exchange.ts";
import { createConnectorFactory } from "../../agent/runner/connector_factory.ts";
import type { ConnectorFactory } from "../../agent/runner/connectors.ts";
import { Runner, type RunnerPorts } from "../../agent/runner/runner.ts";
import { encodeFrame, FrameDecoder, type RunnerCommand } from "../../agent/runner_frames.ts";
import { MemoryFiles } from "../../agent/testdata/fake_world.ts";
import type { AgentSessions, AgentSocket } from "../../hub/agent_sessions.ts";
import type { ChildExit, ChildProcess } from "@shared/child_process.ts";
import type { Clock } from "@shared/clock.ts";
import type { Connection, Dialer } from "@shared/dialer.ts";
import type { AgentId } from "@shared/ids.ts";
import type { Logger } from "@shared/logger.ts";
import type { JobDefinition } from "@shared/sdk/operator.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import type { Socket, SocketEvents } from "@shared/socket.ts";
import type { SimBroker } from "./sim_broker.ts";

const SILENT: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => SILENT,
};

export interface SimSurroundings {
  readonly clock: Clock;
  readonly broker: SimBroker;
  readonly definition: JobDefinition;
  /** Answers GET and PUT of signed addresses. */
  readonly fetch: typeof fetch;
  /** The hub's door; null while it is away. */
  readonly sessions: () => AgentSessions | null;
  /** Gets what sinks write. */
  readonly onOutput: (value: unknown, outputId: string) => void;
}

/** One life of a process: from its start until it is killed. */
class Life {
  isDead = false;
  isFrozen = false;
  #held: (() => void)[] = [];

  /** Runs `act` now, when thawed, or never. */
  let(act: () => void): void {
    if (this.isDead) return;
    if (this.isFrozen) this.#held.push(act);
    else act();
  }

  thaw(): void {
    this.isFrozen = false;
    for (const act of this.#held.splice(0)) this.let(act);
  }

  clockOver(clock: Clock): Clock {
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, fire) => clock.after(delayMs, () => this.let(fire)),
    };
  }

  /** A connection whose bytes wait while the process is frozen. */
  connectionOver(connection: Connection): Connection {
    return {
      read: async (buffer) => {
        const count = await connection.read(buffer);
        await new Promise<void>((resolve) => this.let(resolve));
        return count;
      },
      write: (bytes) => this.isDead ? Promise.resolve() : connection.write(bytes),
      close: () => connection.close(),
    };
  }
}

export class SimAgent {
  readonly id: AgentId;
  readonly #around: SimSurroundings;
  readonly #random: SeededRandom;
  #files = new MemoryFiles();
  #life = new Life();
  #links: HubLink[] = [];
  /** No way to the hub while true. */
  isCutOff = false;

  constructor(id: string, seed: number, around: SimSurroundings) {
    this.id = id as AgentId;
    this.#around = around;
    this.#random = new SeededRandom(seed, () => around.clock.nowMs());
    this.#life.isDead = true;
  }

  get isAlive(): boolean {
    return !this.#life.isDead;
  }

  get isFrozen(): boolean {
    return this.#life.isFrozen;
  }

  async start(): Promise<void> {
    const life = new Life();
    this.#life = life;
    const { clock, fetch } = this.#around;
    const agent = await Agent.open({
      hubUrl: "http://hub",
      credential: this.id,
      labels: {},
      dataDir: "/data",
      runnerBundle: "/runner.js",
      failPoint: null,
      stopDead: () => {},
      clock: life.clockOver(clock),
      random: this.#random,
      logger: SILENT,
      files: this.#files,
      sha256: (bytes) => Promise.resolve(createHash("sha256").update(bytes).digest("hex")),
      fetch: (async (input: string, init?: RequestInit) => {
        if (this.isCutOff) throw new TypeError("The network is away");
        const answer = await fetch(input, init);
        await new Promise<void>((resolve) => life.let(resolve));
        return answer;
      }) as typeof fetch,
      spawn: () => this.#spawn(life),
      openSocket: (_url, _headers, events) => this.#dialHub(life, events),
    });
    if (!life.isDead) agent.start();
  }

  /** The machine loses power, and with `losesDisk` what it had stored. */
  kill({ losesDisk }: { losesDisk: boolean }): void {
    this.#life.isDead = true;
    this.dropLinks();
    this.#around.broker.cut(this.id);
    if (losesDisk) this.#files = new MemoryFiles();
  }

  freeze(): void {
    this.#life.isFrozen = true;
  }

  thaw(): void {
    this.#life.thaw();
  }

  /** Breaks the connection to the hub; the agent may dial again. */
  dropLinks(): void {
    for (const link of this.#links.splice(0)) link.drop("The connection broke");
  }

  #dialHub(life: Life, events: SocketEvents): Socket {
    const link = new HubLink(life, events);
    this.#links.push(link);
    setImmediate(() => {
      const sessions = this.isCutOff || life.isDead ? null : this.#around.sessions();
      if (sessions === null) return link.drop("The hub is away");
      sessions.accept(link.hubEnd, { id: this.id, name: this.id }, "127.0.0.1");
      link.opened();
    });
    return link;
  }

  /** A runner in this very process, behind the frames of a real one. */
  #spawn(agentLife: Life): ChildProcess {
    const life = new Life();
    const exit = Promise.withResolvers<ChildExit>();
    let out: ReadableStreamDefaultController<Uint8Array> | null = null;
    const end = (code: number, signal: string | null) => {
      if (life.isDead) return;
      life.isDead = true;
      out?.close();
      exit.resolve({ code, signal });
    };
    // The runner stands still and dies with its machine.
    const both: Pick<Life, "let"> = { let: (act) => agentLife.let(() => life.let(act)) };
    const decoder = new FrameDecoder<RunnerCommand>();
    const runner = new Runner(this.#runnerPorts(both, {
      report: (report, body) => {
        if (!life.isDead && !agentLife.isDead) out?.enqueue(encodeFrame(report, body));
      },
      exit: (code) => end(code, null),
    }));
    return {
      pid: 1,
      stdin: new WritableStream({
        write: (chunk) =>
          both.let(() => decoder.push(chunk, (command, body) => runner.handle(command, body))),
        close: () => end(0, null),
      }),
      stdout: new ReadableStream({ start: (controller) => void (out = controller) }),
      stderr: new ReadableStream({ start: (controller) => controller.close() }),
      exited: exit.promise,
      kill: () => end(137, "SIGKILL"),
    };
  }

  #runnerPorts(
    life: Pick<Life, "let">,
    process: Pick<RunnerPorts, "report" | "exit">,
  ): RunnerPorts {
    const { clock, broker, definition, onOutput } = this.#around;
    const own = new Life();
    const gated: Clock = {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, fire) => clock.after(delayMs, () => life.let(fire)),
    };
    own.let = life.let;
    const dialer = broker.dialerOf(this.id);
    const dial: Dialer = async (url, options) => own.connectionOver(await dialer(url, options));
    return {
      ...process,
      clock: gated,
      yieldTurn: () => new Promise((resolve) => setImmediate(() => life.let(resolve))),
      evaluate: (_bundle, params) => definition.build(params),
      createConnectors: (of) => {
        const real = createConnectorFactory({
          ...of,
          clock: gated,
          random: this.#random,
          logger: SILENT,
          dial,
        });
        const createSink: ConnectorFactory["createSink"] = () => memorySink(onOutput);
        return { createSource: real.createSource.bind(real), createSink };
      },
      openExchange: mqttExchangeOpener({ dial, clock: gated, random: this.#random }),
      stopDead: () => {},
    };
  }
}

/** A sink whose other side confirms at once. */
function memorySink(onOutput: SimSurroundings["onOutput"]): SinkWriter {
  return {
    write: onOutput,
    pendingCount: 0,
    flush: () => Promise.resolve(),
    capture: () => null,
    restore: () => {},
    notifyCompleted: () => {},
    close: () => Promise.resolve(),
  };
}

/** A WebSocket between an agent and the hub, both ends. */
class HubLink implements Socket {
  readonly bufferedBytes = 0;
  readonly hubEnd: AgentSocket;
  readonly #life: Life;
  readonly #events: SocketEvents;
  readonly #listeners = new Map<string, ((event: { data: unknown }) => void)[]>();
  #state: "opening" | "open" | "closed" = "opening";

  constructor(life: Life, events: SocketEvents) {
    this.#life = life;
    this.#events = events;
    const state = () => this.#state === "open" ? 1 : 3;
    this.hubEnd = {
      get readyState() {
        return state();
      },
      bufferedAmount: 0,
      send: (text) => this.#later(() => this.#events.onText(text)),
      close: (_code, reason) => this.drop(reason),
      addEventListener: (type: string, listener: (event: { data: unknown }) => void) => {
        this.#listeners.set(type, [...this.#listeners.get(type) ?? [], listener]);
      },
    };
  }

  opened(): void {
    if (this.#state !== "opening") return;
    this.#state = "open";
    this.#later(() => this.#events.onOpen());
  }

  send(text: string): void {
    if (this.#life.isDead) return;
    queueMicrotask(() => this.#tellHub("message", text));
  }

  close(reason: string): void {
    this.drop(reason);
  }

  drop(reason: string): void {
    if (this.#state === "closed") return;
    const wasOpen = this.#state === "open";
    if (wasOpen) this.#tellHub("close", null);
    this.#state = "closed";
    queueMicrotask(() => this.#life.let(() => this.#events.onClose(reason)));
  }

  #tellHub(type: string, data: unknown): void {
    if (this.#state !== "open") return;
    for (const listener of this.#listeners.get(type) ?? []) listener({ data });
  }

  #later(act: () => void): void {
    queueMicrotask(() => this.#life.let(() => this.#state === "open" && act()));
  }
}
