/** A directory of files on this machine, as a port. @module */

export interface LocalFiles {
  /** @returns The whole file, or null when there is none. */
  read(path: string): Promise<Uint8Array | null>;
  /**
   * Writes beside the target, makes it durable, then renames: a reader sees the old file or the new
   * one, never a part. Missing directories are made.
   *
   * @param mode Permission bits; 0o600 unless given.
   */
  writeDurably(path: string, bytes: Uint8Array, mode?: number): Promise<void>;
  /** Names of the files in a directory, sorted; none when the directory does not exist. */
  list(directory: string): Promise<string[]>;
  /** Removing what is not there is no error. */
  remove(path: string): Promise<void>;
}
