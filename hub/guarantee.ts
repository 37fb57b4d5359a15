/**
 * The end-to-end guarantee of a job: the minimum of what was asked and what brokers and sinks give.
 *
 * Pure (M7, K1). Profiles are the `broker-profile` events of the sources, measured at connect.
 *
 * @module
 */
import type { GuaranteeView } from "@shared/api.ts";
import type { Guarantee, JobGraph, OperatorNode } from "@shared/job_graph.ts";
import type { RegionEvent } from "@shared/messages.ts";

const FROM_WEAKEST: readonly Guarantee[] = ["at-most-once", "at-least-once", "exactly-once"];

export interface RegionProfile {
  readonly regionId: string;
  readonly profile: RegionEvent;
}

/** Guarantee asked by the graph and given as far as measured, with every reason for the difference. */
export function guaranteeOf(graph: JobGraph, profiles: readonly RegionProfile[]): GuaranteeView {
  const reasons: string[] = [];
  let asked: Guarantee = "exactly-once";
  for (const node of graph.operators) {
    const declared = declaredBy(node);
    if (declared === null) continue;
    asked = weaker(asked, declared.guarantee);
    if (declared.guarantee !== "exactly-once") reasons.push(declared.reason);
  }
  let given = asked;
  for (const { regionId, profile } of profiles) {
    const measured = profile.fields["guarantee"];
    if (!isGuarantee(measured)) continue;
    if (FROM_WEAKEST.indexOf(measured) < FROM_WEAKEST.indexOf(asked)) {
      reasons.push(`Region ${regionId}: ${profile.detail}`);
    }
    given = weaker(given, measured);
  }
  return { asked, given, reasons };
}

/** What an end of the graph promises by its declaration; null inside the graph. */
function declaredBy(node: OperatorNode): { guarantee: Guarantee; reason: string } | null {
  if (node.sink?.delivery === "direct") {
    return {
      guarantee: "at-least-once",
      reason: `Sink "${node.uid}" writes directly: a replay repeats outputs, with the same ids`,
    };
  }
  if (node.source?.connector === "generator") {
    return {
      guarantee: "at-least-once",
      reason: `Source "${node.uid}" generates its records and cannot replay them`,
    };
  }
  return node.source === undefined && node.sink === undefined
    ? null
    : { guarantee: "exactly-once", reason: "" };
}

function weaker(a: Guarantee, b: Guarantee): Guarantee {
  return FROM_WEAKEST.indexOf(a) < FROM_WEAKEST.indexOf(b) ? a : b;
}

function isGuarantee(value: unknown): value is Guarantee {
  return typeof value === "string" && FROM_WEAKEST.includes(value as Guarantee);
}
