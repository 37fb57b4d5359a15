/**
 * A mosquitto broker of the test's own, which it may stop, restart, freeze and kill.
 *
 * The program is found on PATH or in /usr/sbin, else Debian's package is installed.
 */
import {
  accepts,
  ended,
  findProgram,
  freePort,
  installPackages,
  serviceMissing,
  temporaryDirectory,
  waitUntil,
} from "./commands.ts";

export interface Mosquitto {
  readonly url: string;
  readonly port: number;
  pid(): number;
  /** Ends it as an operator would: it saves its sessions first. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL: what it had not saved is lost. */
  kill(): Promise<void>;
  /** Starts it again on the same port with what it saved. */
  start(): Promise<void>;
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open, nothing is answered. */
  freeze(): void;
  thaw(): void;
  /** Stops it and removes its directory. */
  dispose(): Promise<void>;
}

export interface MosquittoOptions {
  /** Lines of configuration; each replaces the one of the same name: `max_queued_messages 100`. */
  readonly settings?: readonly string[];
}

/** Every client names its Receive Maximum, so the broker sets no limit; sessions outlive a restart. */
const SETTINGS: readonly string[] = [
  "allow_anonymous true",
  "persistence true",
  "autosave_interval 5",
  "max_inflight_messages 0",
  "max_queued_messages 0",
  "max_queued_bytes 1000000000",
  "log_dest none",
];

/** Null, said aloud, when there is none; with CI=true that is an error. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto | null> {
  const program = await findMosquitto();
  if (program === null) return null;
  const directory = await temporaryDirectory("mosquitto");
  const port = freePort();
  const lines = [
    ...SETTINGS,
    `listener ${port} 127.0.0.1`,
    `persistence_location ${directory.path}/`,
    ...(Deno.uid() === 0 ? ["user root"] : []),
    ...options.settings ?? [],
  ];
  const byName = new Map(lines.map((line) => [line.split(" ")[0], line]));
  const text = [...byName.values()].join("\n") + "\n";
  await Deno.writeTextFile(`${directory.path}/mosquitto.conf`, text);
  const broker = new OwnMosquitto(program, directory, port);
  await broker.start();
  return broker;
}

async function findMosquitto(): Promise<string | null> {
  const folders = ["/usr/sbin", "/usr/local/sbin"];
  const found = findProgram("mosquitto", folders);
  if (found !== null) return found;
  const failure = await installPackages(["mosquitto"]);
  return findProgram("mosquitto", folders) ??
    serviceMissing("mosquitto", failure ?? "the package mosquitto has no program");
}

class OwnMosquitto implements Mosquitto {
  readonly url: string;
  readonly port: number;
  readonly #program: string;
  readonly #directory: { path: string; remove(): Promise<void> };
  #child: Deno.ChildProcess | null = null;

  constructor(
    program: string,
    directory: { path: string; remove(): Promise<void> },
    port: number,
  ) {
    this.#program = program;
    this.#directory = directory;
    this.port = port;
    this.url = `mqtt://127.0.0.1:${port}`;
  }

  pid(): number {
    return this.#child!.pid;
  }

  async start(): Promise<void> {
    this.#child = new Deno.Command(this.#program, {
      args: ["-c", `${this.#directory.path}/mosquitto.conf`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await waitUntil("mosquitto", () => accepts(this.port));
  }

  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  freeze(): void {
    this.#child!.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child!.kill("SIGCONT");
  }

  async dispose(): Promise<void> {
    if (this.#child !== null) await this.kill();
    await this.#directory.remove();
  }

  async #end(signal: Deno.Signal): Promise<void> {
    const child = this.#child!;
    this.#child = null;
    child.kill(signal);
    await ended(child, 20_000);
  }
}
