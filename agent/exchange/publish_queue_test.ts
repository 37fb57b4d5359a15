import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { PublishQueue } from "./publish_queue.ts";

Deno.test("publish queue: never more unanswered than the broker takes, credit before elements, nothing lost (A7)", () => {
  const world = new World(2);
  for (let i = 0; i < 4; i++) world.queue.elements({ topic: `e${i}`, frame: new Uint8Array(1) });
  world.queue.credit({ topic: "c", frame: new Uint8Array(1) });
  deepStrictEqual(world.topics, ["e0", "e1"]);
  world.queue.answered(0);
  deepStrictEqual(world.topics, ["e0", "e1", "c"]);
  let isEmpty = false;
  world.queue.whenEmpty(() => isEmpty = true);
  for (let i = 0; i < 3; i++) world.queue.answered(0x10);
  strictEqual(isEmpty, false);
  world.queue.answered(0);
  deepStrictEqual(world.topics, ["e0", "e1", "c", "e2", "e3"]);
  strictEqual(isEmpty, true);
  deepStrictEqual(world.packetIds, [2, 3, 4, 5, 6]);
});

Deno.test("publish queue: packet ids go round and leave 0 and the subscription's out", () => {
  const world = new World(1);
  for (let i = 0; i < 65_536; i++) {
    world.queue.elements({ topic: "e", frame: new Uint8Array(1) });
    world.queue.answered(0);
  }
  strictEqual(Math.min(...world.packetIds.slice(0, 100), ...world.packetIds.slice(-100)), 2);
  strictEqual(world.packetIds.at(-1), 3);
});

Deno.test("publish queue: what the broker refuses is told", () => {
  const world = new World(1);
  world.queue.elements({ topic: "e", frame: new Uint8Array(1) });
  throws(
    () => world.queue.answered(0x87),
    /refused a frame of the exchange: not authorized \(0x87\)/,
  );
});

class World {
  readonly topics: string[] = [];
  readonly packetIds: number[] = [];
  readonly queue: PublishQueue;

  constructor(inFlightMax: number) {
    this.queue = new PublishQueue((topic, packetId) => {
      this.topics.push(topic);
      this.packetIds.push(packetId);
    }, inFlightMax);
  }
}
