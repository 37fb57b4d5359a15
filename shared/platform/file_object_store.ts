/**
 * Objects as files: `<directory>/<first two digits>/<digest>`.
 *
 * Touches the file system. Invariants: a file under its final name is complete, has the bytes of its
 * name and survives a power cut (written beside, synced, renamed, directory synced). Agents reach
 * the objects through the hub's object route with URLs this store signs (S14).
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Clock } from "@shared/clock.ts";
import { PenstockError } from "@shared/errors.ts";
import { type Digest, DIGEST_PATTERN } from "@shared/ids.ts";
import {
  type ObjectStore,
  type PartialObjects,
  type SignedUrl,
  UPLOAD_RANGES_HEADER,
} from "@shared/object_store.ts";
import { OBJECT_URL_TTL_MAX_MS, signObjectUrl } from "@shared/object_url.ts";

export interface FileObjectStoreOptions {
  readonly clock: Clock;
  /** How agents reach the hub, without a trailing slash. */
  readonly publicUrl: string;
  /** The hub's signing secret. */
  readonly signingSecret: string;
}

/** Leftovers of writes that a crash cut short are removed at this age. */
const PART_AGE_MAX_MS = 60 * 60 * 1000;
const PARTS = "parts";

export class FileObjectStore implements ObjectStore {
  readonly #directory: string;
  readonly #options: FileObjectStoreOptions;
  readonly partial: PartialObjects;

  /** @param directory Made when it is not there. */
  constructor(directory: string, options: FileObjectStoreOptions) {
    this.#directory = directory.replace(/\/+$/, "");
    this.#options = options;
    this.partial = partialFiles(`${this.#directory}/${PARTS}`);
  }

  /** @throws {PenstockError} `digest-mismatch` when the bytes are not those of the name. */
  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const found = createHash("sha256").update(bytes).digest("hex");
    if (found !== digest) {
      throw new PenstockError(`Cannot store object ${digest}: its bytes have digest ${found}`, {
        code: "digest-mismatch",
        domain: "external",
      });
    }
    const parts = `${this.#directory}/${PARTS}`;
    const home = this.#home(digest);
    await Deno.mkdir(parts, { recursive: true });
    await Deno.mkdir(home, { recursive: true });
    const part = `${parts}/${crypto.randomUUID()}`;
    try {
      await writeSynced(part, bytes);
      await Deno.rename(part, `${home}/${digest}`);
    } catch (thrown) {
      await Deno.remove(part).catch(() => {});
      throw thrown;
    }
    await syncDirectory(home);
    await syncDirectory(this.#directory);
  }

  async get(digest: Digest): Promise<Uint8Array | null> {
    return await orNull(Deno.readFile(this.#path(digest)));
  }

  async stat(digest: Digest): Promise<{ bytes: number; isDigestVerified: boolean } | null> {
    const found = await orNull(Deno.stat(this.#path(digest)));
    return found === null ? null : { bytes: found.size, isDigestVerified: true };
  }

  async delete(digest: Digest): Promise<void> {
    await orNull(Deno.remove(this.#path(digest)));
  }

  async *list(): AsyncIterable<{ digest: Digest; bytes: number; modifiedAtMs: number }> {
    await this.#removeOldParts();
    for (const { name: folder } of await entriesOf(this.#directory)) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue;
      for (const { name } of await entriesOf(`${this.#directory}/${folder}`)) {
        if (!DIGEST_PATTERN.test(name)) continue;
        const found = await orNull(Deno.stat(this.#path(name as Digest)));
        if (found === null) continue;
        const modifiedAtMs = found.mtime?.getTime() ?? this.#options.clock.nowMs();
        yield { digest: name as Digest, bytes: found.size, modifiedAtMs };
      }
    }
  }

  signPut(digest: Digest, sizeBytes: number): Promise<SignedUrl> {
    return Promise.resolve(this.#sign("PUT", digest, sizeBytes));
  }

  signGet(digest: Digest): Promise<SignedUrl> {
    return Promise.resolve(this.#sign("GET", digest, null));
  }

  async check(): Promise<void> {
    const probe = new TextEncoder().encode("penstock-check");
    const digest = createHash("sha256").update(probe).digest("hex") as Digest;
    await this.put(digest, probe);
    await this.delete(digest);
  }

  #sign(method: "GET" | "PUT", digest: Digest, sizeBytes: number | null): SignedUrl {
    const { clock, publicUrl, signingSecret } = this.#options;
    const expiresAtMs = clock.nowMs() + OBJECT_URL_TTL_MAX_MS;
    const grant = { method, digest, sizeBytes, expiresAtMs };
    const headers: Record<string, string> = method === "PUT" ? { [UPLOAD_RANGES_HEADER]: "1" } : {};
    return { url: signObjectUrl(publicUrl, grant, signingSecret), headers };
  }

  async #removeOldParts(): Promise<void> {
    const before = this.#options.clock.nowMs() - PART_AGE_MAX_MS;
    for (const { name } of await entriesOf(`${this.#directory}/${PARTS}`)) {
      const path = `${this.#directory}/${PARTS}/${name}`;
      const found = await orNull(Deno.stat(path));
      if (found?.mtime && found.mtime.getTime() < before) await orNull(Deno.remove(path));
    }
  }

  #home(digest: Digest): string {
    return `${this.#directory}/${digest.slice(0, 2)}`;
  }

  #path(digest: Digest): string {
    if (!DIGEST_PATTERN.test(digest)) {
      throw new PenstockError(`"${digest}" names no object: a name is a lower-case hex SHA-256`, {
        code: "bad-digest",
        domain: "internal",
      });
    }
    return `${this.#home(digest)}/${digest}`;
  }
}

/** One file for each upload; requests about the same object take turns. */
function partialFiles(directory: string): PartialObjects {
  const turns = new Map<Digest, Promise<unknown>>();
  const inTurn = <T>(digest: Digest, work: (path: string) => Promise<T>): Promise<T> => {
    const result = (turns.get(digest) ?? Promise.resolve()).then(() =>
      work(`${directory}/${digest}.upload`)
    );
    const settled = result.catch(() => {}).finally(() => {
      if (turns.get(digest) === settled) turns.delete(digest);
    });
    turns.set(digest, settled);
    return result;
  };
  const sizeOf = async (path: string) => (await orNull(Deno.stat(path)))?.size ?? 0;
  return {
    size: (digest) => inTurn(digest, sizeOf),
    append: (digest, offset, bytes) =>
      inTurn(digest, async (path) => {
        const size = await sizeOf(path);
        if (size !== offset) return size;
        await Deno.mkdir(directory, { recursive: true });
        await Deno.writeFile(path, bytes, { append: true });
        return size + bytes.length;
      }),
    take: (digest) =>
      inTurn(digest, async (path) => {
        const bytes = await orNull(Deno.readFile(path)) ?? new Uint8Array(0);
        await orNull(Deno.remove(path));
        return bytes;
      }),
  };
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { createNew: true, write: true });
  let written = 0;
  while (written < bytes.length) written += await file.write(bytes.subarray(written));
  await file.sync();
}

async function syncDirectory(path: string): Promise<void> {
  using directory = await Deno.open(path, { read: true });
  await directory.sync();
}

/** Sorted by name, so that a listing is the same twice; empty when there is no such directory. */
async function entriesOf(path: string): Promise<Deno.DirEntry[]> {
  const entries = await orNull(Array.fromAsync(Deno.readDir(path)));
  return (entries ?? []).sort((a, b) => a.name < b.name ? -1 : 1);
}

async function orNull<T>(found: Promise<T>): Promise<T | null> {
  try {
    return await found;
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return null;
    throw thrown;
  }
}
