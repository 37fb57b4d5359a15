/**
 * A pump line as numbers: temperature, vibration and pressure of one machine, second by second.
 *
 * Pure: the caller brings the random numbers. First-order thermal lag towards a load-dependent
 * temperature, vibration with the speed's harmonic, pressure falling with flow, and three faults a
 * maintenance crew would know.
 *
 * @module
 */

export type Fault = "none" | "bearing-wear" | "cavitation" | "overheating";

export interface MachineState {
  readonly temperature: number;
  readonly load: number;
  readonly fault: Fault;
  /** Seconds since the fault began. */
  readonly faultAgeS: number;
  readonly timeS: number;
}

export interface Signals {
  /** Degrees Celsius at the bearing. */
  readonly temperature: number;
  /** mm/s RMS. */
  readonly vibration: number;
  /** bar at the outlet. */
  readonly pressure: number;
}

const THERMAL_LAG_S = 120;
const AMBIENT_C = 24;

export function createMachine(): MachineState {
  return { temperature: 58, load: 0.7, fault: "none", faultAgeS: 0, timeS: 0 };
}

/** The machine `dtS` seconds later; `noise` are three standard normal numbers. */
export function stepMachine(
  state: MachineState,
  dtS: number,
  noise: readonly [number, number, number],
): { state: MachineState; signals: Signals } {
  const timeS = state.timeS + dtS;
  const load = 0.7 + 0.1 * Math.sin((2 * Math.PI * timeS) / 600);
  const faultAgeS = state.fault === "none" ? 0 : state.faultAgeS + dtS;
  const target = AMBIENT_C + 50 * load + (state.fault === "overheating" ? 60 : 0) +
    (state.fault === "bearing-wear" ? 12 : 0);
  // A blocked cooling path heats the bearing much faster than the casing follows the load.
  const lagS = state.fault === "overheating" ? THERMAL_LAG_S / 12 : THERMAL_LAG_S;
  const temperature = state.temperature +
    (target - state.temperature) * (1 - Math.exp(-dtS / lagS));
  const wear = state.fault === "bearing-wear" ? Math.min(3.5, 1 + faultAgeS) : 0;
  const cavitation = state.fault === "cavitation" ? 1 : 0;
  return {
    state: { temperature, load, fault: state.fault, faultAgeS, timeS },
    signals: {
      temperature: round(temperature + 0.25 * noise[0]),
      vibration: round(
        1.8 + 0.4 * load + wear + cavitation * 1.5 + (0.08 + 0.5 * cavitation) * noise[1],
      ),
      pressure: round(6.2 - 1.1 * load - cavitation * 1.8 + (0.04 + 0.3 * cavitation) * noise[2]),
    },
  };
}

export function withFault(state: MachineState, fault: Fault): MachineState {
  return { ...state, fault, faultAgeS: 0 };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
