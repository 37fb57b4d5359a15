import { deepEqual, equal, throws } from "node:assert/strict";
import { SourceLedger } from "./source_ledger.ts";

/** A ledger that took in messages 1..count (packet id = message, hash = message * 10). */
function received(count: number, ledger = connectedLedger()): SourceLedger {
  for (let id = 1; id <= count; id += 1) ledger.received(id, id * 10, 1);
  return ledger;
}

function connectedLedger(): SourceLedger {
  const ledger = new SourceLedger();
  ledger.connected(false);
  return ledger;
}

function restored(count: number, isSavepoint: boolean): SourceLedger {
  const ledger = new SourceLedger();
  ledger.restore(received(count).capture(1, null), { isSavepoint, positionFloor: 0 });
  ledger.connected(true);
  return ledger;
}

Deno.test("source ledger: not PUBACK at the barrier instead of completion (C9)", () => {
  const ledger = received(3);
  ledger.capture(1, null);
  ledger.received(4, 40, 1);
  deepEqual([...ledger.releasable()], []);
  deepEqual([...ledger.completed(1)], [1, 2, 3]);
});

Deno.test("source ledger: an aborted checkpoint releases nothing, the next one covers it (C9)", () => {
  const ledger = received(2);
  ledger.capture(1, null);
  ledger.aborted(1);
  deepEqual([...ledger.completed(1)], []);
  ledger.capture(2, null);
  deepEqual([...ledger.completed(2)], [1, 2]);
});

Deno.test("source ledger: no duplicate list: what the snapshot lists is recognised when it comes again (M3)", () => {
  const ledger = restored(3, false);
  deepEqual([1, 2, 3, 4].map((id) => ledger.received(id, id * 10, 1)), [
    "duplicate",
    "duplicate",
    "duplicate",
    "process",
  ]);
  equal(ledger.position, 4);
});

Deno.test("source ledger: duplicate list without re-acknowledge: a duplicate of a complete checkpoint is releasable at once (M5)", () => {
  const ledger = restored(3, false);
  ledger.received(1, 10, 1);
  ledger.received(2, 20, 1);
  deepEqual([...ledger.releasable()], [1, 2]);
});

Deno.test("source ledger: no PUBACK on a savepoint: its duplicates wait for the next checkpoint (P1, K2)", () => {
  const ledger = restored(3, true);
  for (const id of [1, 2, 3]) equal(ledger.received(id, id * 10, 1), "duplicate");
  deepEqual([...ledger.releasable()], []);
  ledger.capture(2, null);
  deepEqual([...ledger.completed(2)], [1, 2, 3]);
});

Deno.test("source ledger: held PUBACKs of an old connection are not sent on a new one (M6)", () => {
  const ledger = received(3);
  ledger.capture(1, null);
  ledger.connected(true);
  deepEqual([...ledger.completed(1)], []);
  equal(ledger.received(1, 10, 1), "duplicate");
  deepEqual([...ledger.releasable()], [1]);
});

Deno.test("source ledger: acks counted as processed when written, not when confirmed: written acks stay listed until PINGRESP (M3a)", () => {
  const ledger = received(2);
  ledger.capture(1, null);
  ledger.acksWritten(ledger.completed(1).length);
  equal(ledger.usedCount, 2);
  ledger.connected(true);
  equal(ledger.received(1, 10, 1), "duplicate");
  const confirmed = received(2);
  confirmed.capture(1, null);
  confirmed.acksWritten(confirmed.completed(1).length);
  confirmed.pingConfirmed();
  equal(confirmed.usedCount, 0);
});

Deno.test("source ledger: PINGRESPs confirm batches in the order written (M3a)", () => {
  const ledger = received(2);
  ledger.capture(1, null);
  ledger.acksWritten(ledger.completed(1).length);
  ledger.received(3, 30, 1);
  ledger.capture(2, null);
  ledger.acksWritten(ledger.completed(2).length);
  ledger.pingConfirmed();
  equal(ledger.usedCount, 1);
  ledger.pingConfirmed();
  equal(ledger.usedCount, 0);
});

Deno.test("source ledger: skips entries before the first redelivered message: their acks had arrived (M3)", () => {
  const ledger = restored(5, false);
  deepEqual([4, 5, 6].map((id) => ledger.received(id, id * 10, 1)), [
    "duplicate",
    "duplicate",
    "process",
  ]);
  equal(ledger.mismatchCount, 0);
});

Deno.test("source ledger: equal id with another payload is emitted and the rest given up: in doubt emit (M4)", () => {
  const ledger = restored(4, false);
  equal(ledger.received(1, 10, 1), "duplicate");
  equal(ledger.received(2, 21, 1), "process");
  equal(ledger.received(3, 30, 1), "process");
  equal(ledger.mismatchCount, 3);
});

Deno.test("source ledger: DUP is not asked and reused packet ids are told apart by hash (M3)", () => {
  const ledger = connectedLedger();
  for (const hash of [10, 11, 12]) ledger.received(7, hash, 1);
  ledger.connected(true);
  deepEqual([11, 12, 13].map((hash) => ledger.received(7, hash, 1)), [
    "duplicate",
    "duplicate",
    "process",
  ]);
});

Deno.test("source ledger: a lost session discards the list and says how long it was (M9)", () => {
  const ledger = received(3);
  deepEqual(ledger.connected(false), { kind: "lost", pendingCount: 3 });
  equal(ledger.received(1, 10, 1), "process");
  equal(ledger.position, 4);
});

Deno.test("source ledger: a first connection creates the session, and a restored one misses it (M9)", () => {
  deepEqual(new SourceLedger().connected(false), { kind: "created" });
  const ledger = new SourceLedger();
  ledger.restore(received(2).capture(1, null), { isSavepoint: false, positionFloor: 0 });
  deepEqual(ledger.connected(false), { kind: "lost", pendingCount: 2 });
});

Deno.test("source ledger: QoS 0 messages are processed, counted and never acknowledged (M10)", () => {
  const ledger = connectedLedger();
  equal(ledger.received(0, 10, 0), "process");
  deepEqual([ledger.usedCount, ledger.unprotectedCount, ledger.position], [0, 1, 1]);
});

Deno.test("source ledger: a redelivered rest stays in the snapshot until it has come (M3)", () => {
  const ledger = restored(3, false);
  ledger.received(1, 10, 1);
  const again = new SourceLedger();
  again.restore(ledger.capture(2, null), { isSavepoint: false, positionFloor: 0 });
  again.connected(true);
  deepEqual([1, 2, 3].map((id) => again.received(id, id * 10, 1)), [
    "duplicate",
    "duplicate",
    "duplicate",
  ]);
});

Deno.test("source ledger: position and arrival time survive the snapshot", () => {
  const ledger = new SourceLedger();
  equal(
    ledger.restore(received(9).capture(1, 1234.5), { isSavepoint: false, positionFloor: 0 }),
    1234.5,
  );
  equal(ledger.position, 9);
});

Deno.test("source ledger: holds a full window of 65,535 and releases it in order", () => {
  const ledger = received(65_535);
  ledger.capture(1, null);
  const ids = ledger.completed(1);
  equal(ids.length, 65_535);
  deepEqual([ids[0], ids[65_534]], [1, 65_535]);
});

Deno.test("source ledger: a section of version 1 is read as it was written (golden)", () => {
  const bytes = "01020000000000000000001c40000000000000f87f0500060032000000" + "3c000000";
  const section = Uint8Array.from(bytes.match(/../g)!, (hex) => parseInt(hex, 16));
  const ledger = new SourceLedger();
  equal(ledger.restore(section, { isSavepoint: false, positionFloor: 0 }), null);
  ledger.connected(true);
  equal(ledger.position, 7);
  deepEqual([ledger.received(5, 50, 1), ledger.received(6, 60, 1)], ["duplicate", "duplicate"]);
  deepEqual(ledger.capture(1, null), section);
});

Deno.test("source ledger: refuses a section of another version or length", () => {
  const restore = (bytes: number[]) => () =>
    new SourceLedger().restore(Uint8Array.from(bytes), { isSavepoint: false, positionFloor: 0 });
  throws(restore([9]), /version 9, want 1/);
  throws(restore([1, 0]), /2 bytes/);
  throws(restore([]), /version -1/);
});

Deno.test("source ledger: after a rollback ordinals go on behind the gap, the list keeps its own (P4)", () => {
  const section = received(3).capture(1, null);
  const ledger = new SourceLedger();
  ledger.restore(section, { isSavepoint: false, positionFloor: 10 });
  equal(ledger.position, 10);
  deepEqual(ledger.capture(2, null).slice(21), section.slice(21));
  ledger.connected(true);
  equal(ledger.received(1, 10, 1), "duplicate");
  equal([...ledger.releasable()].length, 1, "what the checkpoint holds is released at once (M5)");
  equal(ledger.received(90, 900, 1), "process");
  equal(ledger.position, 11);
  equal([...ledger.releasable()].length, 1, "the new record waits for a checkpoint (C9)");
});

Deno.test("source ledger: a floor below the snapshot changes nothing (P4)", () => {
  const ledger = new SourceLedger();
  ledger.restore(received(9).capture(1, null), { isSavepoint: true, positionFloor: 4 });
  equal(ledger.position, 9);
});
