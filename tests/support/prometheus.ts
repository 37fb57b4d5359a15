/** A real Prometheus over the configuration that is shipped, aimed at a hub. */
import {
  findProgram,
  type Found,
  freePort,
  installPackages,
  runOrThrow,
  waitUntil,
} from "./commands.ts";

const DEPLOY = new URL("../../deploy", import.meta.url).pathname;
const READY_TIMEOUT_MS = 60_000;

export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

export interface PrometheusServer {
  readonly url: string;
  /** Answer of an instant query. */
  query(expression: string): Promise<QueryAnswer>;
  get(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

export interface QueryAnswer {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: readonly { readonly value: [number, string] }[] };
}

/** Debian's own programs, installed when they can be. */
export async function findPrometheus(): Promise<Found<PrometheusPrograms>> {
  const look = () => [findProgram("prometheus"), findProgram("promtool")] as const;
  let reason: string | null = null;
  if (look().includes(null)) reason = await installPackages(["prometheus"]);
  const [prometheus, promtool] = look();
  return prometheus !== null && promtool !== null
    ? { kind: "found", value: { prometheus, promtool } }
    : { kind: "missing", service: "prometheus", reason: reason ?? "not in the package" };
}

/** Starts it on the shipped files; only target, token and rhythm are put in. */
export async function startPrometheus(
  programs: PrometheusPrograms,
  hub: { readonly url: string; readonly token: string },
): Promise<PrometheusServer> {
  const directory = await Deno.makeTempDir({ prefix: "penstock-prometheus-" });
  const shipped = await Deno.readTextFile(`${DEPLOY}/prometheus.yml`);
  const config = shipped.replace("hub:8080", new URL(hub.url).host).replaceAll("15s", "1s");
  await Deno.writeTextFile(`${directory}/prometheus.yml`, config);
  await Deno.copyFile(`${DEPLOY}/penstock_alerts.yml`, `${directory}/penstock_alerts.yml`);
  await Deno.writeTextFile(`${directory}/penstock-token`, `${hub.token}\n`);
  await runOrThrow(programs.promtool, ["check", "config", `${directory}/prometheus.yml`]);
  const port = freePort();
  const child = new Deno.Command(programs.prometheus, {
    args: [
      `--config.file=${directory}/prometheus.yml`,
      `--storage.tsdb.path=${directory}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const url = `http://127.0.0.1:${port}`;
  const get = async (path: string) => await (await fetch(`${url}${path}`)).json();
  const isReady = async () => {
    const answer = await fetch(`${url}/-/ready`).catch(() => null);
    await answer?.body?.cancel();
    return answer?.ok === true;
  };
  await waitUntil("Prometheus", isReady, READY_TIMEOUT_MS);
  return {
    url,
    get,
    query: (expression) => get(`/api/v1/query?query=${encodeURIComponent(expression)}`),
    async stop() {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** What `promtool check metrics` complains of in an exposition; null when nothing. */
export async function checkExposition(
  { promtool }: PrometheusPrograms,
  text: string,
): Promise<string | null> {
  const child = new Deno.Command(promtool, {
    args: ["check", "metrics"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return code === 0 && said.trim() === "" ? null : said;
}
