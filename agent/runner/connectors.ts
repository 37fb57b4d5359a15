/**
 * The port through which a subtask gets its source and sinks.
 *
 * Pure types; `connector_factory.ts` fills it in for real ones, tests with their own.
 *
 * @module
 */
import type { Attempt, RegionId } from "@shared/ids.ts";
import type { AlarmEdge } from "@shared/messages.ts";
import type { SinkSpec, SourceSpec } from "@shared/sdk/operator.ts";
import type { SinkWriter, SourceOutput, SourceReader } from "../connectors/connector.ts";

/** Where a source or sink stands in the plan. */
export interface ConnectorPlace {
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  readonly uid: string;
}

export interface ConnectorFactory {
  createSource(
    spec: SourceSpec,
    output: SourceOutput,
    place: ConnectorPlace & { readonly splitIndex: number },
  ): SourceReader;
  createSink(
    spec: SinkSpec,
    place: ConnectorPlace & {
      /** Operators that feed the sink, in chain order. */
      readonly inputUids: readonly string[];
      readonly onAlarms: (edges: readonly AlarmEdge[]) => void;
      /** The sink lost outputs or cannot go on: the subtask fails. */
      readonly failed: (message: string, options: { isRetryable: boolean }) => void;
    },
  ): SinkWriter;
}
