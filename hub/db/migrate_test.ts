import { match } from "node:assert/strict";
import { dirname, relative } from "node:path";
import { migrationsFolder } from "./migrate.ts";

Deno.test("migrations make the schema that the code is written against", async () => {
  const root = dirname(migrationsFolder);
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/migrations/meta`, { recursive: true });
    for (const part of ["", "/meta"]) {
      for await (const { name, isFile } of Deno.readDir(`${migrationsFolder}${part}`)) {
        const path = `${part}/${name}`;
        if (isFile) {
          await Deno.copyFile(`${migrationsFolder}${path}`, `${folder}/migrations${path}`);
        }
      }
    }
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "npm:drizzle-kit@0.31.11",
        "generate",
        "--dialect=postgresql",
        "--schema=hub/db/schema.ts",
        // It takes every path for a relative one.
        `--out=${relative(root, folder)}/migrations`,
      ],
      cwd: root,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    match(said, /No schema changes/, `Run deno task db:generate\n${said}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
