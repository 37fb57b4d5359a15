/**
 * Which agents hold a lease, and whether the regions of one that lost it may be given to another.
 *
 * Pure; time is the hub's monotonic clock. An agent that nobody heard of since the hub started is
 * expected, not dead.
 *
 *   expected ──heartbeat──▶ held ──leaseTtl without one──▶ expired ──reassignWithin──▶ unreachable
 *      └──start + leaseTtl + grace──▶ expired ◀── goodbye        (a heartbeat leads back to held)
 *
 * Invariants (tests/property/coordinator_test.ts):
 *
 *   F5  Nothing expires before `start + leaseTtl + grace`.
 *   P6  Regions of an expired agent are given away within `reassignWithin` of the expiry only. Later the
 *       agent may have gone autonomous. One that said goodbye or was removed cannot have.
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
  readonly expiredMs: number;
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
  /** It said goodbye, a person removed it, or it said itself that it runs nothing. */
  | { readonly kind: "gone"; readonly agentId: AgentId; readonly nowMs: number }
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
    case "expect": {
      if (state.leases.has(input.agentId)) return { state, effects: [] };
      return set(state, input.agentId, {
        status: "expected",
        renewedMs: input.nowMs,
        expiredMs: 0,
      }, []);
    }
    case "heartbeat": {
      const before = state.leases.get(input.agentId)?.status ?? "held";
      const lease: Lease = { status: "held", renewedMs: input.nowMs, expiredMs: 0 };
      const isBack = before === "expired" || before === "unreachable" || before === "gone";
      return set(
        state,
        input.agentId,
        lease,
        isBack ? [{ kind: "returned", agentId: input.agentId }] : [],
      );
    }
    case "gone": {
      const before = state.leases.get(input.agentId)?.status;
      const lease: Lease = { status: "gone", renewedMs: input.nowMs, expiredMs: input.nowMs };
      const wasHeld = before === "expected" || before === "held" || before === "unreachable";
      return set(
        state,
        input.agentId,
        lease,
        wasHeld ? [{ kind: "expired", agentId: input.agentId }] : [],
      );
    }
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
      return "possibly-autonomous";
    case "expired":
    case "gone":
    case undefined:
      return "reassignable";
  }
}

function onTick(state: FailureDetector, nowMs: number): DetectorStep {
  const { leaseTtlMs, startGraceMs, reassignWithinMs } = state.limits;
  const notBefore = state.startedMs + leaseTtlMs + startGraceMs;
  const leases = new Map(state.leases);
  const effects: DetectorEffect[] = [];
  for (const [agentId, lease] of [...state.leases].sort(([a], [b]) => a < b ? -1 : 1)) {
    const isAlive = lease.status === "held" || lease.status === "expected";
    if (isAlive && nowMs >= Math.max(notBefore, lease.renewedMs + leaseTtlMs)) {
      leases.set(agentId, { ...lease, status: "expired", expiredMs: nowMs });
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
