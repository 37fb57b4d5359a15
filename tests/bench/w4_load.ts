/**
 * Publisher of workload W4 at full speed: QoS 1, prebuilt frames, a bounded number unacknowledged.
 *
 * Touches the network. Own process: `deno run w4_load.ts HOST:PORT TOPIC COUNT SEED`. The records are
 * those of the reference generator (mulberry32, 100,000 keys, half uniform and half skewed to low keys).
 *
 * @module
 */

const KEYS = 100_000;
const IN_FLIGHT_MAX = 2000;
const BATCH_RECORDS = 200;

/** Next 32-bit number of mulberry32 over `state[0]`. */
function nextU32(state: Uint32Array): number {
  state[0]! += 0x6D2B79F5;
  let t = state[0]!;
  t = Math.imul(t ^ (t >>> 15), 1 | t);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return (t ^ (t >>> 14)) >>> 0;
}

/** Key of the next record. */
export function nextKey(state: Uint32Array): number {
  const u = nextU32(state);
  if (u & 0x80000000) return u % KEYS;
  const a = nextU32(state) % KEYS;
  const b = nextU32(state) % KEYS;
  return Math.floor((a * b) / KEYS);
}

const encoder = new TextEncoder();

function connectPacket(clientId: string): Uint8Array {
  const id = encoder.encode(clientId);
  // MQTT 5, clean start, keep alive 0, no properties.
  const body = [0, 4, 77, 81, 84, 84, 5, 2, 0, 0, 0, 0, id.length, ...id];
  return new Uint8Array([0x10, body.length, ...body]);
}

function writePublish(
  out: Uint8Array,
  offset: number,
  topic: Uint8Array,
  id: number,
  payload: string,
): number {
  const rest = 2 + topic.length + 2 + 1 + payload.length;
  let at = offset;
  out[at++] = 0x32;
  if (rest > 127) {
    out[at++] = (rest & 127) | 128;
    out[at++] = rest >> 7;
  } else out[at++] = rest;
  out[at++] = topic.length >> 8;
  out[at++] = topic.length & 255;
  out.set(topic, at);
  at += topic.length;
  out[at++] = id >> 8;
  out[at++] = id & 255;
  out[at++] = 0;
  at += encoder.encodeInto(payload, out.subarray(at)).written;
  return at;
}

/** Publishes `count` records and resolves when the broker has acknowledged all of them. */
export async function publishW4(
  address: { hostname: string; port: number },
  topic: string,
  count: number,
  seed: number,
): Promise<void> {
  const connection = await Deno.connect(address);
  await connection.write(connectPacket(`w4-${crypto.randomUUID().slice(0, 8)}`));
  const topicBytes = encoder.encode(topic);
  const state = new Uint32Array([seed]);
  const out = new Uint8Array(BATCH_RECORDS * (64 + topicBytes.length));
  let sent = 0;
  let acknowledged = 0;
  let id = 0;
  const waiter: { wake: () => void } = { wake: () => {} };
  const reading = (async () => {
    const buffer = new Uint8Array(64 * 1024);
    let kept = 0;
    let isFirst = true;
    while (acknowledged < count) {
      const read = await connection.read(buffer.subarray(kept));
      if (read === null) throw new Error(`Broker closed after ${acknowledged} of ${count}`);
      let at = 0;
      const end = kept + read;
      while (end - at >= 2 && end - at >= 2 + buffer[at + 1]!) {
        if (isFirst) isFirst = false;
        else acknowledged++;
        at += 2 + buffer[at + 1]!;
      }
      buffer.copyWithin(0, at, end);
      kept = end - at;
      waiter.wake();
    }
  })();
  while (sent < count) {
    if (sent - acknowledged > IN_FLIGHT_MAX - BATCH_RECORDS) {
      await new Promise<void>((resolve) => waiter.wake = resolve);
      continue;
    }
    let offset = 0;
    for (let i = 0; i < BATCH_RECORDS && sent < count; i++, sent++) {
      id = id % 65_535 + 1;
      offset = writePublish(out, offset, topicBytes, id, `{"k":${nextKey(state)},"n":${sent}}`);
    }
    for (let written = 0; written < offset;) {
      written += await connection.write(out.subarray(written, offset));
    }
  }
  await reading;
  connection.close();
}

if (import.meta.main) {
  const [address, topic, count, seed] = Deno.args;
  const [hostname, port] = address!.split(":");
  await publishW4({ hostname: hostname!, port: Number(port) }, topic!, Number(count), Number(seed));
}
