/**
 * An agent without processing: it speaks the control channel, counts a position, uploads a snapshot of
 * each subtask it was given.
 *
 * It takes 100 more records into its state before each barrier, so that positions tell lineages apart.
 */
import { createHash } from "node:crypto";
import type { AgentSessions, AgentSocket } from "../../hub/agent_sessions.ts";
import type { Clock } from "@shared/clock.ts";
import type { AgentId, CheckpointId, Digest, RegionId } from "@shared/ids.ts";
import { KEY_HASH_ID, type SubtaskSnapshot } from "@shared/manifest.ts";
import type {
  AgentMessage,
  DeclineReason,
  HubMessage,
  HubMessageOf,
  RunningRegion,
} from "@shared/messages.ts";
import type { ObjectStore } from "@shared/object_store.ts";
import type { SubtaskPlan } from "@shared/regions.ts";

const HEARTBEAT_MS = 2_000;
const RECORDS_PER_BARRIER = 100;

/** Objects in memory; what was put is verified. */
export class MemoryObjectStore implements ObjectStore {
  readonly objects = new Map<Digest, Uint8Array>();

  put(digest: Digest, bytes: Uint8Array): Promise<void> {
    this.objects.set(digest, bytes);
    return Promise.resolve();
  }
  get(digest: Digest): Promise<Uint8Array | null> {
    return Promise.resolve(this.objects.get(digest) ?? null);
  }
  stat(digest: Digest): Promise<{ bytes: number; isDigestVerified: boolean } | null> {
    const bytes = this.objects.get(digest)?.length;
    return Promise.resolve(bytes === undefined ? null : { bytes, isDigestVerified: true });
  }
  delete(digest: Digest): Promise<void> {
    this.objects.delete(digest);
    return Promise.resolve();
  }
  async *list() {
    for (const [digest, bytes] of this.objects) {
      yield await Promise.resolve({ digest, bytes: bytes.length, modifiedAtMs: 0 });
    }
  }
  signPut(digest: Digest): Promise<{ url: string; headers: Record<string, string> }> {
    return Promise.resolve({ url: `memory:${digest}`, headers: {} });
  }
  signGet(digest: Digest): Promise<{ url: string; headers: Record<string, string> }> {
    return Promise.resolve({ url: `memory:${digest}`, headers: {} });
  }
  check(): Promise<void> {
    return Promise.resolve();
  }
}

class FakeSocket implements AgentSocket {
  readyState = 1;
  readonly bufferedAmount = 0;
  closeCode: number | null = null;
  readonly #onHub: (text: string) => void;
  readonly #listeners = new Map<string, ((event: { data: unknown }) => void)[]>();

  constructor(onHub: (text: string) => void) {
    this.#onHub = onHub;
  }
  send(text: string): void {
    this.#onHub(text);
  }
  close(code: number): void {
    this.closeCode = code;
    this.drop();
  }
  addEventListener(type: string, listener: (event: { data: unknown }) => void): void {
    this.#listeners.set(type, [...this.#listeners.get(type) ?? [], listener]);
  }
  /** The peer says `text`. */
  say(text: string): void {
    if (this.readyState !== 1) return;
    for (const listener of this.#listeners.get("message") ?? []) listener({ data: text });
  }
  /** The connection is gone. */
  drop(): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    for (const listener of this.#listeners.get("close") ?? []) listener({ data: null });
  }
}

/** What it runs of a region. */
interface Running extends RunningRegion {
  readonly subtasks: readonly SubtaskPlan[];
  /** Records that each of its sources has taken in, and each of its keyed subtasks has counted. */
  position: number;
  /** Snapshots it was deployed with. */
  readonly restored: readonly SubtaskSnapshot[];
}

export class FakeAgent {
  readonly id: AgentId;
  readonly received: HubMessage[] = [];
  readonly regions = new Map<RegionId, { -readonly [K in keyof Running]: Running[K] }>();
  /** Set: it declines with this instead of acknowledging. */
  declines: DeclineReason | null = null;
  /** Set: it keeps silent about checkpoints. */
  ignoresTriggers = false;
  /** Set: it does not stop what it is told to stop. */
  ignoresStops = false;
  /** Set: it deploys nothing. */
  ignoresDeploys = false;
  /** Said in its next hello. */
  canGoAutonomous = false;
  /** Called before the agent reacts. */
  onMessage: (message: HubMessage) => void = () => {};
  readonly #clock: Clock;
  readonly #objects: ObjectStore;
  readonly #uploads = new Map<string, () => void>();
  #socket: FakeSocket | null = null;
  #heartbeat: () => void = () => {};
  #seq = 0;

  constructor(
    id: string,
    world: { readonly clock: Clock; readonly objects: ObjectStore },
  ) {
    this.id = id as AgentId;
    this.#clock = world.clock;
    this.#objects = world.objects;
  }

  get closeCode(): number | null {
    return this.#socket?.closeCode ?? null;
  }

  /** Connects and says hello with what it runs. */
  connect(sessions: AgentSessions): void {
    this.#socket = new FakeSocket((text) => this.#onText(text));
    sessions.accept(this.#socket, { id: this.id, name: this.id }, "127.0.0.1");
    this.say({
      kind: "hello",
      version: 1,
      agentVersion: "test",
      bootId: "boot",
      labels: {},
      regions: [...this.regions.values()].map((region) => ({
        jobId: region.jobId,
        regionId: region.regionId,
        attempt: region.attempt,
        status: region.status,
        lastCompletedId: region.lastCompletedId,
      })),
      canGoAutonomous: this.canGoAutonomous,
    });
    this.#beat();
  }

  /** The process is gone, and with it what it ran. */
  kill(): void {
    this.disconnect();
    this.regions.clear();
  }

  /** The connection is gone; what it runs goes on. */
  disconnect(): void {
    this.#heartbeat();
    this.#socket?.drop();
    this.#socket = null;
  }

  /** Stands still with its connection open, as after SIGSTOP. */
  freeze(): void {
    this.#heartbeat();
  }

  say(message: AgentMessage): void {
    this.#socket?.say(JSON.stringify(message));
  }

  messages<K extends HubMessage["kind"]>(kind: K): HubMessageOf<K>[] {
    return this.received.filter((message): message is HubMessageOf<K> => message.kind === kind);
  }

  acknowledge(regionId: RegionId, checkpointId: CheckpointId, snapshot: SubtaskSnapshot): void {
    const region = this.regions.get(regionId)!;
    const { jobId, attempt } = region;
    const { subtaskId } = snapshot;
    this.say({
      kind: "acknowledge",
      jobId,
      regionId,
      attempt,
      subtaskId,
      checkpointId,
      snapshot,
      stats: {
        startDelayMs: 1,
        alignmentMs: 0,
        syncMs: 1,
        asyncMs: 1,
        fullBytes: 10,
        uploadedBytes: 10,
      },
    });
  }

  #beat(): void {
    this.say({ kind: "heartbeat", seq: ++this.#seq });
    this.#heartbeat = this.#clock.after(HEARTBEAT_MS, () => this.#beat());
  }

  #onText(text: string): void {
    const message = JSON.parse(text) as HubMessage;
    this.received.push(message);
    this.onMessage(message);
    // The hub's turn ends before the agent answers, as over a network.
    queueMicrotask(() => this.#react(message));
  }

  #react(message: HubMessage): void {
    if (!("regionId" in message)) {
      if (message.kind === "uploadGrant") this.#uploads.get(message.requestId)?.();
      return;
    }
    const region = this.regions.get(message.regionId);
    switch (message.kind) {
      case "deploy":
        if (!this.ignoresDeploys) this.#deploy(message);
        return;
      case "run":
        if (region === undefined || region.attempt !== message.attempt) return;
        return this.#status(message.regionId, "running");
      case "stop":
      case "stale":
        if (region === undefined || region.attempt > message.attempt) return;
        if (message.kind === "stop" && this.ignoresStops) return;
        this.#status(message.regionId, "stopped");
        this.regions.delete(message.regionId);
        return;
      case "trigger":
        if (region?.attempt === message.attempt && !this.ignoresTriggers) this.#snapshot(message);
        return;
      case "completed":
        if (region?.attempt === message.attempt) region.lastCompletedId = message.checkpointId;
        return;
      default:
        return;
    }
  }

  #deploy(message: HubMessageOf<"deploy">): void {
    const { jobId, regionId, attempt, restore } = message;
    this.regions.set(regionId, {
      jobId,
      regionId,
      attempt,
      status: "restoring",
      lastCompletedId: null,
      subtasks: message.subtasks,
      position: Math.max(
        ...(restore?.snapshots ?? []).flatMap(({ splits }) =>
          splits.map((split) => split.position)
        ),
        restore?.positionFloors[0]?.position ?? 0,
        0,
      ),
      restored: restore?.snapshots ?? [],
    });
    this.#status(regionId, "restoring");
    this.#status(regionId, "restored");
  }

  #status(regionId: RegionId, status: RunningRegion["status"]): void {
    const region = this.regions.get(regionId)!;
    region.status = status;
    const { jobId, attempt } = region;
    this.say({ kind: "status", jobId, regionId, attempt, status, reason: "", isRetryable: true });
  }

  #snapshot(message: HubMessageOf<"trigger">): void {
    const region = this.regions.get(message.regionId)!;
    region.position += RECORDS_PER_BARRIER;
    for (const subtask of region.subtasks) this.#snapshotOf(region, subtask, message);
  }

  #snapshotOf(region: Running, subtask: SubtaskPlan, message: HubMessageOf<"trigger">): void {
    const { jobId, regionId, attempt } = region;
    const { subtaskId } = subtask;
    const { checkpointId } = message;
    if (this.declines !== null) {
      this.say({
        kind: "decline",
        jobId,
        regionId,
        attempt,
        subtaskId,
        checkpointId,
        reason: this.declines,
        detail: "as told",
      });
      return;
    }
    const bytes = new TextEncoder().encode(`${jobId}/${subtaskId}/${region.position}`);
    const digest = createHash("sha256").update(bytes).digest("hex") as Digest;
    const requestId = `${subtaskId}/${attempt}/${checkpointId}`;
    const piece = { digest, bytes: bytes.length };
    const snapshot = snapshotOf(subtask, region.position, { piece, nowMs: this.#clock.nowMs() });
    this.#uploads.set(requestId, () => {
      void this.#objects.put(digest, bytes);
      const isStillRun = this.regions.get(regionId)?.attempt === attempt;
      if (isStillRun) this.acknowledge(regionId, checkpointId, snapshot);
    });
    const blobs = [piece];
    this.say({ kind: "uploadRequest", requestId, jobId, regionId, attempt, checkpointId, blobs });
  }
}

/** Split and position where it has a source; the keyed state of its key groups where it has some. */
function snapshotOf(
  { subtaskId, sourceUid, splitIndex, keyGroups, outputs }: SubtaskPlan,
  position: number,
  stored: { readonly piece: { digest: Digest; bytes: number }; readonly nowMs: number },
): SubtaskSnapshot {
  const isKeyed = outputs.length === 0;
  const count = { name: "state", kind: "value", codecVersion: 1 } as const;
  return {
    version: 1,
    subtaskId,
    keyGroupCount: 128,
    keyHash: KEY_HASH_ID,
    operators: isKeyed
      ? [{ uid: "count", states: [count], entryCount: position / RECORDS_PER_BARRIER }]
      : [],
    splits: sourceUid === null
      ? []
      : [{ sourceUid, splitIndex, position, lastRecordAtMs: stored.nowMs }],
    pieces: [{
      ...stored.piece,
      sections: isKeyed
        ? [{ kind: "keyed", uid: "count", groups: [keyGroups ?? [0, 127]] }]
        : [{ kind: "source", uid: subtaskId, groups: [] }],
    }],
  };
}
