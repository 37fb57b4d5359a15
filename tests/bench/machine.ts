/** What the figures were measured on, and what processes used: /proc of Linux. @module */

export interface Usage {
  readonly cpuSeconds: number;
  readonly rssMb: number;
  /** The part of it that is pages of files, the executable's above all. */
  readonly fileMb: number;
}

const CLOCK_TICKS_PER_SECOND = 100;

export function machineText(): string {
  const model = /model name\s*: (.*)/.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ??
    "unknown CPU";
  const memory = Deno.systemMemoryInfo();
  return `${navigator.hardwareConcurrency} x ${model}, ${
    Math.round(memory.total / 2 ** 30)
  } GiB, ` +
    `${Deno.build.os}, Deno ${Deno.version.deno}`;
}

/** CPU time and resident memory of one process now. */
export function usageOf(pid: number): Usage {
  const fields = statOf(pid);
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const mb = (name: string) =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND,
    rssMb: mb("VmRSS"),
    fileMb: mb("RssFile"),
  };
}

/** Runner processes of an agent: its direct children that are of the same program. */
export function runnersOf(pid: number): number[] {
  const children: number[] = [];
  for (const entry of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    try {
      const child = Number(entry.name);
      const isRunner = Deno.readTextFileSync(`/proc/${child}/comm`).trim() === "deno";
      if (isRunner && Number(statOf(child)[1]) === pid) children.push(child);
    } catch {
      // It ended while we looked.
    }
  }
  return children;
}

/** Fields of /proc/PID/stat behind the command name: state first. */
function statOf(pid: number): string[] {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
