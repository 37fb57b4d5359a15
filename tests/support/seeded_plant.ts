/**
 * A made-up plant with a past: its equipment, what its signals were at any time, and the alarms of a day.
 *
 * Pure: the same time gives the same value.
 */
import type { AlarmEdge, EquipmentPlace, SignalSample } from "@shared/messages.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const LIVE_STEP_MS = 5_000;
const PAST_STEP_MS = MINUTE_MS;
const PAST_MS = 24 * HOUR_MS;

/** Vibration rises for the last quarter of an hour: the machine that is odd. */
export const ODD_MACHINE = "pump-17";
/** Silent for six minutes. */
export const SILENT_MACHINE = "press-4";
/** Its flow rings again and again. */
export const CHATTERING_MACHINE = "mixer-2";

const LINES: readonly (readonly [site: string, area: string, line: string, kinds: string])[] = [
  ["north", "pressing", "line-1", "press"],
  ["north", "pressing", "line-2", "press"],
  ["north", "paint", "line-3", "mixer"],
  ["south", "pumps", "line-4", "pump"],
  ["south", "pumps", "line-5", "pump"],
  ["south", "filling", "line-6", "filler"],
];

/** Equipment by line, numbered through: `press-1`, `press-2`, … */
export function placesOf(equipmentCount: number): EquipmentPlace[] {
  return Array.from({ length: equipmentCount }, (_, i) => {
    const [site, area, line, kind] = LINES[Math.floor(i * LINES.length / equipmentCount)]!;
    return { key: nameOf(kind, i, equipmentCount), path: [site, area, line] };
  });
}

/** The named machines exist whatever the number of others. */
function nameOf(kind: string, index: number, count: number): string {
  const first = LINES.findIndex(([, , , other]) => other === kind);
  const begin = Math.ceil(first * count / LINES.length);
  return `${kind}-${index - begin + (kind === "pump" ? 15 : 1)}`;
}

/** Signals of one machine at one time. */
export function samplesAt(key: string, atMs: number, nowMs: number): SignalSample[] {
  const phase = [...key].reduce((sum, char) => sum * 31 + char.charCodeAt(0), 7) % 1_000;
  const slow = Math.sin((atMs + phase * 60_000) / HOUR_MS);
  const quick = Math.sin((atMs / 1_000 + phase) * 12.9898) * 43758.5453;
  const noise = quick - Math.floor(quick) - 0.5;
  const odd = key === ODD_MACHINE ? Math.max(0, 1 - (nowMs - atMs) / (15 * MINUTE_MS)) : 0;
  const vibration = 2.4 + slow * 0.15 + noise * 0.3 + odd * 3.5;
  const temperature = 62 + slow * 4 + noise + odd * 12;
  const flow = 18 + slow * 0.8 + noise * 0.9;
  const of = (
    operatorUid: string,
    value: number,
    low: number | null,
    high: number,
    score: number,
  ) => ({
    operatorUid,
    key,
    atMs,
    value: Math.round(value * 1_000) / 1_000,
    score: Math.round(score * 100) / 100,
    low,
    high,
  });
  return [
    of("vibration", vibration, 1.6, 3.2, (vibration - 2.4) / 0.2),
    of("temperature", temperature, null, 85, temperature - 85),
    of("flow", flow, 15.2, 20.8, (flow - 18) / 0.8),
  ];
}

/** Whether a machine said anything at a time: one is silent now, and each pauses for a while. */
function speaks(key: string, atMs: number, nowMs: number): boolean {
  const beforeMs = nowMs - atMs;
  if (key === SILENT_MACHINE && beforeMs < 6 * MINUTE_MS) return false;
  return !(beforeMs > 3 * HOUR_MS && beforeMs < 3 * HOUR_MS + 20 * MINUTE_MS);
}

/** A day of one machine, up to now, each minute, and each few seconds of the last hour. */
export function pastOf(key: string, nowMs: number): SignalSample[] {
  const samples: SignalSample[] = [];
  for (let atMs = nowMs - PAST_MS; atMs < nowMs;) {
    if (speaks(key, atMs, nowMs)) samples.push(...samplesAt(key, atMs, nowMs));
    atMs += nowMs - atMs <= HOUR_MS ? LIVE_STEP_MS : PAST_STEP_MS;
  }
  return samples;
}

/** What machines that are not silent say now. */
export function presentOf(keys: readonly string[], nowMs: number): SignalSample[] {
  return keys.filter((key) => key !== SILENT_MACHINE)
    .flatMap((key) => samplesAt(key, nowMs, nowMs));
}

interface Ring {
  readonly key: string;
  readonly sinkUid: string;
  readonly agoMs: number;
  /** Null: still active. */
  readonly lastsMs: number | null;
}

const PRIORITY = {
  "vibration-alarms": "high",
  "overheating": "critical",
  "odd-flow": "low",
} as const;
const RESPONSE = {
  "vibration-alarms":
    "Listen at the bearing, check the base bolts, plan the bearing for the next stop.",
  "overheating": "Stop the machine and open the cooling water.",
  "odd-flow": "Compare with the neighbouring machine.",
} as const;
const OPERATOR = {
  "vibration-alarms": "vibration",
  "overheating": "temperature",
  "odd-flow": "flow",
} as const;

/** Rings of a day: two that go on, one that chatters, a flood of a line, one stale for more than a day. */
function ringsOf(keys: readonly string[]): Ring[] {
  const at = (index: number) => keys[index % keys.length]!;
  const chatter = Array.from({ length: 6 }, (_, i) => ({
    key: CHATTERING_MACHINE,
    sinkUid: "odd-flow",
    agoMs: 3 * MINUTE_MS - i * 9_000,
    lastsMs: 4_000,
  }));
  const flood = Array.from({ length: 14 }, (_, i) => ({
    key: at(i),
    sinkUid: i === 0 ? "overheating" : i % 2 === 0 ? "vibration-alarms" : "odd-flow",
    agoMs: 5 * HOUR_MS - i * 20_000,
    lastsMs: 12 * MINUTE_MS,
  }));
  const scattered = Array.from({ length: 22 }, (_, i) => ({
    key: at(i * 7 + 3),
    sinkUid: i % 3 === 0 ? "vibration-alarms" : "odd-flow",
    agoMs: (i + 1) * 58 * MINUTE_MS,
    lastsMs: 6 * MINUTE_MS,
  }));
  return [
    { key: ODD_MACHINE, sinkUid: "vibration-alarms", agoMs: 11 * MINUTE_MS, lastsMs: null },
    { key: at(1), sinkUid: "overheating", agoMs: 40 * MINUTE_MS, lastsMs: null },
    { key: at(5), sinkUid: "odd-flow", agoMs: 26 * HOUR_MS, lastsMs: null },
    ...chatter,
    ...flood,
    ...scattered,
  ];
}

/** The edges of a day's alarms. */
export function edgesOf(
  keys: readonly string[],
  of: { readonly jobId: string; readonly regionId: string; readonly nowMs: number },
): AlarmEdge[] {
  return ringsOf(keys).flatMap((ring, index) => {
    const sinkUid = ring.sinkUid as keyof typeof PRIORITY;
    const raisedMs = of.nowMs - ring.agoMs;
    const operatorUid = OPERATOR[sinkUid];
    const sample = samplesAt(ring.key, raisedMs, of.nowMs).find((one) =>
      one.operatorUid === operatorUid
    )!;
    const edge = (isActive: boolean, atMs: number): AlarmEdge => ({
      edgeId: `ring-${index}-${isActive ? "raise" : "clear"}`,
      alarmId: `ring-${index}`,
      jobId: of.jobId as AlarmEdge["jobId"],
      regionId: of.regionId as AlarmEdge["regionId"],
      operatorUid,
      sinkUid,
      key: ring.key,
      isActive,
      priority: PRIORITY[sinkUid],
      text: textOf(sinkUid),
      response: RESPONSE[sinkUid],
      atMs,
      value: sample.value,
      score: sinkUid === "overheating" ? 2.4 : 5.2,
      threshold: sinkUid === "overheating" ? 0 : 4,
      low: sample.low ?? null,
      high: sample.high ?? null,
    });
    const clear = ring.lastsMs === null ? [] : [edge(false, raisedMs + ring.lastsMs)];
    return [edge(true, raisedMs), ...clear];
  });
}

function textOf(sinkUid: keyof typeof PRIORITY): string {
  switch (sinkUid) {
    case "vibration-alarms":
      return "Vibration 4.1 mm/s, usual is up to 3.2";
    case "overheating":
      return "Temperature 87 °C, limit is 85 °C";
    case "odd-flow":
      return "Flow 21.4 m³/h is unusual";
  }
}
