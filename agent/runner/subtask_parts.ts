/**
 * The parts a subtask is put together from, as its plan and the job's bundle say.
 *
 * Touches the connector factory; nothing is connected yet.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { Attempt, RegionId, SubtaskId } from "@shared/ids.ts";
import { isExchange, type OperatorNode } from "@shared/job_graph.ts";
import type { AlarmEdge, RegionEvent } from "@shared/messages.ts";
import { operatorsOfStage, stageOf, type SubtaskPlan } from "@shared/regions.ts";
import type { BuiltJob, OperatorSpec } from "@shared/sdk/operator.ts";
import type { SinkWriter, SourceOutput, SourceReader } from "../connectors/connector.ts";
import type { ConnectorFactory } from "./connectors.ts";
import { LoadShedder, type ShedderPorts } from "./load_shedder.ts";
import type { SubtaskPorts } from "./subtask_ports.ts";

export interface PartsOf {
  readonly job: BuiltJob;
  readonly plan: SubtaskPlan;
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  readonly connectors: ConnectorFactory;
}

/** Operators of the subtask, in the graph's order. */
export function operatorsOf(job: BuiltJob, plan: SubtaskPlan): OperatorNode[] {
  return job.graph.operators.filter((node) => plan.operatorUids.includes(node.uid));
}

/**
 * Null when only channels feed the subtask.
 *
 * @throws {UserError} `operator-missing` or `operator-kind`: bundle and plan are of two jobs.
 */
export function createSource(
  of: PartsOf,
  ports: Pick<SubtaskPorts, "report" | "askOwnership" | "places">,
  on: Pick<SourceOutput, "record" | "deadLetter" | "failed" | "ended">,
): SourceReader | null {
  const { job, plan, regionId, attempt, connectors } = of;
  const { sourceUid, splitIndex } = plan;
  if (sourceUid === null) return null;
  const spec = specOf(job, sourceUid);
  if (spec.kind !== "source") throw notOfKind(sourceUid, "source", spec.kind);
  const place = { regionId, attempt, uid: sourceUid, splitIndex };
  const { topicSeen } = ports.places;
  const output: SourceOutput = {
    ...on,
    ...(topicSeen === null ? {} : { topicSeen }),
    windowPressure: () => ports.report({ kind: "requestCheckpoint", regionId, attempt }),
    event: eventsOf(of, ports),
    askOwnership: () => ports.askOwnership(regionId, attempt),
  };
  return connectors.createSource(spec.source, output, place);
}

/** Tells the hub what happens in the region. */
export function eventsOf(
  { regionId, attempt }: PartsOf,
  { report }: Pick<SubtaskPorts, "report">,
): (event: RegionEvent) => void {
  return (event) => report({ kind: "event", regionId, attempt, event });
}

/** Null for a source that makes its sender wait, and where only channels feed the subtask. */
export function createShedder(
  { job, plan }: PartsOf,
  ports: Omit<ShedderPorts, "uid">,
): LoadShedder | null {
  if (plan.sourceUid === null) return null;
  const spec = specOf(job, plan.sourceUid);
  const overload = spec.kind === "source" ? spec.source.overload ?? "block" : "block";
  return overload === "block" ? null : new LoadShedder(overload, { uid: spec.uid, ...ports });
}

/** @throws {UserError} As `createSource`. */
export function createSinks(
  of: PartsOf,
  on: {
    onAlarms: (edges: readonly AlarmEdge[]) => void;
    failed: (message: string, options: { isRetryable: boolean }) => void;
  },
): Map<string, SinkWriter> {
  const { job, plan, regionId, attempt, connectors } = of;
  const sinks = new Map<string, SinkWriter>();
  for (const { uid, kind } of operatorsOf(job, plan)) {
    if (kind !== "sink") continue;
    const spec = specOf(job, uid);
    if (spec.kind !== "sink") throw notOfKind(uid, "sink", spec.kind);
    const inputUids = job.graph.edges.filter((edge) => edge.to === uid).map((edge) => edge.from);
    sinks.set(uid, connectors.createSink(spec.sink, { regionId, attempt, uid, inputUids, ...on }));
  }
  return sinks;
}

/**
 * For each input channel, whether its watermark holds time back. A channel of broadcasts alone does not:
 * rules that are pushed once in a while say nothing about the time of the records they are for.
 */
export function timedChannels(
  { job: { graph }, plan }: Pick<PartsOf, "job" | "plan">,
): boolean[] {
  return plan.inputs.map((from: SubtaskId) => {
    const senders = operatorsOfStage(graph, stageOf(from));
    return graph.edges.some((edge) =>
      isExchange(edge) && edge.kind !== "broadcast" &&
      plan.operatorUids.includes(edge.to) && senders.includes(edge.from)
    );
  });
}

function specOf(job: BuiltJob, uid: string): OperatorSpec {
  const spec = job.operators.get(uid);
  if (spec !== undefined) return spec;
  throw new UserError("operator-missing", `The job's bundle has no operator "${uid}"`);
}

function notOfKind(uid: string, want: string, found: string): UserError {
  return new UserError(
    "operator-kind",
    `Operator "${uid}" is a ${found} in the bundle, want ${want}`,
  );
}
