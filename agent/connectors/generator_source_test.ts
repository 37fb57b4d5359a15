import { deepEqual, equal, throws } from "node:assert/strict";
import type { CheckpointId } from "@shared/ids.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import { createGeneratorSource, type GeneratorSourceSpec } from "./generator_source.ts";

function open(spec: Partial<GeneratorSourceSpec> = {}) {
  const clock = new ManualClock();
  const got: unknown[] = [];
  const source = createGeneratorSource({
    spec: {
      connector: "generator",
      splitCount: 1,
      next: (position) => position,
      ratePerSecond: 1000,
      eventTime: null,
      ...spec,
    },
    sourceUid: "numbers",
    splitIndex: 0,
    clock,
    output: {
      record: (value, position) => got.push([value, position]),
      deadLetter() {},
      windowPressure() {},
      event() {},
      failed() {},
      askOwnership: () => Promise.resolve(true),
    },
  });
  return { source, clock, got };
}

Deno.test("generator source: keeps its rate, and numbers records from 1", async () => {
  const { source, clock, got } = open();
  await source.start();
  clock.advance(1000);
  equal(got.length, 1000);
  deepEqual(got[0], [0, 1]);
});

Deno.test("generator source: restored, it goes on with exactly the next record", async () => {
  const first = open();
  await first.source.start();
  first.clock.advance(100);
  const { section, position } = first.source.capture(1 as CheckpointId);
  equal(position.position, 100);
  const second = open();
  second.source.restore(section, { isSavepoint: false, positionFloor: 0 });
  await second.source.start();
  second.clock.advance(20);
  deepEqual(second.got[0], [100, 101]);
});

Deno.test("generator source: pause stops it, resume goes on without a burst above a second's worth", async () => {
  const { source, clock, got } = open();
  await source.start();
  clock.advance(100);
  source.pause();
  clock.advance(60_000);
  equal(got.length, 100);
  source.resume();
  clock.advance(20);
  equal(got.length, 1100);
});

Deno.test("generator source: ends where the function says so, as fast as it goes without a rate", async () => {
  const next = (position: number) => position < 2000 ? position : undefined;
  const { source, clock, got } = open({ ratePerSecond: null, next });
  await source.start();
  clock.advance(10);
  equal(got.length, 2000);
  await source.close();
});

Deno.test("generator source: refuses a section that is not its own", () => {
  throws(
    () => open().source.restore(Uint8Array.of(7), { isSavepoint: false, positionFloor: 0 }),
    /version 7/,
  );
});
