/** Whether this machine can run Penstock at all. Touches the system. @module */
import { size } from "../output.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

/** Deno that this version was made and tested with. */
export const DENO_WANTED = "2.9.6";
const GLIBC_MIN = [2, 28] as const;
const MEMORY_MIN_BYTES = 128_000_000;
const MEMORY_WANTED_BYTES = 256_000_000;

export async function machineFindings(unit: string | null): Promise<Finding[]> {
  const findings = [
    denoFinding(Deno.version.deno),
    platformFinding(Deno.build.os, Deno.build.arch, await glibcVersion()),
    memoryFinding(Deno.systemMemoryInfo().available),
  ];
  return unit === null ? findings : [...findings, ...await unitFindings(unit)];
}

export function denoFinding(version: string): Finding {
  if (version === DENO_WANTED) return ok("Deno", version);
  return warn(
    "Deno",
    `${version}; tested with ${DENO_WANTED}`,
    `Run it with npx -y deno@${DENO_WANTED}`,
  );
}

/** @param glibc `2.36`, or null when there is none. */
export function platformFinding(os: string, arch: string, glibc: string | null): Finding {
  const found = `${os} ${arch}${glibc === null ? "" : `, glibc ${glibc}`}`;
  if (os !== "linux") {
    return warn("platform", found, "Fine for trying out; gateways and hubs run on Linux");
  }
  if (!["x86_64", "aarch64"].includes(arch)) {
    return fail("platform", found, "Take a 64-bit x86 or ARM machine with a 64-bit system");
  }
  if (glibc === null) {
    return fail(
      "platform",
      `${found}, no glibc`,
      "Take a system with glibc: not Alpine, not OpenWrt",
    );
  }
  const [major = 0, minor = 0] = glibc.split(".").map(Number);
  const isOld = major < GLIBC_MIN[0] || (major === GLIBC_MIN[0] && minor < GLIBC_MIN[1]);
  return isOld
    ? fail("platform", found, `Take a system with glibc ${GLIBC_MIN.join(".")} or newer`)
    : ok("platform", found);
}

async function glibcVersion(): Promise<string | null> {
  try {
    const { stdout, code } = await new Deno.Command("getconf", {
      args: ["GNU_LIBC_VERSION"],
      stderr: "null",
    }).output();
    const text = new TextDecoder().decode(stdout);
    return code === 0 ? /glibc (\d+\.\d+)/.exec(text)?.[1] ?? null : null;
  } catch {
    return null;
  }
}

export function memoryFinding(availableBytes: number): Finding {
  const found = `${size(availableBytes)} available`;
  if (availableBytes < MEMORY_MIN_BYTES) {
    return fail("memory", found, `End something else: ${size(MEMORY_MIN_BYTES)} is the least`);
  }
  return availableBytes < MEMORY_WANTED_BYTES
    ? warn("memory", found, `${size(MEMORY_WANTED_BYTES)} are wanted for an agent with one job`)
    : ok("memory", found);
}

/** Nothing on a machine that systemd does not run, or that has no such unit. */
async function unitFindings(unit: string): Promise<Finding[]> {
  try {
    await Deno.stat("/run/systemd/system");
  } catch {
    return [];
  }
  const properties = await systemctl(["show", unit, "--property=LoadState,ActiveState"]);
  if (properties === null || /LoadState=not-found/.test(properties)) return [];
  const state = /ActiveState=(\S+)/.exec(properties)?.[1] ?? "unknown";
  return [unitFinding(unit, state)];
}

export function unitFinding(unit: string, state: string): Finding {
  const check = `unit ${unit}`;
  if (state === "active") return ok(check, state);
  const see = `See journalctl -u ${unit}, then systemctl restart ${unit}`;
  return state === "activating" ? warn(check, state, see) : fail(check, state, see);
}

async function systemctl(args: readonly string[]): Promise<string | null> {
  try {
    const { stdout, code } = await new Deno.Command("systemctl", {
      args: [...args],
      stderr: "null",
    }).output();
    return code === 0 ? new TextDecoder().decode(stdout) : null;
  } catch {
    return null;
  }
}
