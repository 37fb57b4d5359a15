/**
 * An agent without processing that speaks to a real hub over its real control channel: it enrols, takes
 * regions on, answers barriers with uploaded snapshots, and says what a test wants it to say.
 *
 * Touches the network. Its state is made up; everything the hub does with it is real.
 */
import { createHash } from "node:crypto";
import type { Enrolment } from "@shared/api.ts";
import type { JobDetail } from "@shared/job_api.ts";
import type { Digest, JobId, RegionId } from "@shared/ids.ts";
import type { OperatorNode } from "@shared/job_graph.ts";
import { KEY_HASH_ID, type SnapshotStats, type SubtaskSnapshot } from "@shared/manifest.ts";
import type {
  AgentMessage,
  HubMessage,
  HubMessageOf,
  RunningRegion,
  Uplink,
} from "@shared/messages.ts";
import { openWebSocket } from "@shared/platform/websocket.ts";
import type { SubtaskPlan } from "@shared/regions.ts";
import type { Socket } from "@shared/socket.ts";
import type { HubApi } from "../../tools/cli/hub_api.ts";

const HEARTBEAT_MS = 1_000;
const RESTORE_MS = 150;

interface Held extends RunningRegion {
  readonly subtasks: readonly SubtaskPlan[];
  position: number;
}

export interface WireAgentOptions {
  readonly api: HubApi;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Keys that a subtask holds now. */
  readonly entriesOf?: (subtaskId: string) => number;
  /** Phases of a subtask's snapshot; an error declines it. */
  readonly statsOf?: (subtaskId: string, checkpointId: number) => Partial<SnapshotStats> | Error;
  readonly uplink?: Partial<Uplink>;
}

export class WireAgent {
  readonly id: string;
  readonly name: string;
  readonly regions = new Map<RegionId, { -readonly [K in keyof Held]: Held[K] }>();
  readonly received: HubMessage[] = [];
  readonly #options: WireAgentOptions;
  readonly #credential: string;
  readonly #grants = new Map<string, (message: HubMessageOf<"uploadGrant">) => void>();
  readonly #nodes = new Map<JobId, readonly OperatorNode[]>();
  #socket: Socket | null = null;
  #beat: ReturnType<typeof setInterval> | undefined;
  #seq = 0;

  private constructor(options: WireAgentOptions, enrolment: Enrolment) {
    this.#options = options;
    this.id = enrolment.agentId;
    this.name = enrolment.name;
    this.#credential = enrolment.credential;
  }

  /** Enrols with a join token of its own; not yet connected. */
  static async enrol(options: WireAgentOptions): Promise<WireAgent> {
    const { api, name, labels = {} } = options;
    const { token } = await api.post<{ token: string }>("/tokens", { labels: {} });
    const response = await fetch(`${api.hubUrl}/api/v1/enrol`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ name, labels }),
    });
    if (response.status !== 201) throw new Error(`Not enrolled: ${await response.text()}`);
    return new WireAgent(options, await response.json());
  }

  /** Connects and says hello; resolves with the welcome. */
  connect(): Promise<void> {
    const { api, labels = {} } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const url = `${api.hubUrl.replace(/^http/, "ws")}/api/v1/agents/connect`;
    const headers = { authorization: `Bearer ${this.#credential}` };
    this.#socket = openWebSocket(url, headers, {
      onOpen: () =>
        this.say({
          kind: "hello",
          version: 1,
          agentVersion: "0.1.0",
          bootId: `boot-${this.id}`,
          labels,
          regions: [...this.regions.values()].map((
            { jobId, regionId, attempt, status, lastCompletedId },
          ) => ({ jobId, regionId, attempt, status, lastCompletedId })),
        }),
      onText: (text) => {
        const message = JSON.parse(text) as HubMessage;
        this.received.push(message);
        if (message.kind === "welcome") {
          this.#beat = setInterval(() => this.#heartbeat(), HEARTBEAT_MS);
          resolve();
        } else void this.#take(message);
      },
      onClose: (reason) => {
        clearInterval(this.#beat);
        this.#socket = null;
        reject(new Error(reason));
      },
    });
    return promise;
  }

  /** The process is gone: its connection, and what it ran. */
  close(): void {
    clearInterval(this.#beat);
    this.#socket?.close("closed by the test");
    this.#socket = null;
    this.regions.clear();
  }

  say(message: AgentMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #heartbeat(): void {
    const uplink = { roundTripMs: 12, unsentBytes: 0, keptMessages: 0, ...this.#options.uplink };
    this.say({ kind: "heartbeat", seq: ++this.#seq, uplink });
  }

  async #take(message: HubMessage): Promise<void> {
    if (message.kind === "uploadGrant") return this.#grants.get(message.requestId)?.(message);
    if (!("regionId" in message)) return;
    const region = this.regions.get(message.regionId);
    switch (message.kind) {
      case "deploy":
        return await this.#deploy(message);
      case "run":
        if (region?.attempt === message.attempt) this.#status(message.regionId, "running");
        return;
      case "stop":
      case "stale":
        if (region === undefined || region.attempt > message.attempt) return;
        this.#status(message.regionId, "stopped");
        return void this.regions.delete(message.regionId);
      case "trigger":
        if (region?.attempt !== message.attempt) return;
        region.position += 1_000;
        await Promise.all(region.subtasks.map((plan) => this.#snapshot(region, plan, message)));
        return;
      case "completed":
        if (region?.attempt === message.attempt) region.lastCompletedId = message.checkpointId;
        return;
      default:
        return;
    }
  }

  async #deploy(message: HubMessageOf<"deploy">): Promise<void> {
    const { jobId, regionId, attempt, restore, subtasks } = message;
    const job = await this.#options.api.get<JobDetail>(`/jobs/${jobId}`);
    this.#nodes.set(jobId, job.graph.operators);
    const positions = (restore?.snapshots ?? []).flatMap(({ splits }) =>
      splits.map((split) => split.position)
    );
    const floor = restore?.positionFloors?.[0]?.position ?? 0;
    const position = Math.max(0, floor, ...positions);
    const held = { jobId, regionId, attempt, subtasks, position };
    this.regions.set(regionId, { ...held, status: "restoring", lastCompletedId: null });
    this.#status(regionId, "restoring");
    await new Promise((resolve) => setTimeout(resolve, RESTORE_MS));
    if (this.regions.get(regionId)?.attempt === attempt) this.#status(regionId, "restored");
  }

  #status(regionId: RegionId, status: RunningRegion["status"]): void {
    const region = this.regions.get(regionId)!;
    region.status = status;
    const { jobId, attempt } = region;
    this.say({ kind: "status", jobId, regionId, attempt, status, reason: "", isRetryable: true });
  }

  async #snapshot(
    region: Held,
    plan: SubtaskPlan,
    { checkpointId }: HubMessageOf<"trigger">,
  ): Promise<void> {
    const { jobId, regionId, attempt } = region;
    const { subtaskId } = plan;
    const of = { jobId, regionId, attempt, subtaskId, checkpointId };
    const stats = this.#options.statsOf?.(subtaskId, checkpointId) ?? {};
    if (stats instanceof Error) {
      return this.say({ kind: "decline", ...of, reason: "upload-failed", detail: stats.message });
    }
    const bytes = new TextEncoder().encode(`${jobId}/${subtaskId}/${region.position}`);
    const digest = createHash("sha256").update(bytes).digest("hex") as Digest;
    const blob = { digest, bytes: bytes.length };
    const requestId = `${subtaskId}/${attempt}/${checkpointId}`;
    const granted = new Promise<HubMessageOf<"uploadGrant">>((resolve) =>
      this.#grants.set(requestId, resolve)
    );
    const request = { requestId, jobId, regionId, attempt, checkpointId, blobs: [blob] };
    this.say({ kind: "uploadRequest", ...request });
    const put = (await granted).blobs[0]?.put ?? null;
    this.#grants.delete(requestId);
    if (put !== null) {
      const answer = await fetch(put.url, { method: "PUT", headers: put.headers, body: bytes });
      if (!answer.ok) throw new Error(`Not uploaded: ${answer.status} ${await answer.text()}`);
      await answer.body?.cancel();
    }
    const base = { startDelayMs: 3, alignmentMs: 0, syncMs: 1, asyncMs: 24 };
    const sizes = { fullBytes: 184_000, uploadedBytes: 12_400 };
    const snapshot = this.#snapshotOf(region, plan, blob);
    this.say({ kind: "acknowledge", ...of, snapshot, stats: { ...base, ...sizes, ...stats } });
  }

  /** State of every keyed operator the subtask runs, and the position of its source. */
  #snapshotOf(
    region: Held,
    plan: SubtaskPlan,
    blob: { readonly digest: Digest; readonly bytes: number },
  ): SubtaskSnapshot {
    const { subtaskId, sourceUid, splitIndex, keyGroups, operatorUids } = plan;
    const nodes = this.#nodes.get(region.jobId) ?? [];
    const keyed = nodes.filter(({ uid, states }) =>
      operatorUids.includes(uid) && states.length > 0
    );
    const entryCount = this.#options.entriesOf?.(subtaskId) ?? region.position / 1_000;
    const groups = [keyGroups ?? [0, 127]] as const;
    return {
      version: 1,
      subtaskId,
      keyGroups,
      keyGroupCount: 128,
      keyHash: KEY_HASH_ID,
      operators: keyed.map(({ uid, states }) => ({ uid, states: [...states], entryCount })),
      splits: sourceUid === null ? [] : [{
        sourceUid,
        splitIndex,
        position: region.position,
        lastRecordAtMs: Date.now(),
      }],
      pieces: [{
        ...blob,
        sections: [
          ...keyed.map(({ uid }) => ({ kind: "keyed", uid, groups }) as const),
          ...(sourceUid === null ? [] : [{ kind: "source", uid: sourceUid, groups: [] } as const]),
        ],
      }],
    };
  }
}
