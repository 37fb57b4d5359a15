/**
 * `penstock doctor`: on the machine of a hub, of an agent, or anywhere; knows which.
 *
 * Touches the machine, the network and the terminal.
 *
 * @module
 */
import { buildCommand } from "@stricli/core";
import { effectiveConfig } from "../config.ts";
import { docs, HUB_ALIASES, HUB_FLAGS, type HubFlags, printer, textFlag } from "../flags.ts";
import { CliError, EXIT_FAILED } from "../hub_api.ts";
import type { Finding } from "../doctor/finding.ts";
import type { HubWay } from "../doctor/hub_way.ts";
import { type MachineKind, machineKind } from "../doctor/machine_kind.ts";
import { counted, type Printer } from "../output.ts";
import { painted, print } from "../terminal.ts";

type DoctorFlags = HubFlags & {
  readonly dataDir?: string;
  readonly agentDir?: string;
  readonly broker?: readonly string[];
  readonly topic?: readonly string[];
  readonly databaseUrl?: string;
  readonly objectStore?: string;
  readonly unit?: string;
};

export const doctor = buildCommand({
  docs: docs(
    "Check this machine and its way to hub, broker, database and object store",
    [
      "doctor",
      "doctor --agent-dir /var/lib/penstock-agent/data",
      "doctor --data-dir ./penstock-data --database-url postgres://hub@db/penstock --object-store s3://minio:9000/penstock?tls=0",
      "doctor --broker plant=mqtt://user:password@10.0.0.5 --topic 'plant/line-1/+/telemetry'",
    ],
    "Each line is ok, warn or fail, with what to do; exit code 1 when one fails. A directory with a credential is an " +
      "agent's: its own hub and credential are checked. One with an admin token is a hub's. Without either it checks " +
      "the way to the hub alone. Proxies are those of HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
  ),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      dataDir: textFlag("Data directory of a hub (./penstock-data if it is one)", "DIR"),
      agentDir: textFlag(
        "Data directory of an agent (./penstock-data/agent or the installer's if it is one)",
        "DIR",
      ),
      broker: { ...textFlag("Broker to try; repeatable", "[NAME=]mqtt://HOST"), variadic: true },
      topic: {
        ...textFlag("With --broker: filter that must be readable; repeatable", "T"),
        variadic: true,
      },
      databaseUrl: textFlag(
        "PostgreSQL that a hub would use (PENSTOCK_DATABASE_URL)",
        "postgres://…",
      ),
      objectStore: textFlag("Object store that a hub would use", "SPEC"),
      unit: textFlag("systemd unit, if not penstock-hub or penstock-agent", "UNIT"),
    },
    aliases: HUB_ALIASES,
  },
  async func(flags: DoctorFlags) {
    const out = printer(flags);
    const machine = await machineKind(flags);
    if (out.isForPeople) out.note(machine.text);
    const findings: Finding[] = [];
    for await (const group of groups(flags, machine)) {
      findings.push(...group);
      if (out.isForPeople) group.forEach((finding) => printFinding(finding, out));
    }
    const failed = findings.filter(({ verdict }) => verdict === "fail").length;
    const warned = findings.filter(({ verdict }) => verdict === "warn").length;
    if (!out.isForPeople) out.value({ machine: machine.kind, checks: findings });
    if (failed > 0) {
      throw new CliError(
        `${counted(failed, "check")} failed, ${warned} with a warning, of ${findings.length}`,
        EXIT_FAILED,
      );
    }
    out.note(`All is well: ${counted(findings.length, "check")}, ${warned} with a warning`);
  },
});

/** Findings in the order a person mends them; what takes long comes last. */
async function* groups(flags: DoctorFlags, machine: MachineKind): AsyncGenerator<Finding[]> {
  const env = Deno.env.toObject();
  const { machineFindings } = await import("../doctor/machine.ts");
  const { hubFindings } = await import("../doctor/hub_way.ts");
  const units = { hub: "penstock-hub", agent: "penstock-agent", other: null };
  yield await machineFindings(flags.unit ?? units[machine.kind]);
  if (machine.kind !== "other") {
    const { dataDirFindings } = await import("../doctor/data_dir.ts");
    const { kind, secrets } = machine;
    yield await dataDirFindings(machine.directory, { kind, secrets });
  }
  yield await hubFindings(wayOf(flags, machine, env));
  const databaseUrl = flags.databaseUrl ??
    (machine.kind === "hub" ? env["PENSTOCK_DATABASE_URL"] : undefined);
  const { objectStore } = flags;
  if (databaseUrl !== undefined || objectStore !== undefined) {
    const { databaseFinding, objectStoreFinding } = await import("../doctor/services.ts");
    if (databaseUrl !== undefined) yield [await databaseFinding(databaseUrl)];
    if (objectStore !== undefined) yield [await objectStoreFinding(objectStore, env)];
  }
  if (flags.broker === undefined) return;
  const { brokerFindings } = await import("../doctor/broker.ts");
  const { brokerOf } = await import("../doctor/broker_flag.ts");
  for (const text of flags.broker) {
    yield await brokerFindings(brokerOf(text, env), flags.topic ?? []);
  }
}

function wayOf(
  flags: DoctorFlags,
  machine: MachineKind,
  env: Readonly<Record<string, string>>,
): HubWay {
  const { hub, token } = effectiveConfig(flags, env);
  if (machine.kind === "agent" && machine.credential !== null) {
    const url = flags.hub ?? machine.credential.hubUrl;
    return { url, token: machine.credential.credential, tokenKind: "agent" };
  }
  const own = machine.kind === "hub" ? machine.adminToken : null;
  return { url: hub.value, token: token.value ?? own, tokenKind: "person" };
}

function printFinding({ check, verdict, found, fix }: Finding, out: Printer): void {
  const paint = { ok: "green", warn: "yellow", fail: "red" } as const;
  print(`${painted(verdict.padEnd(4), paint[verdict])}  ${check.padEnd(24)}  ${found}`);
  if (fix !== null && out.isForPeople) print(`      -> ${fix}`);
}
