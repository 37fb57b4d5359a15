/**
 * The least a QoS 1 subscriber can do: counts PUBLISH packets and acknowledges them a chunk at a time.
 *
 * Touches the network and stdout. Own process: `deno run count_only.ts mqtt://HOST:PORT TOPIC COUNT`. Prints
 * `0` when subscribed, then the count five times a second.
 *
 * @module
 */
const [url, topic, wanted] = Deno.args;
const { hostname, port } = new URL(url!);
const total = Number(wanted);
const connection = await Deno.connect({ hostname, port: Number(port) });
const encoder = new TextEncoder();

function text(value: string): number[] {
  const bytes = encoder.encode(value);
  return [bytes.length >> 8, bytes.length & 255, ...bytes];
}

async function writeAll(bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

// MQTT 5, clean start, keep alive 0, Receive Maximum 65,535.
const connect = [
  ...text("MQTT"),
  5,
  2,
  0,
  0,
  3,
  0x21,
  255,
  255,
  ...text(`count-${crypto.randomUUID()}`),
];
await writeAll(new Uint8Array([0x10, connect.length, ...connect]));
const subscribe = [0, 1, 0, ...text(topic!), 1];
await writeAll(new Uint8Array([0x82, subscribe.length, ...subscribe]));

const buffer = new Uint8Array(256 * 1024);
const acks = new Uint8Array(256 * 1024);
let kept = 0;
let count = 0;
let lastPrintedMs = 0;

while (count < total) {
  const read = await connection.read(buffer.subarray(kept));
  if (read === null) throw new Error(`Broker closed after ${count} of ${total}`);
  const end = kept + read;
  let at = 0;
  let ackBytes = 0;
  for (;;) {
    let length = 0;
    let shift = 0;
    let header = at + 1;
    while (header < end && shift <= 21) {
      const byte = buffer[header++]!;
      length |= (byte & 127) << shift;
      shift += 7;
      if (byte < 128) break;
    }
    if (header + length > end || end - at < 2) break;
    const kind = buffer[at]! >> 4;
    if (kind === 9) print("0");
    if (kind === 3) {
      count++;
      const id = header + 2 + (buffer[header]! << 8 | buffer[header + 1]!);
      acks[ackBytes++] = 0x40;
      acks[ackBytes++] = 2;
      acks[ackBytes++] = buffer[id]!;
      acks[ackBytes++] = buffer[id + 1]!;
    }
    at = header + length;
  }
  buffer.copyWithin(0, at, end);
  kept = end - at;
  if (ackBytes > 0) await writeAll(acks.subarray(0, ackBytes));
  if (performance.now() - lastPrintedMs > 200) print(String(count));
}
print(String(count));
connection.close();

function print(line: string): void {
  lastPrintedMs = performance.now();
  Deno.stdout.writeSync(encoder.encode(line + "\n"));
}
