/** Keeps a second process out of a directory that only one may write. Touches the file system. @module */
import { dirname } from "node:path";
import { PenstockError } from "@shared/errors.ts";

/**
 * Takes the lock file `<directory>.lock`; the system releases it when this process dies.
 *
 * @returns Releases the lock. The file itself stays.
 * @throws {PenstockError} `directory-in-use` when another process holds it.
 */
export async function lockDirectory(directory: string): Promise<() => void> {
  const path = `${directory.replace(/\/+$/, "")}.lock`;
  await Deno.mkdir(dirname(path), { recursive: true });
  const file = await Deno.open(path, { create: true, read: true, write: true });
  if (!await file.tryLock(true)) {
    const holder = (await Deno.readTextFile(path)).trim();
    file.close();
    throw new PenstockError(
      `Cannot open ${directory}: process ${holder || "unknown"} has it open and holds ${path}. ` +
        "Stop that process or choose another directory",
      { code: "directory-in-use", domain: "user" },
    );
  }
  await file.truncate();
  await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
  return () => file.close();
}
