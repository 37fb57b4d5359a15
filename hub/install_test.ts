/** The installer's script by a real shell, against a server that stands for the hub; nothing is started. */
import { createHash } from "node:crypto";
import { equal, match, ok } from "node:assert/strict";

const SCRIPT = new URL("./install.sh", import.meta.url).pathname;
const FILES: Readonly<Record<string, string>> = {
  "agent.js": "// agent",
  "runner.js": "// runner",
  "deno-flags": "--no-prompt --allow-net",
};

function startFiles(): { url: string; stop(): Promise<void> } {
  const sums = ["agent.js", "runner.js"].map((name) =>
    `${createHash("sha256").update(FILES[name]!).digest("hex")}  ${name}\n`
  ).join("");
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/healthz") return Response.json({ status: "ok" });
    const name = pathname.replace("/install/", "");
    const text = name === "SHA256SUMS" ? sums : FILES[name];
    return new Response(text ?? null, { status: text === undefined ? 404 : 200 });
  });
  return { url: `http://127.0.0.1:${server.addr.port}`, stop: () => server.shutdown() };
}

async function install(cwd: string, flags: readonly string[], umask = "022") {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", `umask ${umask}; exec sh "$@"`, "sh", SCRIPT, ...flags],
    cwd,
    env: { DENO: Deno.execPath() },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, said: text(stdout) + text(stderr) };
}

async function inDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "penstock-install-" });
  try {
    await Deno.writeTextFile(`${directory}/token`, "pj_0_0");
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("installer: what root installs under a strict umask can be run by the service's own user", () =>
  inDirectory(async (directory) => {
    const files = startFiles();
    try {
      await Deno.writeTextFile(`${directory}/ca.pem`, "an authority");
      const flags = ["--hub", files.url, "--join-token-file", "token", "--prefix", directory];
      const { code, said } = await install(directory, [...flags, "--ca-file", "ca.pem"], "077");
      equal(code, 0, said);
      const unit = await Deno.readTextFile(
        `${directory}/etc/systemd/system/penstock-agent.service`,
      );
      const lib = `${directory}/usr/local/lib/penstock`;
      for (const name of ["agent.js", "runner.js"]) {
        equal((await Deno.stat(`${lib}/${name}`)).mode! & 0o777, 0o644);
      }
      equal((await Deno.stat(lib)).mode! & 0o777, 0o755);
      // The authority is named by a path of its own: the one given may be in a home that the unit hides.
      const authority = / --cert (\S+)/.exec(unit)![1]!;
      ok(authority.startsWith(lib), authority);
      equal(await Deno.readTextFile(authority), "an authority");
      // The agent locks its directory by a file beside it.
      const data = / --data-dir (\S+)/.exec(unit)![1]!;
      const writable = /^ReadWritePaths=(.*)$/m.exec(unit)![1]!;
      ok(`${data}.lock`.startsWith(`${writable}/`), `${data}.lock is not below ${writable}`);
      equal((await Deno.stat(writable)).mode! & 0o777, 0o700);
      equal((await Deno.stat(`${data}/join-token`)).mode! & 0o777, 0o600);
    } finally {
      await files.stop();
    }
  }));

Deno.test("installer: says that the hub does not answer, and what to look at", () =>
  inDirectory(async (directory) => {
    const { code, said } = await install(directory, [
      ...["--hub", "http://127.0.0.1:1", "--join-token-file", "token", "--prefix", directory],
    ]);
    equal(code, 1);
    match(said, /Error: the hub does not answer at http:\/\/127\.0\.0\.1:1: check address/);
    ok(!said.includes("answers\n"), said);
  }));

Deno.test("installer: refuses names and labels that a service's command line would take apart", () =>
  inDirectory(async (directory) => {
    for (const flags of [["--name", "pump house"], ["--label", "line=1 --force"]]) {
      const { code, said } = await install(directory, [
        ...["--hub", "http://127.0.0.1:1", "--join-token-file", "token", "--prefix", directory],
        ...flags,
      ]);
      equal(code, 1);
      match(said, /Error: --(name|label) ".*" wants/);
    }
  }));

Deno.test("installer: refuses a Deno in a home, which the service cannot see", () =>
  inDirectory(async (directory) => {
    const files = startFiles();
    try {
      const flags = ["--hub", files.url, "--join-token-file", "token", "--dry-run"];
      const deno = "/home/me/.deno/bin/deno";
      const { code, said } = await install(directory, [...flags, "--deno", deno]);
      equal(code, 1);
      match(said, /cannot be run by the service: copy it to \/usr\/local\/bin\/deno/);
    } finally {
      await files.stop();
    }
  }));
