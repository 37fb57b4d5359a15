/** A hub as a process of its own, over a fresh directory, for tests of what surrounds a hub. */
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";

const READY_WITHIN_MS = 120_000;

export interface HubProcess {
  readonly url: string;
  readonly adminToken: string;
  readonly directory: string;
  /** GET below /api/v1 as admin; throws unless the answer is 2xx. */
  get<T>(path: string): Promise<T>;
  /** POST below /api/v1 as admin; throws unless the answer is 2xx. */
  post<T>(path: string, body: unknown): Promise<T>;
  /** Everything it wrote to standard error. */
  log(): string;
  /** Ends it, and removes its directory. */
  stop(): Promise<void>;
}

/** Starts a hub and waits until it answers. */
export async function startHubProcess(
  flags: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<HubProcess> {
  const directory = await Deno.makeTempDir({ prefix: "penstock-hub-" });
  const dataDir = `${directory}/data`;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", `${PROJECT_ROOT}/tools/cli/main.ts`, "hub", "start"],
      ...["--listen", "127.0.0.1:0", "--data-dir", dataDir, ...flags],
    ],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let [said, logged] = ["", ""];
  const ready = Promise.withResolvers<string>();
  const reading = Promise.all([
    each(child.stdout, (text) => {
      said += text;
      const url = /Hub at (\S+),/.exec(said)?.[1];
      if (url !== undefined) ready.resolve(url);
    }),
    each(child.stderr, (text) => void (logged += text)),
  ]);
  const timer = setTimeout(() => ready.reject(new Error("No hub in time")), READY_WITHIN_MS);
  void child.status.then(({ code }) => ready.reject(new Error(`Hub ended with ${code}`)));
  const url = await ready.promise.catch((cause) => {
    throw new Error(`${cause.message}: ${logged.slice(-2000)}`, { cause });
  }).finally(() => clearTimeout(timer));
  const adminToken = (await Deno.readTextFile(`${dataDir}/admin-token`)).trim();
  const call = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  };
  return {
    url,
    adminToken,
    directory,
    get: (path) => call("GET", path),
    post: (path, body) => call("POST", path, body),
    log: () => logged,
    async stop() {
      child.kill("SIGTERM");
      await child.status;
      await reading;
      await Deno.remove(directory, { recursive: true });
    },
  };
}

async function each(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (text: string) => void) {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
}
