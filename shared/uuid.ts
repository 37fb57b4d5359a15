/** Layout of a UUIDv7 (RFC 9562, section 5.7). Pure. @module */

/**
 * Text of the UUIDv7 of an instant.
 *
 * @param nowMs Milliseconds since the Unix epoch; the high 48 bits, so that texts sort by time.
 * @param random Ten bytes of chance; 6 of their bits give way to version and variant.
 */
export function uuidV7(nowMs: number, random: Uint8Array): string {
  const time = Math.floor(nowMs).toString(16).padStart(12, "0").slice(-12);
  const bytes = Uint8Array.from(random.subarray(0, 10));
  bytes[0] = 0x70 | (bytes[0]! & 0x0f);
  bytes[2] = 0x80 | (bytes[2]! & 0x3f);
  const tail = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${time.slice(0, 8)}-${time.slice(8)}-${tail.slice(0, 4)}-${tail.slice(4, 8)}-` +
    tail.slice(8);
}
