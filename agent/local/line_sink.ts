/**
 * Sinks of a local run: each record becomes the line its sink would send.
 *
 * Touches the function it is given.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { SinkSpec } from "@shared/sdk/operator.ts";
import type { SinkWriter } from "../connectors/connector.ts";

/** A sink that hands each record on during `write`; it has nothing pending and no state. */
export function createLocalSink(take: (record: unknown, outputId: string) => void): SinkWriter {
  return {
    write: take,
    ignoresIds: true,
    pendingCount: 0,
    flush: () => Promise.resolve(),
    capture: () => null,
    restore: () => {},
    notifyCompleted: () => {},
    close: () => Promise.resolve(),
  };
}

/** Makes the line that a sink writes of a record. */
export function lineEncoder(spec: SinkSpec, uid: string): (record: unknown) => string {
  const encode = "encode" in spec ? spec.encode : null;
  if (encode === null) {
    return (record) => {
      const line = JSON.stringify(record);
      if (line !== undefined) return line;
      throw new UserError("bad-output", `Sink "${uid}" got ${typeof record}, which is no JSON`);
    };
  }
  const decoder = new TextDecoder();
  return (record) => {
    const payload = encode(record);
    return typeof payload === "string" ? payload : decoder.decode(payload);
  };
}
