/**
 * A mosquitto broker of the test's own, which it may stop, restart, freeze and kill.
 *
 * The program is found on PATH or in /usr/sbin, else Debian's package is installed.
 */
import {
  accepts,
  ended,
  findProgram,
  type Found,
  freePort,
  installPackages,
  isFound,
  once,
  temporaryDirectory,
  theFound,
  waitUntil,
} from "./commands.ts";

export interface Mosquitto {
  readonly url: string;
  readonly port: number;
  pid(): number;
  /** SIGTERM lets it save its sessions first; after SIGKILL what it had not saved is lost. */
  halt(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts it again on the same port with what it saved. */
  start(): Promise<void>;
  restart(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** SIGSTOP: connections stay open, nothing is answered. */
  freeze(): void;
  thaw(): void;
  /** Ends it for good and removes what it saved. */
  stop(): Promise<void>;
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

const search = once(async (): Promise<Found<string>> => {
  const folders = ["/usr/sbin", "/usr/local/sbin"];
  const installed = findProgram("mosquitto", folders);
  if (installed !== null) return { kind: "found", value: installed };
  const failure = await installPackages(["mosquitto"]);
  const value = findProgram("mosquitto", folders);
  if (value !== null) return { kind: "found", value };
  const reason = failure ?? "the package mosquitto has no program";
  return { kind: "missing", service: "mosquitto", reason };
});

/** Whether one can be started here; a no is said aloud, and with CI=true it is an error. */
export async function hasMosquitto(): Promise<boolean> {
  return isFound(await search());
}

/** @throws {Error} When there is none and none can be installed. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const program = theFound(await search());
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

  async halt(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#child!;
    this.#child = null;
    child.kill(signal);
    await ended(child, 20_000);
  }

  async restart(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    await this.halt(signal);
    await this.start();
  }

  freeze(): void {
    this.#child!.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child!.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    if (this.#child !== null) await this.halt("SIGKILL");
    await this.#directory.remove();
  }
}
