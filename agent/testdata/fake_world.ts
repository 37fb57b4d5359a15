/**
 * A world for an agent under test: hub, runners, files and object store in memory, time by hand.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers";
import { Agent } from "../agent.ts";
import {
  encodeFrame,
  FrameDecoder,
  type RunnerCommand,
  type RunnerReport,
} from "../runner_frames.ts";
import type { ChildExit, ChildProcess } from "@shared/child_process.ts";
import type { Attempt, CheckpointId, Digest, JobId, RegionId, SubtaskId } from "@shared/ids.ts";
import type { LocalFiles } from "@shared/local_files.ts";
import type { LogFields, Logger } from "@shared/logger.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import {
  type AgentMessage,
  type AgentMessageOf,
  decodeAgentMessage,
  type HubMessage,
  type HubMessageOf,
  type LogLine,
  type SubtaskMetrics,
} from "@shared/messages.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import type { Socket, SocketEvents } from "@shared/socket.ts";

export const JOB = "job-1" as JobId;
export const REGION = "telemetry.0" as RegionId;
export const SUBTASK = "telemetry.0" as SubtaskId;

export function digestOf(bytes: Uint8Array): Digest {
  return createHash("sha256").update(bytes).digest("hex") as Digest;
}

export function sha256(bytes: Uint8Array): Promise<string> {
  return Promise.resolve(digestOf(bytes));
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export const BUNDLE: Uint8Array = utf8("job bundle");

/** Lets everything that does not wait for time happen. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 25; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A snapshot of these pieces. */
export function snapshotWith(...pieces: Uint8Array[]): SubtaskSnapshot {
  return snapshotOf(SUBTASK, pieces);
}

export function snapshotOf(
  subtaskId: SubtaskId,
  pieces: readonly Uint8Array[],
): SubtaskSnapshot {
  return {
    version: 1,
    subtaskId,
    keyGroupCount: 128,
    keyHash: "murmur3-32-utf8-seed0/1",
    operators: [],
    splits: [],
    pieces: pieces.map((bytes) => ({ digest: digestOf(bytes), bytes: bytes.length, sections: [] })),
  };
}

export function metricsOf(more: Partial<SubtaskMetrics> = {}): SubtaskMetrics {
  return {
    jobId: JOB,
    regionId: REGION,
    attempt: 1 as Attempt,
    subtaskId: SUBTASK,
    recordsIn: 0,
    recordsOut: 0,
    duplicatesDropped: 0,
    deadLetters: 0,
    stateEntries: 0,
    windowUsed: 0,
    windowSize: 65_535,
    windowSecondsLeft: null,
    busyRatio: 0,
    backpressuredRatio: 0,
    idleRatio: 1,
    watermarkMs: null,
    eventTimeLagMs: null,
    sourceLagMs: null,
    lateRecords: 0,
    shedRecords: 0,
    futureRecords: 0,
    inputQueued: 0,
    position: 0,
    isConnected: true,
    operators: [],
    ...more,
  };
}

export function deployOf(
  attempt: number,
  more: Partial<HubMessageOf<"deploy">> = {},
): HubMessageOf<"deploy"> {
  return {
    kind: "deploy",
    jobId: JOB,
    regionId: REGION,
    attempt: attempt as Attempt,
    jobName: "pump-watch",
    bundleDigest: digestOf(BUNDLE),
    bundleUrl: { url: "http://hub/bundle", headers: {} },
    params: {},
    subtasks: [{
      subtaskId: SUBTASK,
      sourceUid: "telemetry",
      splitIndex: 0,
      operatorUids: [],
      keyGroups: null,
      inputs: [],
      outputs: [],
    }],
    brokers: [],
    restore: null,
    exchange: null,
    heapMb: 64,
    ...more,
  };
}

/** A child that does what its test says; by default a runner that starts, runs and stops as asked. */
export class FakeChild implements ChildProcess {
  static nextPid = 1000;
  readonly pid = FakeChild.nextPid++;
  readonly args: readonly string[];
  readonly commands: { command: RunnerCommand; body: Uint8Array }[] = [];
  readonly stdin: WritableStream<Uint8Array>;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly exited: Promise<ChildExit>;
  /** Commands that it takes and does not answer. */
  readonly mute = new Set<RunnerCommand["kind"]>();
  #out!: ReadableStreamDefaultController<Uint8Array>;
  #err!: ReadableStreamDefaultController<Uint8Array>;
  #exit = Promise.withResolvers<ChildExit>();
  isDead = false;

  constructor(args: readonly string[]) {
    this.args = args;
    const decoder = new FrameDecoder<RunnerCommand>();
    this.stdin = new WritableStream({
      write: (chunk) => decoder.push(chunk, (command, body) => this.#take(command, body)),
      close: () => this.exit(0),
    });
    this.stdout = new ReadableStream({ start: (out) => void (this.#out = out) });
    this.stderr = new ReadableStream({ start: (err) => void (this.#err = err) });
    this.exited = this.#exit.promise;
  }

  report(report: RunnerReport, body?: Uint8Array): void {
    if (!this.isDead) this.#out.enqueue(encodeFrame(report, body));
  }

  exit(code: number, signal: string | null = null, stderr = ""): void {
    if (this.isDead) return;
    this.isDead = true;
    this.#err.enqueue(utf8(stderr));
    this.#out.close();
    this.#err.close();
    this.#exit.resolve({ code, signal });
  }

  kill(): void {
    this.exit(137, "SIGKILL");
  }

  kinds(): string[] {
    return this.commands.map(({ command }) => command.kind);
  }

  #take(command: RunnerCommand, body: Uint8Array): void {
    this.commands.push({ command, body });
    if (this.mute.has(command.kind)) return;
    if (command.kind === "init") this.report({ kind: "ready" });
    if (!("regionId" in command)) return;
    const { regionId, attempt } = command;
    const answer = { start: "restored", run: "running", stop: "stopped" } as const;
    if (command.kind === "start" || command.kind === "run" || command.kind === "stop") {
      this.report({ kind: answer[command.kind], regionId, attempt });
    }
  }
}

/** The hub's end of one connection. */
export class FakeLink implements Socket {
  readonly received: AgentMessage[] = [];
  bufferedBytes = 0;
  closedBecause: string | null = null;
  /** Off: a hub that has gone silent. */
  answersHeartbeats = true;
  constructor(
    readonly url: string,
    readonly headers: Readonly<Record<string, string>>,
    readonly events: SocketEvents,
  ) {}

  send(text: string): void {
    if (this.closedBecause !== null) return;
    const message = decodeAgentMessage(text);
    this.received.push(message);
    if (message.kind !== "heartbeat" || !this.answersHeartbeats) return;
    queueMicrotask(() => this.tell({ kind: "heartbeatAck", seq: message.seq }));
  }

  close(reason: string): void {
    if (this.closedBecause !== null) return;
    this.closedBecause = reason;
    queueMicrotask(() => this.events.onClose(reason));
  }

  tell(message: HubMessage): void {
    if (this.closedBecause === null) this.events.onText(JSON.stringify(message));
  }

  /** Opens and welcomes. */
  welcome(hubTerm = 1): void {
    this.events.onOpen();
    this.tell({
      kind: "welcome",
      version: 1,
      agentId: "agent-1",
      hubTerm,
      heartbeatIntervalMs: 2_000,
      leaseTtlMs: 6_000,
      autonomousAfterMs: 45_000,
    } as HubMessage);
  }

  of<K extends AgentMessage["kind"]>(kind: K): AgentMessageOf<K>[] {
    return this.received.filter((message): message is AgentMessageOf<K> => message.kind === kind);
  }

  /** Statuses as `restoring restored …`. */
  statuses(): string {
    return this.of("status").map((message) => message.status).join(" ");
  }
}

export class MemoryFiles implements LocalFiles {
  readonly content = new Map<string, Uint8Array>();
  /** Set: every write fails with it. */
  writeError: Error | null = null;
  read = (path: string) => Promise.resolve(this.content.get(path) ?? null);
  writeDurably = (path: string, bytes: Uint8Array) => {
    if (this.writeError !== null) return Promise.reject(this.writeError);
    this.content.set(path, bytes.slice());
    return Promise.resolve();
  };
  list = (directory: string) => {
    const names = [...this.content.keys()].filter((path) => path.startsWith(`${directory}/`));
    return Promise.resolve(names.map((path) => path.slice(directory.length + 1)).sort());
  };
  remove = (path: string) => Promise.resolve(void this.content.delete(path));
}

export class MemoryLogger implements Logger {
  constructor(readonly lines: { message: string; fields: LogFields }[] = []) {}
  debug = (message: string, fields: LogFields = {}) => void this.lines.push({ message, fields });
  info = this.debug;
  warn = this.debug;
  error = this.debug;
  with = () => new MemoryLogger(this.lines);
}

export class World {
  readonly clock = new ManualClock();
  readonly random = new SeededRandom(7);
  readonly files = new MemoryFiles();
  readonly logger = new MemoryLogger();
  readonly links: FakeLink[] = [];
  readonly children: FakeChild[] = [];
  readonly stoppedDead: string[] = [];
  /** What the object store answers with, by `METHOD url`. */
  readonly web = new Map<string, () => Response>();
  readonly requests: string[] = [];
  readonly uploaded = new Map<string, Uint8Array>();
  failPoint: string | null = null;
  /** What the agent logged and the hub has not been told. */
  readonly logLines: LogLine[] = [];
  /** Prepares each child before it is started. */
  prepare: (child: FakeChild) => void = () => {};

  constructor() {
    this.web.set("GET http://hub/bundle", () => new Response(BUNDLE as Uint8Array<ArrayBuffer>));
  }

  /** Not an arrow property with `fetch`'s overloads: the agent calls it with text and options. */
  readonly fetch = (async (url: string, init: RequestInit = {}) => {
    const request = `${init.method ?? "GET"} ${url}`;
    this.requests.push(request);
    init.signal?.throwIfAborted();
    const answer = this.web.get(request);
    if (answer !== undefined) return answer();
    if (init.method !== "PUT") return new Response("no such object", { status: 404 });
    this.uploaded.set(url, new Uint8Array(await new Response(init.body ?? null).arrayBuffer()));
    return new Response("");
  }) as typeof fetch;

  async agent(): Promise<Agent> {
    const { clock, random, files, logger, fetch, failPoint } = this;
    const agent = await Agent.open({
      hubUrl: "http://hub",
      credential: "secret",
      labels: { line: "1" },
      dataDir: "/data",
      runnerBundle: "/opt/runner.js",
      failPoint,
      stopDead: (name) => void this.stoppedDead.push(name),
      clock,
      random,
      logger,
      logLines: () => this.logLines.splice(0),
      files,
      sha256,
      fetch,
      spawn: (args) => {
        const child = new FakeChild(args);
        this.children.push(child);
        this.prepare(child);
        return child;
      },
      openSocket: (url, headers, events) => {
        const link = new FakeLink(url, headers, events);
        this.links.push(link);
        return link;
      },
    });
    agent.start();
    return agent;
  }

  /** Moves time on second by second, letting things happen in between. */
  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await settle();
  }

  get link(): FakeLink {
    return this.links.at(-1)!;
  }

  get child(): FakeChild {
    return this.children.at(-1)!;
  }

  /** An agent that is welcomed and runs `REGION` under `attempt`. */
  async running(attempt = 1): Promise<Agent> {
    const agent = await this.agent();
    this.link.welcome();
    await this.deployAndRun(attempt);
    return agent;
  }

  async deployAndRun(attempt: number, more: Partial<HubMessageOf<"deploy">> = {}): Promise<void> {
    this.link.tell(deployOf(attempt, more));
    await settle();
    this.link.tell({ kind: "run", ...this.region(attempt) });
    await settle();
  }

  region(attempt: number): { jobId: JobId; regionId: RegionId; attempt: Attempt } {
    return { jobId: JOB, regionId: REGION, attempt: attempt as Attempt };
  }

  trigger(attempt: number, checkpointId: number, isSavepoint = false): void {
    const id = checkpointId as CheckpointId;
    const triggeredAtMs = this.clock.nowMs();
    this.link.tell({
      kind: "trigger",
      ...this.region(attempt),
      checkpointId: id,
      isSavepoint,
      triggeredAtMs,
    });
  }

  /** The runner hands over snapshot `checkpointId`; `fresh` pieces come as blobs. */
  async snapshot(
    attempt: number,
    checkpointId: number,
    fresh: readonly Uint8Array[],
    reused: readonly Uint8Array[] = [],
    subtaskId: SubtaskId = SUBTASK,
  ): Promise<void> {
    const { regionId } = this.region(attempt);
    const of = {
      regionId,
      attempt: attempt as Attempt,
      checkpointId: checkpointId as CheckpointId,
    };
    for (const bytes of fresh) {
      this.child.report(
        { kind: "piece", ...of, subtaskId, digest: digestOf(bytes) },
        bytes,
      );
    }
    const snapshot = snapshotOf(subtaskId, [...reused, ...fresh]);
    const phases = { alignmentMs: 0, syncMs: 1, asyncMs: 2 };
    this.child.report({ kind: "snapshot", ...of, subtaskId, snapshot, ...phases });
    await settle();
  }

  /** Answers the last upload request: the blobs of `held` are there already. */
  async grant(held: readonly Uint8Array[] = []): Promise<void> {
    const request = this.link.of("uploadRequest").at(-1)!;
    const holds = new Set(held.map(digestOf));
    const blobs = request.blobs.map(({ digest }) => ({
      digest,
      put: holds.has(digest)
        ? null
        : { url: `http://store/${digest}`, headers: { "x-signed": "1" } },
    }));
    this.link.tell({ kind: "uploadGrant", requestId: request.requestId, blobs });
    await settle();
  }
}
