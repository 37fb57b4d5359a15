/** Files of this machine. Touches the file system. @module */
import type { LocalFiles } from "@shared/local_files.ts";

/** Parts that this process has begun. */
let partCount = 0;

export const localFiles: LocalFiles = {
  async read(path) {
    try {
      return await Deno.readFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  },

  async writeDurably(path, bytes, mode = 0o600) {
    const directory = path.slice(0, path.lastIndexOf("/"));
    if (directory !== "") await Deno.mkdir(directory, { recursive: true });
    // Two writers of one path must not write into one another's file.
    const part = `${path}.${Deno.pid}-${++partCount}.part`;
    try {
      const file = await Deno.open(part, { write: true, create: true, truncate: true, mode });
      try {
        for (let written = 0; written < bytes.length;) {
          written += await file.write(bytes.subarray(written));
        }
        await file.sync();
      } finally {
        file.close();
      }
      await Deno.rename(part, path);
    } catch (error) {
      await removeIfThere(part);
      throw error;
    }
    // The new name itself is durable only when the directory is.
    if (directory !== "") await syncDirectory(directory);
  },

  async list(directory) {
    const names: string[] = [];
    try {
      for await (const entry of Deno.readDir(directory)) if (entry.isFile) names.push(entry.name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return names.sort();
  },

  remove: removeIfThere,
};

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await Deno.open(path);
  try {
    await directory.sync();
  } finally {
    directory.close();
  }
}
