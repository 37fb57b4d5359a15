import { deepEqual } from "node:assert/strict";
import { localFiles } from "./local_files.ts";

Deno.test("local files: writers of one path at the same time leave one whole file and nothing beside it", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/piece`;
    const contents = Array.from({ length: 8 }, (_, i) => new Uint8Array(200_000 + i).fill(i));
    await Promise.all(contents.map((bytes) => localFiles.writeDurably(path, bytes)));
    const found = (await localFiles.read(path))!;
    deepEqual(found, contents[found[0]!]);
    deepEqual(await localFiles.list(directory), ["piece"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
