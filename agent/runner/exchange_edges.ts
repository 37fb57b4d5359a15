/**
 * What a record into an exchange edge is given to: the channel of the subtask that owns its key, or every
 * channel of a broadcast.
 *
 * Touches the channels it is given.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { SubtaskId } from "@shared/ids.ts";
import { keyGroupOf } from "@shared/key_groups.ts";
import { type OutputPlan, ownerOfGroup, type SubtaskPlan } from "@shared/regions.ts";
import type { BuiltJob, ErrorPolicy } from "@shared/sdk/operator.ts";
import type { Emit } from "./chain.ts";
import type { BatchSender, ChannelOutput, ChannelOutputs } from "./channel_outputs.ts";
import type { DeadLetters } from "./failures.ts";
import { keyText } from "./keyed_operators.ts";
import { hash53, LaneCounter, type Origin } from "./origin.ts";

export interface ExchangeParts {
  readonly job: BuiltJob;
  readonly plan: SubtaskPlan;
  readonly origin: Origin;
  readonly deadLetters: DeadLetters;
  readonly senderTo: (target: SubtaskId) => BatchSender;
}

/** Makes the channels of `plan` known to `outputs`. @returns For each edge that leaves, where its records go. */
export function compileExchanges(
  outputs: ChannelOutputs,
  parts: ExchangeParts,
): ReadonlyMap<number, Emit> {
  const channels = new Map<SubtaskId, ChannelOutput>();
  const channelTo = (target: SubtaskId): ChannelOutput => {
    const channel = channels.get(target) ?? outputs.add(parts.senderTo(target));
    channels.set(target, channel);
    return channel;
  };
  return new Map(parts.plan.outputs.map((output) => {
    const targets = output.targets.map(channelTo);
    const { kind } = edgeOf(parts.job, output);
    const emit = kind === "broadcast"
      ? compileBroadcast(output, targets, parts)
      : compileKeyBy(output, targets, parts);
    return [output.edge, emit];
  }));
}

function compileKeyBy(
  output: OutputPlan,
  targets: readonly ChannelOutput[],
  parts: ExchangeParts,
): Emit {
  const { origin, deadLetters } = parts;
  const { edge } = output;
  const selector = parts.job.selectors[edge] ?? null;
  assert(selector !== null, `Edge ${edge} has no key function`);
  const lanes = lanesOf(edge, parts);
  const policy = policyOf(output, parts.job);
  const count = targets.length;
  return (record) => {
    const lane = lanes.next();
    let target: ChannelOutput;
    try {
      target = targets[ownerOfGroup(keyGroupOf(keyText(selector(record))), count)]!;
    } catch (thrown) {
      deadLetters.judge(policy, record, { thrown, position: origin.position });
      return;
    }
    target.record(edge, record, origin, lane);
  };
}

function compileBroadcast(
  { edge }: OutputPlan,
  targets: readonly ChannelOutput[],
  parts: ExchangeParts,
): Emit {
  const { origin } = parts;
  const lanes = lanesOf(edge, parts);
  return (record) => {
    const lane = lanes.next();
    for (const target of targets) target.record(edge, record, origin, lane);
  };
}

/**
 * Only a source's subtask says which it is: its records are numbered by split. Behind it lanes tell them
 * apart, and ids must not depend on how many subtasks a keyed stage has.
 */
function lanesOf(edge: number, { origin, plan }: ExchangeParts): LaneCounter {
  const subtaskOrdinal = plan.sourceUid === null ? 0 : hash53(plan.subtaskId);
  return new LaneCounter(origin, { edge, subtaskOrdinal });
}

/** A key function belongs to the operator behind it, and so does what happens when it throws. */
function policyOf(output: OutputPlan, job: BuiltJob): { uid: string; onError: ErrorPolicy } {
  const { to } = edgeOf(job, output);
  const spec = job.operators.get(to);
  return { uid: to, onError: spec !== undefined && "onError" in spec ? spec.onError : "fail" };
}

function edgeOf(job: BuiltJob, { edge }: OutputPlan): BuiltJob["graph"]["edges"][number] {
  const found = job.graph.edges[edge];
  assert(found !== undefined, `The job's graph has no edge ${edge}`);
  return found;
}
