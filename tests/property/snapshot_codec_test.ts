import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { CorruptStateError } from "../../agent/state/byte_stream.ts";
import { digestOf, OpenPiece, PiecePacker } from "../../agent/state/piece_codec.ts";
import {
  decodeSection,
  encodeSection,
  type GroupColumns,
} from "../../agent/state/snapshot_codec.ts";

/** Whatever an author may keep: every kind of value that has a stored form, nested. */
const anyValue = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom<unknown>(undefined, null, true, false, NaN, Infinity, -Infinity, -0, 0),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.bigInt(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("\ud800", "a\udc00b", "\ufeffx", "__proto__", ""),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array(),
    fc.float64Array(),
  ),
  node: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc.array(tie("node"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constant("constructor")), tie("node"), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
    fc.array(fc.tuple(tie("leaf"), tie("node")), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    fc.array(tie("leaf"), { maxLength: 3 }).map((items) => new Set(items)),
  ),
})).node;

const plain = { noNullPrototype: true };
const shaped = fc.record(
  { n: fc.nat(), mean: fc.double(), last: fc.record({ at: fc.string() }, plain) },
  plain,
);

/** Columns as they really are: one kind of value, objects of one shape, or anything at all. */
const column = (count: number): fc.Arbitrary<unknown[]> => {
  const of = (value: fc.Arbitrary<unknown>) =>
    fc.array(value, { minLength: count, maxLength: count });
  return fc.oneof(
    of(fc.integer()),
    of(fc.double()),
    of(fc.string({ unit: "binary" })),
    of(shaped),
    of(fc.constant(undefined)),
    of(anyValue),
  );
};

const groupColumns: fc.Arbitrary<GroupColumns> = fc
  .tuple(fc.uniqueArray(fc.string({ unit: "binary" }), { maxLength: 12 }), fc.nat(3), fc.boolean())
  .chain(([keys, slotCount, hasTtl]) => {
    const count = { minLength: keys.length, maxLength: keys.length };
    const times = fc.array(fc.nat(), { minLength: 1, maxLength: 3 });
    return fc.record({
      keys: fc.constant(keys),
      slots: fc.tuple(...Array.from({ length: slotCount }, () => column(keys.length))),
      times: fc.tuple(
        ...Array.from(
          { length: slotCount },
          () => hasTtl ? fc.array(fc.nat(), count) : fc.constant(null),
        ),
      ),
      timers: fc.array(fc.option(times), count),
      eventTimers: fc.array(fc.option(times), count),
      removed: fc.array(fc.string({ unit: "binary" }), { maxLength: 3 }),
    }, plain);
  });

Deno.test("snapshot codec: every group comes back as it was stored", () => {
  fc.assert(fc.property(groupColumns, (columns) => {
    deepStrictEqual(decodeSection(encodeSection(columns, "op"), "section"), columns);
  }));
});

Deno.test("snapshot codec: cut or changed bytes are refused or decode, but never fail otherwise", () => {
  fc.assert(fc.property(groupColumns, fc.nat(), fc.nat(255), (columns, at, byte) => {
    const bytes = encodeSection(columns, "op").slice();
    bytes[at % bytes.length] = byte;
    refusesOrDecodes(bytes);
    refusesOrDecodes(bytes.subarray(0, at % bytes.length));
  }));
});

function refusesOrDecodes(bytes: Uint8Array): void {
  try {
    decodeSection(bytes, "section");
  } catch (thrown) {
    strictEqual(thrown instanceof CorruptStateError, true, String(thrown));
  }
}

Deno.test("snapshot codec: what has no stored form is refused with operator, key and place", () => {
  class Pump {}
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const refused: readonly [value: unknown, said: RegExp][] = [
    [
      { a: [1, { b: () => 0 }] },
      /operator "count", key "pump-1", state 0: found a function at \.a\[1\]\.b/,
    ],
    [Symbol("x"), /a symbol at the top/],
    [{ p: new Pump() }, /an instance of class Pump at \.p/],
    [new Map([["k", new WeakSet()]]), /class WeakSet at \.entries\(\)\[0\]/],
    [{ [Symbol("x")]: 1 }, /symbol keys/],
    [cycle, /a cycle or deep nesting/],
  ];
  for (const [value, said] of refused) {
    const columns = { keys: ["pump-0", "pump-1"], slots: [[{ a: 1 }, value]] };
    const timers = [null, null];
    const whole = { ...columns, times: [null], timers, eventTimers: timers, removed: [] };
    throws(() => encodeSection(whole, "count"), { code: "state-not-encodable", message: said });
  }
});

Deno.test("piece codec: sections come back under their names, whatever their size", () => {
  const sections = fc.uniqueArray(
    fc.record({
      kind: fc.constantFrom("keyed" as const, "source" as const, "sink" as const),
      uid: fc.string({ minLength: 1 }),
      group: fc.nat(127),
      plain: fc.oneof(fc.uint8Array(), fc.nat(5000).map((n) => new Uint8Array(n).fill(7))),
    }),
    { selector: (section) => `${section.kind}/${section.uid}/${section.group}` },
  );
  fc.assert(fc.property(sections, (all) => {
    const packer = new PiecePacker();
    for (const section of all) packer.add(section, section.plain);
    const piece = packer.finish();
    strictEqual(piece.digest, digestOf(piece.bytes));
    const open = new OpenPiece(piece.bytes, piece.digest);
    deepStrictEqual(open.sections, piece.sections);
    for (const section of all) deepStrictEqual(open.section(section).slice(), section.plain);
  }));
});

Deno.test("piece codec: a section that grows beyond its stated length is refused (S35)", () => {
  const packer = new PiecePacker();
  packer.add({ kind: "source", uid: "s", group: 0 }, new Uint8Array(1_000_000));
  const { bytes, digest } = packer.finish();
  const lying = bytes.slice();
  const index = 9 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(5, true);
  lying.fill(1, index - 3, index);
  const section = { kind: "source", uid: "s", group: 0 } as const;
  strictEqual(new OpenPiece(bytes, digest).section(section).length, 1_000_000);
  throws(() => new OpenPiece(lying, digest).section(section), CorruptStateError);
});

Deno.test("piece codec: other bytes are refused with what was wanted", () => {
  const digest = digestOf(new Uint8Array(0));
  throws(() => new OpenPiece(new TextEncoder().encode("gzip or so"), digest), /want "PNSP"/);
  throws(() => new OpenPiece(new Uint8Array(0), digest), CorruptStateError);
});
