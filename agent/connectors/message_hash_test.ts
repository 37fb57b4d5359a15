import { deepEqual, equal } from "node:assert/strict";
import { MessageHash } from "./message_hash.ts";
import { InboundMessage } from "./mqtt_packet_reader.ts";

function message(topic: string, payload: string, gap = 3): InboundMessage {
  const topicBytes = new TextEncoder().encode(topic);
  const payloadBytes = new TextEncoder().encode(payload);
  const bytes = new Uint8Array(gap + topicBytes.length + gap + payloadBytes.length);
  bytes.set(topicBytes, gap);
  bytes.set(payloadBytes, gap + topicBytes.length + gap);
  const result = new InboundMessage();
  result.chunk(bytes, new DataView(bytes.buffer), 0, bytes.length);
  result.topicStart = gap;
  result.topicEnd = gap + topicBytes.length;
  result.payloadStart = result.topicEnd + gap;
  result.payloadEnd = bytes.length;
  return result;
}

Deno.test("message hash: its values are kept in snapshots and never change (golden)", () => {
  const hash = new MessageHash();
  const of = (topic: string, payload: string) => hash.of(message(topic, payload));
  deepEqual(
    [of("a", ""), of("a", "b"), of("plant/line1", `{"temp":21.5}`), of("ü", "é")],
    [175451626, 2895991194, 910961501, 824414092],
  );
});

Deno.test("message hash: depends on bytes alone, not on where they lie", () => {
  const hash = new MessageHash();
  equal(hash.of(message("t/1", "payload", 1)), hash.of(message("t/1", "payload", 6)));
});

Deno.test("message hash: the seam between topic and payload counts", () => {
  const hash = new MessageHash();
  const values = [["abcd", "efgh"], ["abcdef", "gh"], ["abcdefgh", ""], ["a", "bcdefgh"]]
    .map(([topic, payload]) => hash.of(message(topic!, payload!)));
  equal(new Set(values).size, values.length);
});

Deno.test("message hash: spreads numbered payloads without a collision in 100,000", () => {
  const hash = new MessageHash();
  const seen = new Set<number>();
  for (let i = 0; i < 100_000; i += 1) seen.add(hash.of(message("t", `{"seq":${i}}`)));
  // Birthday bound: about 1.2 collisions are expected of 32 random bits.
  equal(seen.size > 99_990, true);
});

Deno.test("message hash: says whether the payload is ASCII", () => {
  const hash = new MessageHash();
  const isAscii = (payload: string) => (hash.of(message("ü", payload)), hash.isAscii);
  deepEqual([isAscii("plain text"), isAscii("pump é"), isAscii("abcdé"), isAscii("")], [
    true,
    false,
    false,
    true,
  ]);
});
