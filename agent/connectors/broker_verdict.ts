/**
 * What a probe saw of a broker, as facts, and the guarantee that follows from them.
 *
 * Pure. Invariants:
 *  1. (M7) The guarantee is decided by facts alone; what was not observed is null and said so.
 *  2. (M3b) A broker that reorders or renumbers unacknowledged messages gives at-least-once at most.
 *  3. (M10) A granted QoS 0 is at-most-once, whatever else holds.
 *
 * @module
 */
import type { Guarantee } from "@shared/job_graph.ts";
import type { RegionEvent } from "@shared/messages.ts";
import type { BrokerProfile } from "./mqtt_packets.ts";

/** One probe message as it arrived. */
export interface Delivery {
  /** Number of the message, in the order of publishing. */
  readonly seq: number;
  readonly packetId: number;
  /** 0 where the broker lowered it; then it cannot come again. */
  readonly qos: number;
}

export interface ProbeObservation {
  /** Receive Maximum of the probe's CONNECT. */
  readonly windowAsked: number;
  /** Everything that came while nothing was acknowledged. */
  readonly first: readonly Delivery[];
  /** CONNACK of the second connection. */
  readonly isSessionPresent: boolean;
  /** Everything that came on the second connection before anything was acknowledged. */
  readonly second: readonly Delivery[];
}

export interface ProbeFacts {
  readonly grantedQos: number;
  readonly windowAsked: number;
  /** Unacknowledged messages the broker sent; null when it sends at QoS 0. */
  readonly windowSeen: number | null;
  readonly doesSessionSurvive: boolean | null;
  readonly keepsOrder: boolean | null;
  readonly keepsPacketIds: boolean | null;
}

export type ProbeFinding =
  | { readonly kind: "done"; readonly facts: ProbeFacts }
  /** The broker could not be probed; `reason` is a clause such as `no result within 10 s`. */
  | {
    readonly kind: "unknown";
    readonly reason: string;
    /** Another try would end the same way. */
    readonly isFinal: boolean;
  };

/** What a broker granted to one source. */
export interface BrokerGrant {
  readonly broker: string;
  readonly connack: Pick<BrokerProfile, "receiveMaximum" | "sessionExpirySeconds" | "maximumQos">;
  /** Least of the source's filters. */
  readonly grantedQos: number;
  /** Receive Maximum and Session Expiry of the source's CONNECT. */
  readonly windowAsked: number;
  readonly sessionExpirySeconds: number;
}

export interface BrokerVerdict {
  readonly guarantee: Guarantee;
  /** Whole sentences in plain words; empty when the broker gives all that was asked. */
  readonly reason: string;
}

/** Of a broker that grants QoS 0: nothing further can be observed. */
export function unassuredFacts(windowAsked: number): ProbeFacts {
  return {
    grantedQos: 0,
    windowAsked,
    windowSeen: null,
    doesSessionSurvive: null,
    keepsOrder: null,
    keepsPacketIds: null,
  };
}

/** Facts of a probe whose subscription was granted at QoS 1. */
export function factsOf(seen: ProbeObservation): ProbeFacts {
  if (seen.first.some(({ qos }) => qos === 0)) return unassuredFacts(seen.windowAsked);
  const packetIds = new Map(seen.first.map(({ seq, packetId }) => [seq, packetId]));
  const seqs = [...packetIds.keys()];
  const cameAgain = new Map(seen.second.map(({ seq, packetId }) => [seq, packetId]));
  const doesSessionSurvive = seen.isSessionPresent && seqs.every((seq) => cameAgain.has(seq));
  const isAscending = seqs.every((seq, i) => i === 0 || seqs[i - 1]! < seq);
  return {
    grantedQos: 1,
    windowAsked: seen.windowAsked,
    windowSeen: packetIds.size,
    doesSessionSurvive,
    keepsOrder: doesSessionSurvive
      ? isAscending && seqs.every((seq, i) => seen.second[i]?.seq === seq)
      : null,
    keepsPacketIds: doesSessionSurvive
      ? seqs.every((seq) => cameAgain.get(seq) === packetIds.get(seq))
      : null,
  };
}

/** The guarantee a source gets from its broker (M7). */
export function judgeBroker(grant: BrokerGrant, finding: ProbeFinding): BrokerVerdict {
  const name = `Broker "${grant.broker}"`;
  if (Math.min(grant.grantedQos, grant.connack.maximumQos) === 0) {
    return lost(`${name} delivers at QoS 0 only: what is lost on the way does not come again`);
  }
  if (grant.connack.sessionExpirySeconds === 0) {
    return lost(`${name} keeps no session: what is sent while a source is away is lost`);
  }
  const notes = expiryNotes(name, grant);
  if (finding.kind === "unknown") {
    const note =
      `${name} could not be probed (${finding.reason}): what it grants is taken at its word`;
    return { guarantee: "exactly-once", reason: [...notes, note].join(". ") };
  }
  const { facts } = finding;
  if (facts.grantedQos === 0) {
    return lost(
      `${name} delivered the probe at QoS 0: what is lost on the way does not come again`,
    );
  }
  if (facts.doesSessionSurvive !== true) {
    return lost(`${name} lost the unacknowledged messages of a session when its connection broke`);
  }
  const seen = facts.windowSeen ?? 0;
  if (seen > facts.windowAsked) {
    notes.push(
      `${name} sent ${seen} messages unacknowledged where ${facts.windowAsked} were asked`,
    );
  }
  const given = windowGiven(grant, finding);
  if (given < grant.windowAsked) {
    notes.push(`${name} gives a window of ${given} messages, ${grant.windowAsked} were asked`);
  }
  const changed = [
    ...(facts.keepsOrder === true ? [] : ["in another order"]),
    ...(facts.keepsPacketIds === true ? [] : ["under other packet ids"]),
  ];
  if (changed.length === 0) return { guarantee: "exactly-once", reason: notes.join(". ") };
  notes.push(`${name} redelivers ${changed.join(" and ")}: after a failure some count twice`);
  return { guarantee: "at-least-once", reason: notes.join(". ") };
}

/** The `broker-profile` event of a source: what was granted, what was observed, what follows (M7). */
export function profileEvent(
  grant: BrokerGrant,
  finding: ProbeFinding,
): Pick<RegionEvent, "detail" | "fields"> {
  const { guarantee, reason } = judgeBroker(grant, finding);
  const facts = finding.kind === "done" ? finding.facts : null;
  const seen = facts?.windowSeen ?? null;
  return {
    detail: reason === "" ? `Broker "${grant.broker}" gives ${guarantee}` : reason,
    fields: {
      broker: grant.broker,
      receiveMaximum: grant.connack.receiveMaximum,
      windowSize: grant.windowAsked,
      windowGiven: windowGiven(grant, finding),
      sessionExpirySeconds: grant.connack.sessionExpirySeconds ?? grant.sessionExpirySeconds,
      maximumQos: grant.connack.maximumQos,
      grantedQos: grant.grantedQos,
      isWindowHonoured: facts === null || seen === null ? null : seen <= facts.windowAsked,
      doesSessionSurvive: facts?.doesSessionSurvive ?? null,
      keepsOrder: facts?.keepsOrder ?? null,
      keepsPacketIds: facts?.keepsPacketIds ?? null,
      probe: finding.kind,
      reason,
      guarantee,
    },
  };
}

/** A broker that sent fewer than the probe asked has a limit of its own; else what was asked holds. */
export function windowGiven(
  grant: Pick<BrokerGrant, "windowAsked">,
  finding: ProbeFinding,
): number {
  if (finding.kind === "unknown" || finding.facts.windowSeen === null) return grant.windowAsked;
  const { windowSeen, windowAsked } = finding.facts;
  return windowSeen < windowAsked ? Math.min(windowSeen, grant.windowAsked) : grant.windowAsked;
}

function expiryNotes(name: string, grant: BrokerGrant): string[] {
  const given = grant.connack.sessionExpirySeconds;
  if (given === null || given >= grant.sessionExpirySeconds) return [];
  return [
    `${name} keeps a session for ${given} s, ${grant.sessionExpirySeconds} s were asked: ` +
    `a longer outage of the agent loses messages`,
  ];
}

function lost(reason: string): BrokerVerdict {
  return { guarantee: "at-most-once", reason };
}
