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
  type Found,
  freePort,
  installPackages,
  isFound,
  once,
  run,
  runOrThrow,
  temporaryDirectory,
  theFound,
  type UserId,
  waitUntil,
} from "./commands.ts";

export interface PostgresServer {
  /** Address of the server's database `postgres`, as a user who may create others. */
  readonly url: string;
  /** False for a server that was given: it can be neither halted nor restarted. */
  readonly isOwn: boolean;
  /** A new empty database; its address. */
  createDatabase(): Promise<string>;
  /** Ends every session of clients but the one that does it. */
  terminateBackends(): Promise<void>;
  halt(mode?: ShutdownMode): Promise<void>;
  /** Starts it again on the same port with its data. */
  start(): Promise<void>;
  restart(mode?: ShutdownMode): Promise<void>;
  /** Ends it for good and removes its data. */
  stop(): Promise<void>;
}

/** `fast` rolls back and saves; `immediate` is a crash that the next start recovers from. */
export type ShutdownMode = "fast" | "immediate";

interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

const search = once(async (): Promise<Found<Programs | { readonly url: string }>> => {
  const url = Deno.env.get("PENSTOCK_TEST_POSTGRES_URL") ?? "";
  if (url !== "") return { kind: "found", value: { url } };
  const installed = installedPrograms();
  if (installed !== null) return { kind: "found", value: installed };
  const failure = await installPackages(["postgresql"]);
  const value = installedPrograms();
  if (value !== null) return { kind: "found", value };
  const reason = failure ?? "the package postgresql has no initdb";
  return { kind: "missing", service: "postgresql", reason };
});

/** Whether there is one; a no is said aloud, and with CI=true it is an error. */
export async function hasPostgres(): Promise<boolean> {
  return isFound(await search());
}

/** @throws {Error} When there is none and none can be installed. */
export async function startPostgres(): Promise<PostgresServer> {
  const found = theFound(await search());
  if ("url" in found) return new GivenPostgres(found.url);
  const user = Deno.uid() === 0 ? await userPostgres() : null;
  const directory = await temporaryDirectory("postgres", user);
  const args = [
    "-D",
    `${directory.path}/data`,
    "-A",
    "trust",
    "-U",
    "penstock",
    "-E",
    "UTF8",
    "-N",
  ];
  await runOrThrow(found.initdb, args, { user, cwd: directory.path });
  const server = new OwnPostgres(found.postgres, directory, user);
  await server.start();
  return server;
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

class GivenPostgres implements PostgresServer {
  readonly isOwn: boolean = false;
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async createDatabase(): Promise<string> {
    const name = `penstock_${crypto.randomUUID().replaceAll("-", "")}`;
    await this.#run(`create database ${name}`);
    const address = new URL(this.url);
    address.pathname = `/${name}`;
    return address.href;
  }

  terminateBackends(): Promise<void> {
    return this.#run(
      "select pg_terminate_backend(pid) from pg_stat_activity " +
        "where backend_type = 'client backend' and pid <> pg_backend_pid()",
    );
  }

  halt(_mode?: ShutdownMode): Promise<void> {
    return Promise.reject(new Error("A PostgreSQL server that was given cannot be halted"));
  }

  start(): Promise<void> {
    return Promise.reject(new Error("A PostgreSQL server that was given cannot be started"));
  }

  async restart(mode: ShutdownMode = "fast"): Promise<void> {
    await this.halt(mode);
    await this.start();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  async #run(statement: string): Promise<void> {
    const client = postgres(this.url, { max: 1, onnotice: () => {} });
    await client.unsafe(statement);
    await client.end();
  }
}

class OwnPostgres extends GivenPostgres {
  override readonly isOwn = true;
  readonly #program: string;
  readonly #directory: { path: string; remove(): Promise<void> };
  readonly #user: UserId | null;
  #child: Deno.ChildProcess | null = null;

  constructor(
    program: string,
    directory: { path: string; remove(): Promise<void> },
    user: UserId | null,
  ) {
    super(`postgres://penstock@127.0.0.1:${freePort()}/postgres`);
    this.#program = program;
    this.#directory = directory;
    this.#user = user;
  }

  override async start(): Promise<void> {
    const { path } = this.#directory;
    this.#child = new Deno.Command(this.#program, {
      args: ["-D", `${path}/data`, "-p", new URL(this.url).port, "-k", path]
        .concat(["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=32MB"])
        .concat(["-c", "fsync=off", "-c", "max_connections=80"]),
      stdin: "null",
      stdout: "null",
      stderr: "null",
      cwd: path,
      ...(this.#user ?? {}),
    }).spawn();
    await waitUntil("PostgreSQL", () => answers(this.url));
  }

  override async halt(mode: ShutdownMode = "fast"): Promise<void> {
    const child = this.#child!;
    this.#child = null;
    child.kill(mode === "fast" ? "SIGINT" : "SIGQUIT");
    await ended(child);
  }

  override async stop(): Promise<void> {
    if (this.#child !== null) await this.halt("immediate");
    await this.#directory.remove();
  }
}
