import { deepEqual, equal, rejects } from "node:assert/strict";
import type { Digest } from "@shared/ids.ts";
import type { PieceRef } from "@shared/manifest.ts";
import type { RestorePlan } from "@shared/messages.ts";
import type { TransferPorts } from "./blob_transfer.ts";
import type { LocalStore } from "./local_store.ts";
import { restorePieces } from "./restorer.ts";

/** A store that has all pieces and answers in the next turn but one. */
class SlowStore {
  open = 0;
  mostOpen = 0;

  async get(digest: Digest): Promise<Uint8Array | null> {
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.open--;
    return digest.startsWith("missing") ? null : new TextEncoder().encode(digest);
  }
}

async function restored(pieces: readonly PieceRef[]): Promise<{ taken: string[]; most: number }> {
  const store = new SlowStore();
  const taken: string[] = [];
  await restorePieces({ checkpointId: 1, urls: {} } as unknown as RestorePlan, pieces, {
    store: store as unknown as LocalStore,
    ports: {} as TransferPorts,
    signal: new AbortController().signal,
    take: (digest) => {
      taken.push(digest);
      return Promise.resolve();
    },
  });
  return { taken, most: store.mostOpen };
}

function piece(name: string, bytes: number): PieceRef {
  return { digest: name as Digest, bytes, sections: [] };
}

Deno.test("restorer: small pieces are on their way together and handed on in their order (C8)", async () => {
  const pieces = Array.from({ length: 20 }, (_, i) => piece(`p${i}`, 1_000));
  const { taken, most } = await restored(pieces);
  deepEqual(taken, pieces.map(({ digest }) => digest));
  equal(most, 6);
});

Deno.test("restorer: a large piece is in memory alone", async () => {
  const pieces = Array.from({ length: 4 }, (_, i) => piece(`p${i}`, 10_000_000));
  equal((await restored(pieces)).most, 1);
});

Deno.test("restorer: a piece that is nowhere fails the restore by name (C8)", async () => {
  const pieces = [piece("p0", 10), piece("missing-1", 10), piece("p2", 10)];
  await rejects(restored(pieces), { code: "object-missing", message: /object "missing-1"/ });
});
