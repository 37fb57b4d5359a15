/** The machine's chance as a `Random`; cryptographically strong where it gives bytes. @module */
import type { Random } from "@shared/random.ts";
import { uuidV7 } from "@shared/uuid.ts";

function bytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}

export const systemRandom: Random = {
  next: () => Math.random(),
  bytes,
  uuid: () => uuidV7(Date.now(), bytes(10)),
};
