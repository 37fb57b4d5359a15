/**
 * What a broker gives: connection, login, rights on topics, window, sessions, and how it redelivers.
 *
 * Touches the network. Probes with a session of its own, which it ends again.
 *
 * @module
 */
import type { BrokerConfig } from "@shared/messages.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { denoDialer } from "@shared/platform/deno_dialer.ts";
import { systemRandom } from "@shared/platform/random.ts";
import { probeBroker } from "../../../agent/connectors/broker_probe.ts";
import { judgeBroker } from "../../../agent/connectors/broker_verdict.ts";
import { type BrokerProfile, reasonText } from "../../../agent/connectors/mqtt_packets.ts";
import {
  MqttSession,
  type SessionClose,
  type SessionEvents,
} from "../../../agent/connectors/mqtt_session.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

/** As a source asks. */
const WINDOW_ASKED = 1_000;
const SESSION_EXPIRY_SECONDS = 604_800;
const WINDOW_WARN = 20;
const TIMEOUT_MS = 10_000;

export async function brokerFindings(
  broker: BrokerConfig,
  topics: readonly string[],
): Promise<Finding[]> {
  const name = (what: string) => `broker ${broker.name}: ${what}`;
  const opened = await open(broker);
  if ("finding" in opened) return [opened.finding];
  const { profile, session, granted } = opened;
  const findings = [
    ok(name("login"), `${broker.url}${broker.username === null ? "" : ` as ${broker.username}`}`),
    windowFinding(name("window"), profile.receiveMaximum),
    expiryFinding(name("sessions"), profile.sessionExpirySeconds),
  ];
  for (const topic of topics) {
    findings.push(topicFinding(name(topic), await granted(topic)));
  }
  await session.disconnect({ endsSession: true });
  const finding = await probeBroker(broker, {
    dial: denoDialer,
    clock: systemClock,
    random: systemRandom,
  });
  const grantedQos = finding.kind === "done" ? finding.facts.grantedQos : profile.maximumQos;
  const { guarantee, reason } = judgeBroker({
    broker: broker.name,
    connack: profile,
    grantedQos,
    windowAsked: WINDOW_ASKED,
    sessionExpirySeconds: SESSION_EXPIRY_SECONDS,
  }, finding);
  const found = `gives ${guarantee}${reason === "" ? "" : `: ${reason}`}`;
  const fix = "See deploy/mosquitto.conf for the settings that matter";
  const isProbed = finding.kind === "done" && guarantee === "exactly-once";
  return [
    ...findings,
    isProbed
      ? ok(name("redelivery"), found)
      : guarantee === "at-most-once"
      ? fail(name("redelivery"), found, fix)
      : warn(name("redelivery"), found, fix),
  ];
}

export function windowFinding(check: string, receiveMaximum: number): Finding {
  const found = `takes ${receiveMaximum} messages unacknowledged`;
  return receiveMaximum < WINDOW_WARN
    ? warn(check, found, "Raise its Receive Maximum: staged output waits for it")
    : ok(check, found);
}

/** @param seconds Null: as asked. */
export function expiryFinding(check: string, seconds: number | null): Finding {
  if (seconds === null || seconds >= SESSION_EXPIRY_SECONDS) {
    return ok(check, `kept for ${SESSION_EXPIRY_SECONDS / 86_400} days, as asked`);
  }
  const fix =
    "Raise its longest session expiry: what comes while an agent is away is lost after it";
  return seconds === 0
    ? fail(check, "none are kept", fix)
    : warn(check, `kept for ${seconds} s, a week was asked`, fix);
}

function topicFinding(check: string, reasonCode: number): Finding {
  if (reasonCode === 0) {
    return fail(check, "granted at QoS 0", "Let the broker grant QoS 1: messages get lost at 0");
  }
  return reasonCode < 0x80 ? ok(check, `may be read at QoS ${reasonCode}`) : fail(
    check,
    `refused: ${reasonText(reasonCode)}`,
    "Allow this user to read it in the broker's access list",
  );
}

type Opened =
  | {
    readonly session: MqttSession;
    readonly profile: BrokerProfile;
    readonly granted: (topic: string) => Promise<number>;
  }
  | { readonly finding: Finding };

async function open(broker: BrokerConfig): Promise<Opened> {
  const check = `broker ${broker.name}: login`;
  const { url, caPem, username, password } = broker;
  let connection;
  try {
    connection = await denoDialer(url, { caPem });
  } catch (error) {
    return {
      finding: fail(
        check,
        (error as Error).message,
        "See whether the broker runs, the address and the port are right, and no firewall is between",
      ),
    };
  }
  const connected = Promise.withResolvers<BrokerProfile>();
  let subscribed = Promise.withResolvers<number>();
  const events: SessionEvents = {
    connected: connected.resolve,
    subscribed: ([code]) => subscribed.resolve(code ?? 0x80),
    batchStarted: () => {},
    message: () => {},
    batchEnded: () => {},
    closed: (close) => {
      connected.reject(new Error(closeText(close)));
      subscribed.resolve(0x80);
    },
  };
  const session = new MqttSession(connection, {
    clientId: `penstock-doctor-${crypto.randomUUID()}`,
    username,
    password,
    keepAliveSeconds: 30,
    sessionExpirySeconds: SESSION_EXPIRY_SECONDS,
    receiveMaximum: WINDOW_ASKED,
    maxPayloadBytes: 1,
    isCleanStart: true,
  }, { events, clock: systemClock });
  const timer = setTimeout(() => connected.reject(new Error("no answer in 10 s")), TIMEOUT_MS);
  try {
    const profile = await connected.promise;
    const granted = (topic: string) => {
      subscribed = Promise.withResolvers<number>();
      session.subscribe([topic]);
      return subscribed.promise;
    };
    return { session, profile, granted };
  } catch (error) {
    session.abort();
    return { finding: fail(check, (error as Error).message, loginFix(username)) };
  } finally {
    clearTimeout(timer);
  }
}

function loginFix(username: string | null): string {
  return username === null
    ? "Give credentials: mqtt://USER:PASSWORD@HOST, or PENSTOCK_BROKER_<NAME>_USERNAME and _PASSWORD"
    : "See user and password, and that the broker speaks MQTT 5";
}

function closeText(close: SessionClose): string {
  switch (close.kind) {
    case "refused":
      return `it refused the connection: ${reasonText(close.reasonCode)}`;
    case "disconnected":
      return `it ended the connection: ${reasonText(close.reasonCode)}`;
    case "lost":
      return `the connection was lost: ${close.detail}`;
    case "closed":
      return "closed";
  }
}
