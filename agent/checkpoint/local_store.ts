/**
 * The agent's own copies of the pieces its regions would restore from, one file a digest.
 *
 * Touches files through a port. A restore that finds its pieces here needs no download; a copy that
 * does not match its digest is removed and counts as absent.
 *
 *  1. A file's bytes are durable before `put` resolves.
 *  2. What some owner refers to is never deleted; what nobody refers to is, at the next sweep.
 *  3. (C8) Bytes that `get` returns match their digest.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { type Digest, DIGEST_PATTERN } from "@shared/ids.ts";
import type { LocalFiles } from "@shared/local_files.ts";
import { messageOf } from "@shared/errors.ts";
import type { Logger } from "@shared/logger.ts";

/** A region that left, or ran before this agent was started, may come back: its pieces stay so long. */
export const UNOWNED_KEEP_MS = 10 * 60_000;

/** Pseudo-owner of the pieces found at the start. */
const FOUND_AT_START = "found-at-start";

/** Lower-case hex SHA-256, as a port: the machine's own runs on a thread of its own. */
export type Sha256 = (bytes: Uint8Array) => Promise<string>;

export interface LocalStoreOptions {
  readonly sha256: Sha256;
  readonly files: LocalFiles;
  /** Directory that holds nothing else. */
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class LocalStore {
  readonly #options: LocalStoreOptions;
  readonly #stored = new Set<string>();
  readonly #owners = new Map<string, ReadonlySet<Digest>>();
  /** Files that a sweep is about to remove. */
  readonly #removing = new Map<string, Promise<void>>();
  /** Sweeps run one after the other. */
  #sweeping: Promise<void> = Promise.resolve();

  private constructor(options: LocalStoreOptions) {
    this.#options = options;
  }

  /** Takes over what earlier runs of the agent left; leftovers of a crash are removed. */
  static async open(options: LocalStoreOptions): Promise<LocalStore> {
    const store = new LocalStore(options);
    for (const name of await options.files.list(options.directory)) {
      if (DIGEST_PATTERN.test(name)) store.#stored.add(name);
      else await options.files.remove(`${options.directory}/${name}`);
    }
    store.refer(FOUND_AT_START, [...store.#stored] as Digest[]);
    store.release(FOUND_AT_START);
    return store;
  }

  /** `owner` needs exactly these from now on; what nobody needs any more is deleted behind the scenes. */
  refer(owner: string, digests: Iterable<Digest>): void {
    this.#owners.set(owner, new Set(digests));
    this.#sweepLater();
  }

  /** `owner` has left: what it referred to goes after `UNOWNED_KEEP_MS`, unless it comes back. */
  release(owner: string): void {
    const left = this.#owners.get(owner);
    this.#options.clock.after(UNOWNED_KEEP_MS, () => {
      if (this.#owners.get(owner) !== left) return;
      this.#owners.delete(owner);
      this.#sweepLater();
    });
  }

  /** Stores a blob its caller refers to; resolves when it is durable. Throws what the disk throws. */
  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    if (this.#stored.has(digest)) return;
    // Written before the removal, it would be removed with what it replaces.
    await this.#removing.get(digest);
    await this.#options.files.writeDurably(this.#path(digest), bytes);
    this.#stored.add(digest);
  }

  /** @returns The verified bytes, or null when there is no sound copy. */
  async get(digest: Digest): Promise<Uint8Array | null> {
    if (!this.#stored.has(digest)) return null;
    const bytes = await this.#options.files.read(this.#path(digest));
    if (bytes !== null && await this.#options.sha256(bytes) === digest) return bytes;
    this.#stored.delete(digest);
    this.#options.logger.warn("Removed a local piece that does not match its digest", { digest });
    await this.#options.files.remove(this.#path(digest));
    return null;
  }

  /** Resolves when every sweep asked for so far has ended. */
  async settled(): Promise<void> {
    await this.#sweeping;
  }

  #sweepLater(): void {
    this.#sweeping = this.#sweeping.then(() => this.#sweep());
  }

  async #sweep(): Promise<void> {
    const needed = new Set<string>();
    for (const digests of this.#owners.values()) for (const digest of digests) needed.add(digest);
    for (const digest of [...this.#stored].filter((name) => !needed.has(name))) {
      this.#stored.delete(digest);
      const removing = this.#remove(digest);
      this.#removing.set(digest, removing);
      await removing;
      this.#removing.delete(digest);
    }
  }

  async #remove(digest: string): Promise<void> {
    try {
      await this.#options.files.remove(this.#path(digest));
    } catch (error) {
      this.#options.logger.warn("Could not delete a local piece", {
        digest,
        reason: messageOf(error),
      });
    }
  }

  #path(digest: string): string {
    return `${this.#options.directory}/${digest}`;
  }
}
