/**
 * Barrier alignment of one subtask: decides when the subtask takes its snapshot.
 *
 * Pure: no clock, no I/O. `alignment.ts` feeds events in arrival order and
 * carries out the returned actions before it reads the next element.
 *
 *   idle ──barrier n──▶ aligning n ──last open channel aligned──▶ idle   snapshot n
 *                           │
 *                           ├── barrier m > n ──▶ aligning m              abort n
 *                           └── cancel n ───────▶ idle                    abort n
 *   idle, every channel closed ── trigger n ──▶ idle                         snapshot n
 *
 * Invariants (tests/property/barrier_aligner_test.ts):
 *
 *   A1  A channel is blocked iff the subtask is aligning n and the channel
 *       has delivered barrier n.
 *   A2  A snapshot id is greater than every id snapshot, aborted or cancelled
 *       before it.
 *   A3  At snapshot n every open channel has delivered barrier n, and no
 *       element behind barrier n has been processed.
 *   A4  A closed channel never holds up alignment.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { ChannelIndex, CheckpointId } from "@shared/ids.ts";

/** Why a checkpoint ended at this subtask without a snapshot. */
export type AbortReason = "subsumed" | "cancelled";

export type AlignerEvent =
  | { kind: "barrier"; channel: ChannelIndex; checkpointId: CheckpointId }
  /** The coordinator's word that n has begun; needed when no barrier comes, every channel being closed. */
  | { kind: "trigger"; checkpointId: CheckpointId }
  | { kind: "cancel"; checkpointId: CheckpointId }
  | { kind: "close"; channel: ChannelIndex };

export type AlignerAction =
  | { kind: "block"; channel: ChannelIndex }
  | { kind: "unblockAll" }
  | { kind: "snapshot"; checkpointId: CheckpointId }
  | { kind: "abort"; checkpointId: CheckpointId; reason: AbortReason };

export interface AlignerState {
  /** Channels that can still deliver elements. */
  readonly open: ReadonlySet<ChannelIndex>;
  /** Checkpoint being aligned, or null when idle. */
  readonly aligning: CheckpointId | null;
  /** Channels that delivered barrier `aligning`; empty when idle. */
  readonly aligned: ReadonlySet<ChannelIndex>;
  /** Highest id that was snapshot, aborted or cancelled; 0 before the first. */
  readonly settled: number;
  /** Highest id the coordinator spoke of; 0 before the first. */
  readonly triggered: number;
}

export interface AlignerStep {
  readonly state: AlignerState;
  readonly actions: readonly AlignerAction[];
}

/**
 * Idle state over channels `0 .. channelCount - 1`.
 *
 * @param channelCount Number of input channels, at least 1.
 */
export function createAligner(channelCount: number): AlignerState {
  assert(channelCount >= 1, `channelCount is ${channelCount}: want >= 1`);
  const open = new Set(Array.from({ length: channelCount }, (_, i) => i as ChannelIndex));
  return { open, aligning: null, aligned: new Set(), settled: 0, triggered: 0 };
}

/** Applies one event. Never throws on late or repeated network events: it ignores them. */
export function stepAligner(state: AlignerState, event: AlignerEvent): AlignerStep {
  switch (event.kind) {
    case "barrier":
      return onBarrier(state, event.channel, event.checkpointId);
    case "trigger":
      return onTrigger(state, event.checkpointId);
    case "cancel":
      return onCancel(state, event.checkpointId);
    case "close":
      return onClose({ ...state, open: without(state.open, event.channel) });
  }
}

function onBarrier(state: AlignerState, channel: ChannelIndex, id: CheckpointId): AlignerStep {
  assert(state.open.has(channel), `Barrier ${id} on closed channel ${channel}`);
  assert(!state.aligned.has(channel), `Barrier ${id} on blocked channel ${channel}`);
  const current = state.aligning ?? state.settled;
  if (id < current || id === state.settled) return { state, actions: [] };

  const actions: AlignerAction[] = [];
  let aligned = state.aligned;
  let settled = state.settled;
  if (state.aligning !== null && state.aligning < id) {
    actions.push({ kind: "abort", checkpointId: state.aligning, reason: "subsumed" });
    actions.push({ kind: "unblockAll" });
    aligned = new Set();
    settled = state.aligning;
  }
  actions.push({ kind: "block", channel });
  const next = { ...state, aligning: id, aligned: new Set(aligned).add(channel), settled };
  return finishIfAligned(next, actions);
}

function onTrigger(state: AlignerState, id: CheckpointId): AlignerStep {
  return withoutChannels({ ...state, triggered: Math.max(state.triggered, id) });
}

function onClose(state: AlignerState): AlignerStep {
  const step = finishIfAligned(state, []);
  return step.actions.length > 0 ? step : withoutChannels(step.state);
}

/** With an open channel it is its barrier that begins n; with none there is nothing to wait for. */
function withoutChannels(state: AlignerState): AlignerStep {
  const { open, aligning, triggered, settled } = state;
  if (open.size > 0 || aligning !== null || triggered <= settled) return { state, actions: [] };
  const checkpointId = triggered as CheckpointId;
  return { state: { ...state, settled: triggered }, actions: [{ kind: "snapshot", checkpointId }] };
}

function onCancel(state: AlignerState, id: CheckpointId): AlignerStep {
  const { aligning } = state;
  if (aligning === null) {
    return { state: { ...state, settled: Math.max(state.settled, id) }, actions: [] };
  }
  if (id < aligning) return { state, actions: [] };
  const reason = id === aligning ? "cancelled" : "subsumed";
  return {
    state: { ...state, aligning: null, aligned: new Set(), settled: id },
    actions: [{ kind: "abort", checkpointId: aligning, reason }, { kind: "unblockAll" }],
  };
}

/** Ends alignment once every open channel has delivered the barrier. */
function finishIfAligned(state: AlignerState, actions: readonly AlignerAction[]): AlignerStep {
  const { aligning } = state;
  if (aligning === null) return { state, actions };
  for (const channel of state.open) {
    if (!state.aligned.has(channel)) return { state, actions };
  }
  return {
    state: { ...state, aligning: null, aligned: new Set(), settled: aligning },
    actions: [...actions, { kind: "snapshot", checkpointId: aligning }, { kind: "unblockAll" }],
  };
}

function without<T>(set: ReadonlySet<T>, item: T): ReadonlySet<T> {
  const copy = new Set(set);
  copy.delete(item);
  return copy;
}
