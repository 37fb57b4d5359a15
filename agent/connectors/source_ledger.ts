/**
 * Decides for each message of an MQTT session whether the state holds it already, and which messages may
 * be acknowledged.
 *
 * Pure: no clock, no chance, no I/O. One ring of entries (packet id, hash, position) in receipt order:
 *
 *     head          sentEnd          unackedEnd          tail
 *      │ sent        │ unacked        │ rest              │
 *      │ PUBACK      │ in the state   │ in the state, not │
 *      │ written     │                │ redelivered yet   │
 *
 * A new connection turns everything into `rest`; each redelivered message moves one entry back to
 * `unacked`; a durable checkpoint moves a prefix to `sent`; the broker's PINGRESP drops it.
 *
 * Invariants:
 *  1. head <= sentEnd <= unackedEnd <= tail; positions never fall along the ring.
 *  2. (C9) A packet id is releasable only if its position is covered by a completed checkpoint.
 *  3. (M3a) An entry leaves the ring only when its PUBACK is confirmed, or its session is gone, or the
 *     broker showed by what it redelivers that it no longer holds the message.
 *  4. (M4) A message is called a duplicate only if id and hash equal the entry that is due; in doubt it is processed.
 *  5. (M6) PUBACKs go out in receipt order, only for messages that came on this connection.
 *  6. The DUP flag is never looked at (M3); packet ids may be reused.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import { PenstockError } from "@shared/errors.ts";

export type Verdict = "process" | "duplicate";

/** What a new connection means for the list. */
export type SessionOutcome =
  | { readonly kind: "created" }
  | { readonly kind: "resumed"; readonly pendingCount: number }
  /** The broker forgot the session: what was published since is lost; `pendingCount` entries were discarded (M9). */
  | { readonly kind: "lost"; readonly pendingCount: number };

const SECTION_VERSION = 1;
const HEADER_BYTES = 21;
const BYTES_PER_ENTRY = 6;
const CAPACITY_MIN = 1024;
/** Far above what the largest window can leave unconfirmed: two windows on the wire, one in the state. */
const CAPACITY_MAX = 1 << 18;
const CAPTURES_MAX = 16;
const UNCONFIRMED_BATCHES_MAX = 1024;
const REBASE_AT = 1 << 28;
const NO_IDS = new Uint16Array(0);

export class SourceLedger {
  #ids = new Uint16Array(CAPACITY_MIN);
  #hashes = new Uint32Array(CAPACITY_MIN);
  #positions = new Float64Array(CAPACITY_MIN);
  #mask = CAPACITY_MIN - 1;

  #head = 0;
  #sentEnd = 0;
  #unackedEnd = 0;
  #tail = 0;

  /** Ordinal of the last record taken from the split; rollbacks do not turn it back. */
  #position = 0;
  /** Position up to which a completed checkpoint holds everything. */
  #coveredPosition = 0;
  #captures: { id: number; position: number }[] = [];
  /** Entries of each batch of PUBACKs whose PINGRESP is awaited, oldest first. */
  #batches: number[] = [];
  #isFirstMessage = true;
  #isSessionExpected = false;

  #duplicateCount = 0;
  #unprotectedCount = 0;
  #mismatchCount = 0;

  get position(): number {
    return this.#position;
  }
  /** Entries in the ring: in the state, PUBACK not confirmed. */
  get usedCount(): number {
    return this.#tail - this.#head;
  }
  /** Received on this connection, PUBACK not yet written. */
  get unackedCount(): number {
    return this.#unackedEnd - this.#sentEnd;
  }
  /** PUBACK written, not confirmed. */
  get sentCount(): number {
    return this.#sentEnd - this.#head;
  }
  /** Listed before, not yet redelivered on this connection. */
  get restCount(): number {
    return this.#tail - this.#unackedEnd;
  }
  /** Redelivered messages recognised and not processed. */
  get duplicateCount(): number {
    return this.#duplicateCount;
  }
  /** QoS 0 messages: processed at most once (M10). */
  get unprotectedCount(): number {
    return this.#unprotectedCount;
  }
  /** Entries given up because the broker redelivered something else than they said (M4). */
  get mismatchCount(): number {
    return this.#mismatchCount;
  }

  /**
   * Takes over the list of a snapshot. Entries of a checkpoint are acknowledged as soon as they are
   * redelivered; those of a savepoint only with the next completed checkpoint (P1).
   *
   * @param options `positionFloor`: the next new record gets an ordinal above it; the list is not touched.
   * @returns Arrival time of the last record in the snapshot, ms since the epoch; null before the first.
   * @throws {PenstockError} `bad-section` if the bytes are not a section of a version known here.
   */
  restore(
    section: Uint8Array,
    options: { readonly isSavepoint: boolean; readonly positionFloor: number },
  ): number | null {
    assert(this.#tail === 0 && this.#position === 0, "restore comes before the first message");
    const { position, lastRecordAtMs, count, view } = readHeader(section);
    this.#reserve(count);
    for (let i = 0; i < count; i += 1) {
      this.#ids[i] = view.getUint16(HEADER_BYTES + 2 * i, true);
      this.#hashes[i] = view.getUint32(HEADER_BYTES + 2 * count + 4 * i, true);
      this.#positions[i] = position;
    }
    this.#tail = count;
    this.#position = Math.max(position, options.positionFloor);
    this.#coveredPosition = options.isSavepoint ? 0 : position;
    this.#isSessionExpected = this.#position > 0;
    return lastRecordAtMs;
  }

  /**
   * A connection is up: acks owed on the old one are void (M6), and the broker redelivers.
   *
   * @param isSessionPresent Session Present of CONNACK.
   */
  connected(isSessionPresent: boolean): SessionOutcome {
    const pendingCount = this.usedCount;
    const isExpected = this.#isSessionExpected;
    this.#isSessionExpected = true;
    this.#batches = [];
    this.#isFirstMessage = true;
    this.#rebase();
    if (!isSessionPresent) this.#tail = this.#head;
    this.#sentEnd = this.#head;
    this.#unackedEnd = this.#head;
    if (isSessionPresent) return { kind: "resumed", pendingCount };
    return isExpected ? { kind: "lost", pendingCount } : { kind: "created" };
  }

  /**
   * Judges one PUBLISH. "process": the caller runs it through the job, now. "duplicate": the state holds it.
   *
   * @param packetId Ignored for QoS 0.
   * @param hash Of topic and payload.
   */
  received(packetId: number, hash: number, qos: number): Verdict {
    if (qos === 0) {
      this.#unprotectedCount += 1;
      this.#position += 1;
      return "process";
    }
    if (this.#unackedEnd !== this.#tail && this.#isRedelivered(packetId, hash)) {
      this.#duplicateCount += 1;
      return "duplicate";
    }
    this.#isFirstMessage = false;
    if (this.#tail - this.#head > this.#mask) this.#reserve(this.#tail - this.#head + 1);
    const at = this.#tail & this.#mask;
    this.#position += 1;
    this.#ids[at] = packetId;
    this.#hashes[at] = hash;
    this.#positions[at] = this.#position;
    this.#tail += 1;
    this.#unackedEnd = this.#tail;
    return "process";
  }

  /**
   * The section for snapshot `checkpointId`: position and everything not confirmed, in order (M3).
   *
   * @param lastRecordAtMs Arrival time of the last record, ms since the epoch; null before the first.
   */
  capture(checkpointId: number, lastRecordAtMs: number | null): Uint8Array {
    this.#rebase();
    this.#captures.push({ id: checkpointId, position: this.#position });
    // A forgotten capture only delays its acknowledgements to the next completed checkpoint.
    if (this.#captures.length > CAPTURES_MAX) this.#captures.shift();
    const count = this.usedCount;
    const section = new Uint8Array(HEADER_BYTES + BYTES_PER_ENTRY * count);
    const view = new DataView(section.buffer);
    view.setUint8(0, SECTION_VERSION);
    view.setUint32(1, count, true);
    view.setFloat64(5, this.#position, true);
    view.setFloat64(13, lastRecordAtMs ?? NaN, true);
    for (let i = 0; i < count; i += 1) {
      const at = (this.#head + i) & this.#mask;
      view.setUint16(HEADER_BYTES + 2 * i, this.#ids[at]!, true);
      view.setUint32(HEADER_BYTES + 2 * count + 4 * i, this.#hashes[at]!, true);
    }
    return section;
  }

  /**
   * Every checkpoint up to `checkpointId` is durable (C5). Idempotent; never called for a savepoint (P1).
   *
   * @returns What `releasable` returns.
   */
  completed(checkpointId: number): Uint16Array {
    for (const capture of this.#captures) {
      if (capture.id > checkpointId) continue;
      this.#coveredPosition = Math.max(this.#coveredPosition, capture.position);
    }
    this.#captures = this.#captures.filter((capture) => capture.id > checkpointId);
    return this.releasable();
  }

  /** Checkpoint `checkpointId` will never complete: it releases nothing. */
  aborted(checkpointId: number): void {
    this.#captures = this.#captures.filter((capture) => capture.id !== checkpointId);
  }

  /**
   * Packet ids to acknowledge now, in receipt order: received on this connection and covered by a completed
   * checkpoint (C9, M5, M6). Empty while too many batches await their PINGRESP.
   */
  releasable(): Uint16Array {
    if (this.#batches.length >= UNCONFIRMED_BATCHES_MAX) return NO_IDS;
    let end = this.#sentEnd;
    while (
      end < this.#unackedEnd && this.#positions[end & this.#mask]! <= this.#coveredPosition
    ) end += 1;
    const ids = new Uint16Array(end - this.#sentEnd);
    for (let i = 0; i < ids.length; i += 1) ids[i] = this.#ids[(this.#sentEnd + i) & this.#mask]!;
    return ids;
  }

  /** The first `count` releasable PUBACKs were written, and a PINGREQ behind them (M3a). */
  acksWritten(count: number): void {
    assert(count <= this.unackedCount, `${count} acks written, ${this.unackedCount} unacked`);
    this.#sentEnd += count;
    this.#batches.push(count);
  }

  /** The PINGRESP of the oldest unconfirmed batch came: the broker has processed those PUBACKs. */
  pingConfirmed(): void {
    const count = this.#batches.shift();
    assert(count !== undefined, "a PINGRESP confirms a batch that was written");
    this.#head += count;
  }

  /** Whether the message is the entry that is due. Gives up what the broker shows to be over. */
  #isRedelivered(packetId: number, hash: number): boolean {
    if (this.#isFirstMessage) this.#skipTo(packetId, hash);
    if (this.#unackedEnd === this.#tail) return false;
    const at = this.#unackedEnd & this.#mask;
    if (this.#ids[at] === packetId && this.#hashes[at] === hash) {
      this.#unackedEnd += 1;
      return true;
    }
    this.#mismatchCount += this.restCount;
    this.#tail = this.#unackedEnd;
    return false;
  }

  /** Drops entries before the first redelivered message: their PUBACKs had arrived. None found: all had. */
  #skipTo(packetId: number, hash: number): void {
    this.#isFirstMessage = false;
    let at = this.#unackedEnd;
    while (
      at < this.#tail &&
      (this.#ids[at & this.#mask] !== packetId || this.#hashes[at & this.#mask] !== hash)
    ) at += 1;
    this.#head = at;
    this.#sentEnd = at;
    this.#unackedEnd = at;
  }

  /** Makes room for `count` entries. */
  #reserve(count: number): void {
    if (count > CAPACITY_MAX) {
      throw new PenstockError(
        `Broker sent ${count} messages that are not acknowledged: the limit is ${CAPACITY_MAX}. ` +
          "It does not keep to Receive Maximum",
        { code: "window-overrun", domain: "external", isRetryable: true },
      );
    }
    let capacity = this.#mask + 1;
    while (capacity < count) capacity *= 2;
    if (capacity === this.#mask + 1) return;
    const ids = new Uint16Array(capacity);
    const hashes = new Uint32Array(capacity);
    const positions = new Float64Array(capacity);
    for (let seq = this.#head; seq < this.#tail; seq += 1) {
      const from = seq & this.#mask;
      const to = seq & (capacity - 1);
      ids[to] = this.#ids[from]!;
      hashes[to] = this.#hashes[from]!;
      positions[to] = this.#positions[from]!;
    }
    this.#ids = ids;
    this.#hashes = hashes;
    this.#positions = positions;
    this.#mask = capacity - 1;
  }

  /** Keeps the sequence numbers small integers, which the engine counts fastest. */
  #rebase(): void {
    if (this.#head < REBASE_AT) return;
    const shift = this.#head - (this.#head & this.#mask);
    this.#head -= shift;
    this.#sentEnd -= shift;
    this.#unackedEnd -= shift;
    this.#tail -= shift;
  }
}

function readHeader(section: Uint8Array) {
  const view = new DataView(section.buffer, section.byteOffset, section.length);
  const version = section.length > 0 ? view.getUint8(0) : -1;
  if (version !== SECTION_VERSION) {
    throw badSection(`has version ${version}, want ${SECTION_VERSION}`);
  }
  if (section.length < HEADER_BYTES) throw badSection(`has ${section.length} bytes`);
  const count = view.getUint32(1, true);
  if (section.length !== HEADER_BYTES + BYTES_PER_ENTRY * count) {
    throw badSection(`has ${section.length} bytes for ${count} entries`);
  }
  const lastRecordAtMs = view.getFloat64(13, true);
  return {
    view,
    count,
    position: view.getFloat64(5, true),
    lastRecordAtMs: Number.isNaN(lastRecordAtMs) ? null : lastRecordAtMs,
  };
}

function badSection(found: string): PenstockError {
  return new PenstockError(`Cannot restore a source: its snapshot section ${found}`, {
    code: "bad-section",
    domain: "internal",
  });
}
