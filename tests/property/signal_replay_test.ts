/**
 * Signals under replay: however samples are split, repeated and interrupted by kills, what is stored is the
 * same.
 *
 * @module
 */
import { deepEqual } from "node:assert/strict";
import fc from "fast-check";
import type { SignalSample } from "@shared/messages.ts";
import { openMemoryDatabase } from "../support/memory_database.ts";
import { SignalRig } from "../support/signal_rig.ts";

const START_MS = Date.UTC(2026, 0, 1, 11, 58);
const END_MS = START_MS + 4 * 60_000;
const LATER_MS = START_MS + 3 * 3_600_000;
const RUNS = 25;

/** A moment of a signal says the same whenever it is said again. */
function sampleAt(key: number, offsetMs: number): SignalSample {
  const value = offsetMs % 11 === 0 ? null : Math.sin(offsetMs) * 10 ** (key * 3);
  return {
    operatorUid: `o${key % 2}`,
    key: `pump-${key}`,
    atMs: START_MS + offsetMs,
    value,
    score: offsetMs % 3 === 0 ? null : Math.cos(offsetMs) * 9,
    low: key === 0 ? null : -2.5,
    high: key === 0 ? null : offsetMs / 1000,
  };
}

const sample = fc.tuple(fc.nat(2), fc.nat(END_MS - START_MS - 1))
  .map(([key, offsetMs]) => sampleAt(key, offsetMs));

type Step =
  | { kind: "say"; which: readonly number[] }
  | { kind: "round"; waitMs: number }
  | { kind: "flush" }
  | { kind: "kill" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("say" as const), which: fc.array(fc.nat(199)) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("round" as const), waitMs: fc.nat(90_000) }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: "flush" }, { kind: "kill" }) },
);

/** Everything is rolled up when the hours are over. */
async function settle(rig: SignalRig): Promise<ReturnType<SignalRig["stored"]>> {
  rig.nowMs = LATER_MS;
  await rig.recorder.runRound();
  await rig.recorder.runRound();
  return rig.stored();
}

async function storedAtOnce(samples: readonly SignalSample[]) {
  const { db, close } = await openMemoryDatabase();
  try {
    const rig = await SignalRig.open(db, END_MS);
    await rig.record(samples);
    return await settle(rig);
  } finally {
    await close();
  }
}

async function storedInSteps(samples: readonly SignalSample[], steps: readonly Step[]) {
  const { db, close } = await openMemoryDatabase();
  try {
    const rig = await SignalRig.open(db, END_MS);
    for (const one of steps) {
      if (one.kind === "say") await rig.record(one.which.map((n) => samples[n % samples.length]!));
      else if (one.kind === "flush") await rig.recorder.flush();
      else if (one.kind === "kill") await rig.restart();
      else if (one.kind === "round") {
        rig.nowMs += one.waitMs;
        await rig.recorder.runRound();
      }
    }
    // What a kill lost is said again, as the agent's replay does, and with it everything else.
    await rig.record(samples);
    return await settle(rig);
  } finally {
    await close();
  }
}

Deno.test("signals: any split, repetition and kill leaves the same points and roll-ups", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(sample, { minLength: 1, maxLength: 200 }),
      fc.array(step, { maxLength: 12 }),
      async (samples, steps) => {
        deepEqual(await storedInSteps(samples, steps), await storedAtOnce(samples));
      },
    ),
    { numRuns: RUNS },
  );
});
