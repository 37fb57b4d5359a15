import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import type { Attempt, RegionId, SubtaskId } from "@shared/ids.ts";
import { BatchDecoder, BatchEncoder } from "../../agent/exchange/batch_codec.ts";
import { channelKeys, type ExchangeIdentity } from "../../agent/exchange/channel_key.ts";
import { CorruptFrameError, FrameReader, FrameWriter } from "../../agent/exchange/frame_bytes.ts";
import {
  authenticBody,
  claimedFrame,
  encodeFrame,
  type FrameHead,
} from "../../agent/exchange/frame_codec.ts";
import {
  TEXT_LENGTH_MAX,
  TEXTS_MAX,
  ValueReader,
  ValueWriter,
} from "../../agent/exchange/value_stream.ts";
import { CorruptStateError } from "../../agent/state/byte_stream.ts";
import {
  BARRIER,
  type ElementBatch,
  END,
  IDLE,
  WATERMARK,
} from "../../agent/runner/exchange_batch.ts";

const plain = { noNullPrototype: true };

/** Whatever an author may send: every kind of value that has a stored form, nested. */
const anyValue = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom<unknown>(undefined, null, true, false, NaN, Infinity, -Infinity, -0, 0),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.bigInt(),
    fc.string({ unit: "binary", maxLength: 2 * TEXT_LENGTH_MAX }),
    fc.constantFrom("\ud800", "a\udc00b", "\ufeffx", "__proto__", "", "press-7", "\u00e9"),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array(),
    fc.float64Array(),
  ),
  node: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc.array(tie("node"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("a", "b", "2")), tie("node"), {
      maxKeys: 4,
      ...plain,
    }),
    fc.array(fc.tuple(tie("leaf"), tie("node")), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    fc.array(tie("leaf"), { maxLength: 3 }).map((items) => new Set(items)),
  ),
})).node;

const shaped = fc.record({
  machine: fc.constantFrom("press-1", "press-2", "press-3"),
  id: fc.uuid(),
  value: fc.double(),
  at: fc.record({ line: fc.nat(3), tags: fc.array(fc.constantFrom("hot", "new")) }, plain),
}, plain);

interface Element {
  readonly edge: number;
  readonly value: unknown;
  readonly timeMs: number;
  readonly position: number;
  readonly lane: number;
}

const number = fc.oneof(fc.maxSafeInteger(), fc.double(), fc.constantFrom(-0, 0, -Infinity));
const wholeMs = fc.integer({ min: 0, max: 2_000_000_000_000 });
const record: fc.Arbitrary<Element> = fc.record({
  edge: fc.nat(3),
  value: fc.oneof(shaped, anyValue),
  timeMs: fc.oneof({ weight: 8, arbitrary: wholeMs }, number),
  position: fc.oneof({ weight: 8, arbitrary: fc.nat() }, number),
  lane: fc.oneof(fc.constant(0), fc.maxSafeInteger()),
});
const control: fc.Arbitrary<Element> = fc.record({
  edge: fc.constantFrom(WATERMARK, IDLE, BARRIER, END),
  value: fc.constant(undefined),
  timeMs: fc.oneof(wholeMs, fc.constantFrom(-Infinity, Number.MAX_SAFE_INTEGER)),
  position: fc.nat(),
  lane: fc.constant(0),
});

const batch: fc.Arbitrary<ElementBatch> = fc
  .array(fc.oneof({ weight: 6, arbitrary: record }, { weight: 1, arbitrary: control }), {
    maxLength: 40,
  })
  .map((elements) => ({
    edges: elements.map(({ edge }) => edge),
    values: elements.map(({ value }) => value),
    times: elements.map(({ timeMs }) => timeMs),
    positions: elements.map(({ position }) => position),
    lanes: elements.map(({ lane }) => lane),
    recordCount: elements.filter(({ edge }) => edge >= 0).length,
  }));

Deno.test("exchange codec: every batch of a channel comes out as it went in, whatever it holds (A1)", () => {
  fc.assert(fc.property(fc.array(batch, { maxLength: 6 }), (batches) => {
    const encoder = new BatchEncoder();
    const decoder = new BatchDecoder();
    for (const sent of batches) deepStrictEqual(decoder.decode(encoded(encoder, sent)), sent);
  }));
});

Deno.test("exchange codec: bytes that are no batch are refused, never a wrong throw or a hang", () => {
  fc.assert(
    fc.property(
      batch,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
      (sent, hits) => {
        const body = encoded(new BatchEncoder(), sent);
        for (const [at, byte] of hits) body[at % body.length] = byte;
        try {
          const got = new BatchDecoder().decode(body);
          strictEqual(got.values.length, got.edges.length);
        } catch (thrown) {
          ok(
            thrown instanceof CorruptFrameError || thrown instanceof CorruptStateError,
            `${thrown}`,
          );
        }
      },
    ),
  );
});

Deno.test("exchange codec: a body cut short is refused", () => {
  fc.assert(fc.property(batch, fc.nat(), (sent, cut) => {
    const body = encoded(new BatchEncoder(), sent);
    throws(() => new BatchDecoder().decode(body.subarray(0, cut % body.length)));
  }));
});

Deno.test("exchange codec: names and texts that come again are sent once", () => {
  const encoder = new BatchEncoder();
  const machines = Array.from({ length: 100 }, (_, i) => `press-of-line-${i % 4}`);
  const bytes = machines.map((machine) =>
    encoded(encoder, batchOf([{ machine, temperature: 21.5 }])).length
  );
  ok(bytes[0]! > bytes[99]! + "machinetemperaturepress-of-line".length, `${bytes}`);
});

Deno.test("exchange codec: more texts than are numbered still come out right", () => {
  const writer = new ValueWriter();
  const reader = new ValueReader();
  for (let i = 0; i < 3 * TEXTS_MAX; i++) {
    const value = { id: `id-${i}`, key: `key-${i % (TEXTS_MAX + 100)}`, again: `again-${i % 7}` };
    const to = new FrameWriter();
    writer.write(to, value);
    deepStrictEqual(reader.read(new FrameReader(to.written())), value);
  }
});

const identity: ExchangeIdentity = {
  jobId: "job-1",
  regionId: "in.0" as RegionId,
  attempt: 3 as Attempt,
};
const address = { from: "in.0" as SubtaskId, to: "count.1" as SubtaskId };
const secret = new Uint8Array(32).fill(7);

Deno.test("exchange frame: comes out as it went in, and with one bit turned not at all (F4, S10)", () => {
  const keys = channelKeys(secret, identity, address);
  const kind = fc.constantFrom<FrameHead["kind"]>("elements", "part", "credit");
  const sequence = fc.integer({ min: 0, max: 2 ** 48 - 1 });
  fc.assert(
    fc.property(kind, sequence, fc.uint8Array(), fc.nat(), (kind, sequence, body, bit) => {
      const head = { kind, attempt: identity.attempt, channel: keys.number, sequence };
      const frame = encodeFrame(head, body, keys.elements);
      deepStrictEqual(claimedFrame(frame), { kind: "claimed", head });
      deepStrictEqual([...authenticBody(frame, keys.elements)!], [...body]);
      const at = bit % (8 * frame.length);
      frame[at >> 3]! ^= 1 << (at & 7);
      strictEqual(authenticBody(frame, keys.elements), null);
    }),
  );
});

Deno.test("exchange frame: counts for its job, region, attempt, channel and direction alone (F3, F4)", () => {
  const frame = (keys: ReturnType<typeof channelKeys>) =>
    encodeFrame(
      { kind: "elements", attempt: identity.attempt, channel: keys.number, sequence: 1 },
      new Uint8Array(9),
      keys.elements,
    );
  const ours = channelKeys(secret, identity, address);
  const others = [
    channelKeys(new Uint8Array(32).fill(8), identity, address),
    channelKeys(secret, { ...identity, jobId: "job-2" }, address),
    channelKeys(secret, { ...identity, regionId: "in.1" as RegionId }, address),
    channelKeys(secret, { ...identity, attempt: 2 as Attempt }, address),
    channelKeys(secret, identity, { from: address.to, to: address.from }),
    channelKeys(secret, identity, { ...address, to: "count.2" as SubtaskId }),
  ];
  ok(authenticBody(frame(ours), ours.elements) !== null);
  strictEqual(authenticBody(frame(ours), ours.credit), null);
  for (const other of others) strictEqual(authenticBody(frame(other), ours.elements), null);
  strictEqual(new Set([ours, ...others].map(({ number }) => number)).size, 7);
});

function encoded(encoder: BatchEncoder, sent: ElementBatch): Uint8Array {
  const to = new FrameWriter();
  encoder.encode(to, sent);
  return to.written().slice();
}

function batchOf(values: readonly unknown[]): ElementBatch {
  const zeros = values.map(() => 0);
  return {
    edges: zeros,
    values,
    times: zeros,
    positions: zeros,
    lanes: zeros,
    recordCount: values.length,
  };
}
