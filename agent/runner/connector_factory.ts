/**
 * Makes the real sources and sinks of a job, each with the broker its spec names.
 *
 * Touches nothing itself; the connectors it makes touch the network through the dialer.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import type { Dialer } from "@shared/dialer.ts";
import { UserError } from "@shared/errors.ts";
import type { Logger } from "@shared/logger.ts";
import type { AlarmEdge, BrokerConfig } from "@shared/messages.ts";
import type { Random } from "@shared/random.ts";
import { createAlarmSink } from "../connectors/alarm_sink.ts";
import { BrokerProbes } from "../connectors/broker_probe.ts";
import { createGeneratorSource } from "../connectors/generator_source.ts";
import { createMqttSink } from "../connectors/mqtt_sink.ts";
import { createMqttSource } from "../connectors/mqtt_source.ts";
import type { ConnectorFactory } from "./connectors.ts";
import type { FailPointName, FailPoints } from "./fail_points.ts";

export interface ConnectorEnvironment {
  readonly jobId: string;
  /** Job under whose name the sources keep their sessions at the brokers. */
  readonly sessionJobId: string;
  readonly brokers: readonly BrokerConfig[];
  readonly failPoints: FailPoints;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly dial: Dialer;
}

/** @throws {UserError} `broker-unknown`, from its methods, if a spec names a broker that was not given. */
export function createConnectorFactory(environment: ConnectorEnvironment): ConnectorFactory {
  const { jobId, sessionJobId, brokers, failPoints, clock, random, logger, dial } = environment;
  const probes = new BrokerProbes({ dial, clock, random });
  const probe = (broker: BrokerConfig) => probes.of(broker);
  const failPoint = (name: string) => failPoints.hit(name as FailPointName);
  return {
    createSource(spec, output, { uid: sourceUid, splitIndex, regionId }) {
      switch (spec.connector) {
        case "mqtt": {
          const broker = brokerNamed(brokers, spec.broker, sourceUid);
          const place = { sourceUid, splitIndex, jobId: sessionJobId };
          const ports = {
            dial,
            probe,
            clock,
            random,
            logger: logger.with({ regionId }),
            failPoint,
          };
          return createMqttSource({ spec, broker, output, ...place, ...ports });
        }
        case "generator":
          return createGeneratorSource({ spec, sourceUid, splitIndex, output, clock });
        case "file":
          throw localOnly(sourceUid);
      }
    },
    createSink(spec, { uid: sinkUid, regionId, inputUids, onAlarms, failed }) {
      switch (spec.connector) {
        case "mqtt": {
          const broker = brokerNamed(brokers, spec.broker, sinkUid);
          const log = logger.with({ regionId });
          const ports = { clock, random, logger: log, failed };
          return createMqttSink({ spec, sinkUid, jobId, broker, ...ports });
        }
        case "alarm": {
          const operatorUid = inputUids[0] ?? sinkUid;
          const emit = inBatches(onAlarms);
          return createAlarmSink({ spec, sinkUid, operatorUid, jobId, regionId, clock, emit });
        }
        case "file":
          throw localOnly(sinkUid);
      }
    },
  };
}

function brokerNamed(brokers: readonly BrokerConfig[], name: string, uid: string): BrokerConfig {
  const broker = brokers.find((candidate) => candidate.name === name);
  if (broker !== undefined) return broker;
  throw new UserError(
    "broker-unknown",
    `Operator "${uid}" names broker "${name}", which was not given`,
  );
}

function localOnly(uid: string): UserError {
  return new UserError(
    "local-only",
    `Operator "${uid}" needs a file, and a runner may touch none: fileSource and fileSink work with ` +
      `jobs run and testJob`,
  );
}

/** Collects the edges of one turn; they leave before anything else, a snapshot too, has its turn. */
function inBatches(send: (edges: readonly AlarmEdge[]) => void): (edge: AlarmEdge) => void {
  let edges: AlarmEdge[] = [];
  return (edge) => {
    if (edges.push(edge) > 1) return;
    queueMicrotask(() => {
      const batch = edges;
      edges = [];
      send(batch);
    });
  };
}
