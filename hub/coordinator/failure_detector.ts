/**
 * Which agents hold a lease, and whether the regions of one that lost it may be given to another.
 *
 * Pure; time is the hub's monotonic clock. An agent that nobody heard of since the hub started is
 * expected, not dead. While the hub itself stood still (a busy machine, a suspended process) heartbeats
 * could not be taken in: that time counts as nobody's silence.
 *
 *   expected ──heartbeat──▶ held ──leaseTtl without one──▶ expired ──reassignWithin──▶ unreachable
 *      └──start + leaseTtl + grace──▶ expired ◀── goodbye        (a heartbeat leads back to held)
 *
 * Invariants (tests/property/coordinator_test.ts):
 *
 *   F5  Nothing expires before `start + leaseTtl + grace`, nor for time in which the hub stood still.
 *   P6  Regions of an expired agent that can go autonomous are given away within `reassignWithin` of the
 *       time its lease would have ended by its own clock only: later it may have. One that said goodbye
 *       or was removed cannot have, and neither can one that does not say in its hello that it is able
 *       to: such an agent holds its acknowledgements for ever, so its regions stay reassignable.
 *
 * What an agent is able to is known once it said hello to this hub. No agent of this version is able to;
 * one that is has to be remembered in the database, so that a restarted hub knows before it calls.
 *
 * @module
 */
import type { AgentId } from "@shared/ids.ts";

export interface LeaseLimits {
  readonly leaseTtlMs: number;
  readonly startGraceMs: number;
  readonly reassignWithinMs: number;
}

interface Lease {
  readonly status: "expected" | "held" | "expired" | "unreachable" | "gone";
  readonly renewedMs: number;
  /** When the lease ended, without the time that the hub stood still. */
  readonly expiredMs: number;
  /** Time that the hub stood still since the last sign of life. */
  readonly creditMs: number;
  readonly canGoAutonomous: boolean;
}

export interface FailureDetector {
  readonly limits: LeaseLimits;
  readonly startedMs: number;
  readonly leases: ReadonlyMap<AgentId, Lease>;
}

export type DetectorInput =
  /** The database says that this agent runs something. */
  | { readonly kind: "expect"; readonly agentId: AgentId; readonly nowMs: number }
  | { readonly kind: "heartbeat"; readonly agentId: AgentId; readonly nowMs: number }
  /** A sign of life that also says what the agent is able to. */
  | {
    readonly kind: "hello";
    readonly agentId: AgentId;
    readonly nowMs: number;
    readonly canGoAutonomous: boolean;
  }
  /** It said goodbye, a person removed it, or it said itself that it runs nothing. */
  | { readonly kind: "gone"; readonly agentId: AgentId; readonly nowMs: number }
  /** The hub did nothing for `forMs`. */
  | { readonly kind: "stalled"; readonly forMs: number }
  | { readonly kind: "tick"; readonly nowMs: number };

export type DetectorEffect =
  | { readonly kind: "expired"; readonly agentId: AgentId }
  /** The window of P6 closed: its regions stay where they are unless a person allows the gap. */
  | { readonly kind: "unreachable"; readonly agentId: AgentId }
  | { readonly kind: "returned"; readonly agentId: AgentId };

/** Whether a region of an agent may be given to another agent now. */
export type LeaseVerdict = "held" | "reassignable" | "possibly-autonomous";

export interface DetectorStep {
  readonly state: FailureDetector;
  readonly effects: readonly DetectorEffect[];
}

/** No agent is known yet. */
export function createDetector(limits: LeaseLimits, startedMs: number): FailureDetector {
  return { limits, startedMs, leases: new Map() };
}

/** Applies one input; effects are sorted by agent. */
export function stepDetector(state: FailureDetector, input: DetectorInput): DetectorStep {
  switch (input.kind) {
    case "expect":
      if (state.leases.has(input.agentId)) return { state, effects: [] };
      return set(state, input.agentId, {
        ...NEW_LEASE,
        status: "expected",
        renewedMs: input.nowMs,
      }, []);
    case "hello":
    case "heartbeat":
      return onSignOfLife(state, input);
    case "gone":
      return onGone(state, input);
    case "stalled":
      return onStalled(state, input.forMs);
    case "tick":
      return onTick(state, input.nowMs);
  }
}

/** An agent never heard of counts as reassignable: no region can be its. */
export function verdictOf(state: FailureDetector, agentId: AgentId): LeaseVerdict {
  switch (state.leases.get(agentId)?.status) {
    case "expected":
    case "held":
      return "held";
    case "unreachable":
      return state.leases.get(agentId)!.canGoAutonomous ? "possibly-autonomous" : "reassignable";
    case "expired":
    case "gone":
    case undefined:
      return "reassignable";
  }
}

const NEW_LEASE = { expiredMs: 0, creditMs: 0, canGoAutonomous: false };

function onSignOfLife(
  state: FailureDetector,
  input: Extract<DetectorInput, { kind: "hello" | "heartbeat" }>,
): DetectorStep {
  const { agentId, nowMs } = input;
  const before = state.leases.get(agentId);
  const canGoAutonomous = input.kind === "hello"
    ? input.canGoAutonomous
    : before?.canGoAutonomous ?? false;
  const lease: Lease = { ...NEW_LEASE, status: "held", renewedMs: nowMs, canGoAutonomous };
  const isBack = before?.status === "expired" || before?.status === "unreachable" ||
    before?.status === "gone";
  return set(state, agentId, lease, isBack ? [{ kind: "returned", agentId }] : []);
}

function onGone(
  state: FailureDetector,
  { agentId, nowMs }: Extract<DetectorInput, { kind: "gone" }>,
): DetectorStep {
  const before = state.leases.get(agentId)?.status;
  const lease: Lease = { ...NEW_LEASE, status: "gone", renewedMs: nowMs, expiredMs: nowMs };
  const wasHeld = before === "expected" || before === "held" || before === "unreachable";
  return set(state, agentId, lease, wasHeld ? [{ kind: "expired", agentId }] : []);
}

function onStalled(state: FailureDetector, forMs: number): DetectorStep {
  const leases = new Map(state.leases);
  for (const [agentId, lease] of leases) {
    if (isAlive(lease)) leases.set(agentId, { ...lease, creditMs: lease.creditMs + forMs });
  }
  return { state: { ...state, startedMs: state.startedMs + forMs, leases }, effects: [] };
}

function isAlive({ status }: Lease): boolean {
  return status === "held" || status === "expected";
}

function onTick(state: FailureDetector, nowMs: number): DetectorStep {
  const { leaseTtlMs, startGraceMs, reassignWithinMs } = state.limits;
  const notBefore = state.startedMs + leaseTtlMs + startGraceMs;
  const leases = new Map(state.leases);
  const effects: DetectorEffect[] = [];
  for (const [agentId, lease] of [...state.leases].sort(([a], [b]) => a < b ? -1 : 1)) {
    const { renewedMs, creditMs } = lease;
    if (isAlive(lease) && nowMs >= Math.max(notBefore, renewedMs + leaseTtlMs + creditMs)) {
      leases.set(agentId, { ...lease, status: "expired", expiredMs: nowMs - creditMs });
      effects.push({ kind: "expired", agentId });
    } else if (lease.status === "expired" && nowMs > lease.expiredMs + reassignWithinMs) {
      leases.set(agentId, { ...lease, status: "unreachable" });
      effects.push({ kind: "unreachable", agentId });
    }
  }
  return { state: { ...state, leases }, effects };
}

function set(
  state: FailureDetector,
  agentId: AgentId,
  lease: Lease,
  effects: readonly DetectorEffect[],
): DetectorStep {
  return { state: { ...state, leases: new Map(state.leases).set(agentId, lease) }, effects };
}
