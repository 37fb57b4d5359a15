import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { Attempt, CheckpointId, RegionId, SubtaskId } from "@shared/ids.ts";
import { BatchDecoder } from "../../agent/exchange/batch_codec.ts";
import { ChannelTable } from "../../agent/exchange/channel_table.ts";
import { BatchBuilder } from "../../agent/runner/exchange_batch.ts";

const CHANNEL = { from: "in.0" as SubtaskId, to: "count.1" as SubtaskId };
const OF = {
  jobId: "019ab001-0000-7000-8000-000000000001",
  regionId: "in.0" as RegionId,
  attempt: 7 as Attempt,
  key: btoa("0123456789abcdef0123456789abcdef"),
  sends: [],
  receives: [],
};

/** Agents of one region may be of two builds: these bytes change with a version number only. */
const ELEMENTS =
  "01010700000099d396c8d8fd01000000000001070202000101010301050107010080b083c59868f40300" +
  "f303ffaf83c5986800000052020255021011010100000000003043000000000000314000000000000000" +
  "0000000000000000000000000000000000000000000000000000000000000000000a021c6d616368696e" +
  "651476616c7565071c70726573732d310500000000008035400b000800040509060100030709c3a90c04" +
  "090431320c090a00000000000014407bd8a1fdd82b3ebaca8705c99a725a8e";
const CREDIT = "01030700000099d396c8d8fd000000000000038101643e42489c7749a22fc8b20063575ee4";

Deno.test("exchange frame: elements and credit have the bytes they always had (A1, F4)", () => {
  const { sends: [sending] } = new ChannelTable({ ...OF, sends: [CHANNEL] });
  const consumer = new ChannelTable({ ...OF, receives: [CHANNEL] });
  sending!.send(golden());
  const [frame] = sending!.takeFrames();
  strictEqual(frame!.toHex(), ELEMENTS);
  const recognized = consumer.recognize(Uint8Array.fromHex(ELEMENTS));
  strictEqual(recognized.kind, "elements");
  if (recognized.kind !== "elements") return;
  deepStrictEqual(new BatchDecoder().decode(recognized.body), golden());
  consumer.receives[0]!.receive(recognized.head, recognized.body);
  consumer.receives[0]!.credit.workedOff(3);
  strictEqual(consumer.receives[0]!.creditFrame().toHex(), CREDIT);
});

function golden() {
  const batch = new BatchBuilder();
  const at = (atMs: number, position: number) => ({ atMs, position });
  batch.record(1, { machine: "press-1", value: 21.5 }, at(1_790_000_000_000, 41), 2 ** 52 + 1);
  batch.record(1, { machine: "press-1", value: -3 }, at(1_790_000_000_250, 42), 17);
  batch.record(0, [null, undefined, true, "é", 12n, new Date(5)], at(1_790_000_000_250, 43), 0);
  batch.watermark(1_790_000_000_000);
  batch.idle(true);
  batch.barrier(9 as CheckpointId);
  batch.end();
  return batch.finish();
}
