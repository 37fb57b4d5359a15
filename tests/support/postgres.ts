/**
 * A throw-away PostgreSQL server.
 *
 * In this order: the server at PENSTOCK_TEST_POSTGRES_URL; programs on PATH or where Debian puts
 * them; Debian's package, installed. PostgreSQL refuses to run as root, so as root it runs as the
 * user `postgres`.
 */
import postgres from "postgres";
import {
  ended,
  findProgram,
  freePort,
  installPackages,
  run,
  runOrThrow,
  serviceMissing,
  temporaryDirectory,
  type UserId,
  waitUntil,
} from "./commands.ts";

export interface PostgresServer {
  /** Address of the server's database `postgres`, as a user who may create others. */
  readonly url: string;
  /** A new empty database; its address. */
  createDatabase(): Promise<string>;
  stop(): Promise<void>;
}

/** Null, said aloud, when there is none; with CI=true that is an error. */
export async function startPostgres(): Promise<PostgresServer | null> {
  const given = Deno.env.get("PENSTOCK_TEST_POSTGRES_URL");
  if (given !== undefined && given !== "") return serverAt(given, () => Promise.resolve());
  const programs = await findPrograms();
  if (typeof programs === "string") return serviceMissing("postgres", programs);
  return await startOwn(programs.initdb, programs.postgres);
}

interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

async function findPrograms(): Promise<Programs | string> {
  const found = installedPrograms();
  if (found !== null) return found;
  const failure = await installPackages(["postgresql"]);
  return failure ?? installedPrograms() ?? "the package postgresql has no initdb";
}

function installedPrograms(): Programs | null {
  const folders = debianFolders();
  const initdb = findProgram("initdb", folders);
  const server = findProgram("postgres", folders);
  return initdb === null || server === null ? null : { initdb, postgres: server };
}

function debianFolders(): string[] {
  try {
    const versions = [...Deno.readDirSync("/usr/lib/postgresql")].map(({ name }) => Number(name));
    return versions.sort((a, b) => b - a).map((version) => `/usr/lib/postgresql/${version}/bin`);
  } catch {
    return [];
  }
}

async function startOwn(initdb: string, server: string): Promise<PostgresServer> {
  const user = Deno.uid() === 0 ? await userPostgres() : null;
  const directory = await temporaryDirectory("postgres", user);
  const data = `${directory.path}/data`;
  const as = { user, cwd: directory.path };
  await runOrThrow(initdb, ["-D", data, "-A", "trust", "-U", "penstock", "-E", "UTF8", "-N"], as);
  const port = freePort();
  const child = new Deno.Command(server, {
    args: ["-D", data, "-p", String(port), "-k", directory.path]
      .concat(["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=32MB"])
      .concat(["-c", "fsync=off", "-c", "max_connections=80"]),
    stdin: "null",
    stdout: "null",
    stderr: "null",
    cwd: directory.path,
    ...(user ?? {}),
  }).spawn();
  const url = `postgres://penstock@127.0.0.1:${port}/postgres`;
  await waitUntil("PostgreSQL", () => answers(url));
  return serverAt(url, async () => {
    child.kill("SIGINT");
    await ended(child);
    await directory.remove();
  });
}

async function userPostgres(): Promise<UserId> {
  const ids = await Promise.all(["-u", "-g"].map((flag) => run("id", [flag, "postgres"])));
  if (ids.some(({ code }) => code !== 0)) {
    await runOrThrow("useradd", ["--system", "--no-create-home", "postgres"]);
    return await userPostgres();
  }
  return { uid: Number(ids[0]!.stdout), gid: Number(ids[1]!.stdout) };
}

async function answers(url: string): Promise<boolean> {
  const client = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => {} });
  try {
    await client`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await client.end({ timeout: 1 });
  }
}

function serverAt(url: string, stop: () => Promise<void>): PostgresServer {
  const createDatabase = async () => {
    const name = `penstock_${crypto.randomUUID().replaceAll("-", "")}`;
    const client = postgres(url, { max: 1, onnotice: () => {} });
    await client.unsafe(`create database ${name}`);
    await client.end();
    const address = new URL(url);
    address.pathname = `/${name}`;
    return address.href;
  };
  return { url, createDatabase, stop };
}
