import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import type { Attempt, RegionId, SubtaskId } from "@shared/ids.ts";
import {
  ConsumerCredit,
  FRAMES_AT_FIRST,
  FRAMES_WINDOW_MAX,
  ProducerCredit,
} from "../../agent/exchange/channel_credit.ts";
import { ChannelTable, type TableOptions } from "../../agent/exchange/channel_table.ts";
import { FrameOrder } from "../../agent/exchange/frame_order.ts";
import {
  BatchBuilder,
  CHANNEL_CREDIT_RECORDS,
  type ElementBatch,
} from "../../agent/runner/exchange_batch.ts";

Deno.test("exchange order: what was taken is 1, 2, 3 and on, whatever came (A1)", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 60 }), (came) => {
    const order = new FrameOrder();
    const taken: number[] = [];
    for (const sequence of came) {
      const place = order.take(sequence);
      const latest = taken.at(-1) ?? 0;
      if (place.kind === "next") taken.push(sequence);
      strictEqual(place.kind, kindOf(sequence, latest));
      if (place.kind === "gap") strictEqual(place.expected, latest + 1);
    }
    deepStrictEqual(taken, taken.map((_, i) => i + 1));
    strictEqual(order.latest, taken.length);
  }));
});

function kindOf(sequence: number, latest: number): string {
  if (sequence <= latest) return "duplicate";
  return sequence === latest + 1 ? "next" : "gap";
}

type Step =
  | { readonly kind: "send"; readonly records: number }
  | { readonly kind: "take" }
  | { readonly kind: "workOff"; readonly records: number }
  | { readonly kind: "tell"; readonly arrives: boolean }
  | { readonly kind: "repeat"; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("send" as const), records: fc.nat(256) }),
  fc.record({ kind: fc.constant("send" as const), records: fc.nat(256) }),
  fc.record({ kind: fc.constant("take" as const) }),
  fc.record({ kind: fc.constant("take" as const) }),
  fc.record({ kind: fc.constant("workOff" as const), records: fc.nat(2_000) }),
  fc.record({ kind: fc.constant("tell" as const), arrives: fc.boolean() }),
  fc.record({ kind: fc.constant("repeat" as const), which: fc.nat() }),
);

Deno.test("exchange credit: bounds what is on its way, never goes wrong by late or lost words, comes back in full (A4, A7)", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9_000 }),
      fc.array(step, { maxLength: 300 }),
      (n, steps) => {
        const run = new CreditRun(n);
        for (const step of steps) run.step(step);
        run.settle();
        strictEqual(run.producer.records, CHANNEL_CREDIT_RECORDS);
        ok(run.producer.hasFrame);
        ok(!run.isOut, "who ran out was told to go on");
      },
    ),
  );
});

Deno.test("exchange credit: a word for more than was sent is none of this channel's", () => {
  const producer = new ProducerCredit();
  producer.batchSent(10);
  producer.frameSent();
  const framesGranted = FRAMES_WINDOW_MAX;
  strictEqual(producer.granted({ recordsWorkedOff: 11, framesGranted }), "impossible");
  strictEqual(
    producer.granted({ recordsWorkedOff: 10, framesGranted: FRAMES_WINDOW_MAX + 2 }),
    "impossible",
  );
  strictEqual(producer.records, CHANNEL_CREDIT_RECORDS - 10);
  strictEqual(producer.granted({ recordsWorkedOff: 10, framesGranted }), "noted");
});

/** Both ends, with words that are lost and come again. */
class CreditRun {
  readonly producer = new ProducerCredit();
  readonly #consumer: ConsumerCredit;
  readonly #words: ReturnType<ConsumerCredit["tell"]>[] = [];
  /** Records of frames that wait, that are on their way, and that are not worked off. */
  readonly #waiting: number[] = [];
  readonly #onTheWay: number[] = [];
  #held = 0;
  isOut = false;

  constructor(channelCount: number) {
    this.#consumer = new ConsumerCredit(channelCount);
  }

  step(step: Step): void {
    switch (step.kind) {
      case "send": {
        const before = this.producer.records;
        if (before <= 0 && step.records > 0) return;
        this.producer.batchSent(step.records);
        strictEqual(this.producer.records, before - step.records);
        if (this.producer.records <= 0) this.isOut = true;
        this.#waiting.push(step.records);
        return this.#pump();
      }
      case "take":
        return this.#take();
      case "workOff": {
        const records = Math.min(step.records, this.#held);
        this.#held -= records;
        return this.#consumer.workedOff(records);
      }
      case "tell": {
        const word = this.#consumer.tell();
        this.#words.push(word);
        if (step.arrives) this.#hear(word);
        return;
      }
      case "repeat": {
        const word = this.#words[step.which % Math.max(1, this.#words.length)];
        if (word !== undefined) this.#hear(word);
      }
    }
  }

  /** Everything arrives, is worked off and told. */
  settle(): void {
    while (this.#waiting.length + this.#onTheWay.length + this.#held > 0) {
      this.#take();
      this.step({ kind: "workOff", records: this.#held });
      this.step({ kind: "tell", arrives: true });
    }
    this.step({ kind: "tell", arrives: true });
    ok(!this.#consumer.isUntold);
  }

  #take(): void {
    const records = this.#onTheWay.shift();
    if (records === undefined) return;
    this.#held += records;
    this.#consumer.frameTaken();
  }

  #hear(word: ReturnType<ConsumerCredit["tell"]>): void {
    const outcome = this.producer.granted(word);
    ok(outcome !== "impossible");
    if (outcome === "resumed") {
      ok(this.isOut, "it had run out");
      ok(this.producer.records >= CHANNEL_CREDIT_RECORDS / 2);
      this.isOut = false;
    }
    this.#pump();
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.producer.hasFrame) {
      this.producer.frameSent();
      this.#onTheWay.push(this.#waiting.shift()!);
    }
    ok(this.#onTheWay.length <= FRAMES_WINDOW_MAX);
    ok(this.#held <= CHANNEL_CREDIT_RECORDS + 256, "one batch more than the credit at most");
  }
}

const channel = { from: "in.0" as SubtaskId, to: "count.0" as SubtaskId };
const OPTIONS: TableOptions = {
  jobId: "job-1",
  regionId: "in.0" as RegionId,
  attempt: 2 as Attempt,
  key: btoa("k".repeat(32)),
  sends: [],
  receives: [],
};

Deno.test("exchange channel: batches come out once and in order, however frames are repeated, late or forged (A1, F3, F4)", () => {
  const sizes = fc.array(fc.nat({ max: 400_000 }), { minLength: 1, maxLength: 5 });
  const noise = fc.array(fc.tuple(fc.nat(), fc.constantFrom("repeat", "late", "forge")), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(sizes, noise, (sizes, noise) => {
      const sent = sizes.map((size, i) => batchOf([{ i, text: "x".repeat(size) }]));
      const frames = framesOf(sent, OPTIONS);
      const other = framesOf(sent, { ...OPTIONS, attempt: 1 as Attempt });
      const table = new ChannelTable({ ...OPTIONS, receives: [channel] });
      const got: ElementBatch[] = [];
      let refusedCount = 0;
      const take = (frame: Uint8Array) => {
        const recognized = table.recognize(frame);
        if (recognized.kind === "refused") refusedCount++;
        if (recognized.kind !== "elements") return;
        const received = table.receives[0]!.receive(recognized.head, recognized.body);
        if (received.kind === "batch") got.push(received.batch);
      };
      let expectedRefusals = 0;
      for (const [index, frame] of frames.entries()) {
        for (const [at, what] of noise) {
          if (at % frames.length !== index) continue;
          if (what === "repeat" && index > 0) take(frames[index - 1]!);
          if (what !== "repeat") expectedRefusals++;
          if (what === "late") take(other[index]!);
          if (what === "forge") take(forged(frame));
        }
        take(frame);
      }
      deepStrictEqual(got, sent);
      strictEqual(refusedCount, expectedRefusals);
    }),
    { numRuns: 40 },
  );
});

Deno.test("exchange channel: a frame that is missing ends the channel, it is never passed over (A1)", () => {
  const frames = framesOf([batchOf([1]), batchOf([2]), batchOf([3])], OPTIONS);
  const table = new ChannelTable({ ...OPTIONS, receives: [channel] });
  const take = (frame: Uint8Array) => {
    const recognized = table.recognize(frame);
    ok(recognized.kind === "elements");
    return table.receives[0]!.receive(recognized.head, recognized.body).kind;
  };
  strictEqual(take(frames[0]!), "batch");
  throws(() => take(frames[2]!), /Channel in\.0 to count\.0 is broken: frame 2 is missing, 3 came/);
});

Deno.test("exchange channel: credit of another attempt is refused, and so is credit made with the key for elements (F4)", () => {
  const producer = new ChannelTable({ ...OPTIONS, sends: [channel] });
  const consumer = new ChannelTable({ ...OPTIONS, receives: [channel] });
  const older = new ChannelTable({ ...OPTIONS, attempt: 1 as Attempt, receives: [channel] });
  const kindOfFrame = (frame: Uint8Array) => producer.recognize(frame).kind;
  strictEqual(kindOfFrame(consumer.receives[0]!.creditFrame()), "credit");
  strictEqual(kindOfFrame(older.receives[0]!.creditFrame()), "refused");
  // Elements that come back to their own producer are for no channel that ends here.
  strictEqual(kindOfFrame(framesOf([batchOf([1])], OPTIONS)[0]!), "refused");
});

Deno.test("exchange channel: without a grant frames wait, none is dropped, and they leave in order (A7)", () => {
  const table = new ChannelTable({ ...OPTIONS, sends: [channel] });
  const peer = new ChannelTable({ ...OPTIONS, receives: [channel] });
  const sending = table.sends[0]!;
  const receiving = peer.receives[0]!;
  const got: unknown[] = [];
  const count = 3 * FRAMES_WINDOW_MAX;
  for (let i = 0; i < count; i++) sending.send(batchOf([i]));
  for (let round = 0; got.length < count; round++) {
    const frames = sending.takeFrames();
    ok(frames.length <= (round === 0 ? FRAMES_AT_FIRST : FRAMES_WINDOW_MAX));
    for (const frame of frames) {
      const recognized = peer.recognize(frame);
      ok(recognized.kind === "elements");
      const received = receiving.receive(recognized.head, recognized.body);
      if (received.kind === "batch") got.push(...received.batch.values);
    }
    const credit = table.recognize(receiving.creditFrame());
    ok(credit.kind === "credit");
    strictEqual(sending.granted(credit.body), "noted");
  }
  deepStrictEqual(got, Array.from({ length: count }, (_, i) => i));
});

Deno.test("exchange channel: a value without a form on the way is told with its path, and not as retryable", async () => {
  const table = new ChannelTable({ ...OPTIONS, sends: [channel] });
  await rejects(
    async () => await table.sends[0]!.send(batchOf([{ a: { call: () => 1 } }])),
    (error: Error & { isRetryable?: boolean }) => {
      strictEqual(error.isRetryable, false);
      ok(/in\.0 to count\.0 .* a function at \.a\.call/.test(error.message), error.message);
      return true;
    },
  );
});

Deno.test("exchange topics: the attempt and the taker are in them (A2)", () => {
  const table = new ChannelTable({ ...OPTIONS, sends: [channel] });
  deepStrictEqual(table.topics, ["penstock/x/job-1/in.0/2/in.0"]);
  strictEqual(table.sends[0]!.topic, "penstock/x/job-1/in.0/2/count.0");
  for (const bad of ["", "#", "a/b", "+", "$SYS", "a b"]) {
    throws(() => new ChannelTable({ ...OPTIONS, jobId: bad, sends: [channel] }));
  }
});

/** The frames of these batches, all granted. */
function framesOf(batches: readonly ElementBatch[], options: TableOptions): Uint8Array[] {
  const { sends: [sending] } = new ChannelTable({ ...options, sends: [channel] });
  const { receives: [peer] } = new ChannelTable({ ...options, receives: [channel] });
  const taker = new ChannelTable({ ...options, receives: [channel] });
  const frames: Uint8Array[] = [];
  const own = new ChannelTable({ ...options, sends: [channel] });
  for (const batch of batches) sending!.send(batch);
  for (let before = -1; before < frames.length;) {
    before = frames.length;
    for (const frame of sending!.takeFrames()) {
      const recognized = taker.recognize(frame);
      ok(recognized.kind === "elements");
      peer!.receive(recognized.head, recognized.body);
      frames.push(frame);
    }
    const credit = own.recognize(peer!.creditFrame());
    ok(credit.kind === "credit");
    sending!.granted(credit.body);
  }
  return frames;
}

function forged(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  copy[copy.length - 20]! ^= 1;
  return copy;
}

function batchOf(values: readonly unknown[]): ElementBatch {
  const batch = new BatchBuilder();
  for (const value of values) batch.record(0, value, { atMs: 5, position: 1 }, 0);
  return batch.finish();
}
