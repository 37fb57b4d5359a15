/** SHA-256 by Web Crypto: an idle agent does not pay memory for it, unlike for `node:crypto`. @module */

/** Lower-case hex SHA-256; computed on another thread. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
