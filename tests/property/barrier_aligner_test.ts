/**
 * Drives the aligner through a model of its input channels.
 *
 * Each channel is a queue of records, barriers and an end. The model reads only
 * unblocked channels, in a generated order, and checks A1..A4 at each step.
 */
import fc from "fast-check";
import {
  type AlignerAction,
  type AlignerEvent,
  type AlignerState,
  createAligner,
  stepAligner,
} from "../../agent/runner/barrier_aligner.ts";
import { assert } from "@shared/assert.ts";
import type { ChannelIndex, CheckpointId } from "@shared/ids.ts";

type Element = { kind: "record"; behind: number } | { kind: "barrier"; id: number } | {
  kind: "end";
};

/** Channel content: per checkpoint id, some records, then perhaps its barrier; then the end. */
const channelArb = fc.array(fc.record({ records: fc.nat(2), hasBarrier: fc.boolean() }), {
  maxLength: 6,
})
  .map((epochs): Element[] => {
    const elements: Element[] = [];
    let behind = 0;
    epochs.forEach(({ records, hasBarrier }, i) => {
      for (let r = 0; r < records; r++) elements.push({ kind: "record", behind });
      if (hasBarrier) {
        behind = i + 1;
        elements.push({ kind: "barrier", id: behind });
      }
    });
    return [...elements, { kind: "end" }];
  });

Deno.test("barrier aligner: nothing behind barrier n is in snapshot n, ids increase, closed inputs do not hold up (A4, A6)", () => {
  fc.assert(
    fc.property(
      fc.array(channelArb, { minLength: 1, maxLength: 4 }),
      fc.infiniteStream(fc.nat()),
      fc.infiniteStream(fc.integer({ min: -20, max: 6 })),
      (channels, picks, cancels) => {
        const model = new ChannelModel(channels);
        while (model.readable().length > 0) {
          const cancelId = cancels.next().value;
          if (cancelId > 0) model.apply({ kind: "cancel", checkpointId: cancelId as CheckpointId });
          const readable = model.readable();
          model.read(readable[picks.next().value % readable.length]!);
        }
        assert(model.isDrained(), "A4: input left although no channel is readable");
      },
    ),
    { numRuns: 5_000 },
  );
});

/** Input channels of one subtask, driven by the aligner's actions. */
class ChannelModel {
  #state: AlignerState;
  readonly #queues: Element[][];
  readonly #blocked = new Set<number>();
  readonly #barrierSeen: number[];
  #behindProcessed = 0;
  #settled = 0;

  constructor(channels: readonly Element[][]) {
    this.#queues = channels.map((channel) => [...channel]);
    this.#barrierSeen = channels.map(() => 0);
    this.#state = createAligner(channels.length);
  }

  readable(): number[] {
    return this.#queues.flatMap((q, i) => q.length > 0 && !this.#blocked.has(i) ? [i] : []);
  }

  isDrained(): boolean {
    return this.#queues.every((q) => q.length === 0);
  }

  read(index: number): void {
    const channel = index as ChannelIndex;
    const element = this.#queues[index]!.shift()!;
    switch (element.kind) {
      case "record":
        this.#behindProcessed = Math.max(this.#behindProcessed, element.behind);
        break;
      case "barrier":
        this.#barrierSeen[index] = element.id;
        this.apply({ kind: "barrier", channel, checkpointId: element.id as CheckpointId });
        break;
      case "end":
        this.#barrierSeen[index] = Infinity;
        this.apply({ kind: "close", channel });
        break;
    }
  }

  apply(event: AlignerEvent): void {
    const step = stepAligner(this.#state, event);
    this.#state = step.state;
    for (const action of step.actions) this.#carryOut(action);
    if (event.kind === "cancel") this.#settled = Math.max(this.#settled, event.checkpointId);
    const blocked = [...this.#blocked].sort();
    const aligned = [...step.state.aligned].sort();
    assert(String(blocked) === String(aligned), `A1: blocked ${blocked}, aligned ${aligned}`);
  }

  #carryOut(action: AlignerAction): void {
    switch (action.kind) {
      case "block":
        this.#blocked.add(action.channel);
        break;
      case "unblockAll":
        this.#blocked.clear();
        break;
      case "abort":
        this.#settled = Math.max(this.#settled, action.checkpointId);
        break;
      case "snapshot": {
        const id = action.checkpointId;
        assert(id > this.#settled, `A2: snapshot ${id} after ${this.#settled} was settled`);
        assert(this.#barrierSeen.every((seen) => seen >= id), `A3: barrier ${id} missing`);
        assert(this.#behindProcessed < id, `A3: record behind ${this.#behindProcessed} processed`);
        this.#settled = id;
      }
    }
  }
}
