/**
 * The smallest Ceph that serves S3: one monitor, one memory-backed storage daemon, one gateway.
 *
 * Debian's packages, installed when they are missing. All of it is lost at `stop`.
 */
import {
  ended,
  findProgram,
  freePort,
  installPackages,
  runOrThrow,
  temporaryDirectory,
  waitUntil,
} from "./commands.ts";

export interface CephGateway {
  readonly port: number;
  stop(): Promise<void>;
}

const PACKAGES = ["radosgw", "ceph-mon", "ceph-osd", "ceph-common"];
const PROGRAMS = ["radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph"]
  .concat(["ceph-authtool", "monmaptool"]);

/** @returns Null when every program is here now, else why one is not. */
export async function installCeph(): Promise<string | null> {
  if (missingProgram() === null) return null;
  const failure = await installPackages(PACKAGES);
  const missing = missingProgram();
  return missing === null ? null : failure ?? `there is no ${missing}`;
}

/** Starts it with one user who has the given keys and no bucket. */
export async function startCephGateway(
  keys: { readonly accessKey: string; readonly secretKey: string },
): Promise<CephGateway> {
  const directory = await temporaryDirectory("ceph");
  const daemons: Deno.ChildProcess[] = [];
  const stop = async () => {
    for (const daemon of daemons) daemon.kill("SIGKILL");
    await Promise.all(daemons.map((daemon) => ended(daemon)));
    await directory.remove();
  };
  try {
    const port = await startCluster(directory.path, keys, daemons);
    return { port, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

function missingProgram(): string | null {
  return PROGRAMS.find((name) => findProgram(name, ["/usr/sbin"]) === null) ?? null;
}

async function startCluster(
  directory: string,
  keys: { readonly accessKey: string; readonly secretKey: string },
  daemons: Deno.ChildProcess[],
): Promise<number> {
  const monitor = `[v2:127.0.0.1:${freePort()},v1:127.0.0.1:${freePort()}]`;
  const clusterId = crypto.randomUUID();
  const port = freePort();
  await Deno.mkdir(`${directory}/run`);
  await Deno.mkdir(`${directory}/mon`);
  await Deno.mkdir(`${directory}/osd`);
  await Deno.writeTextFile(
    `${directory}/ceph.conf`,
    configuration(directory, clusterId, monitor, port),
  );
  const options = { env: { CEPH_CONF: `${directory}/ceph.conf` } };
  const step = (program: string, ...args: string[]) => runOrThrow(program, args, options);
  const daemon = (program: string, ...args: string[]) => {
    const quiet = { stdin: "null", stdout: "null", stderr: "null" } as const;
    daemons.push(new Deno.Command(program, { args, ...quiet, ...options }).spawn());
  };

  const keyring = `${directory}/keyring`;
  await step("ceph-authtool", "--create-keyring", keyring);
  for (const [name, mon, osd] of USERS) {
    const caps = ["--cap", "mon", mon, ...(osd === null ? [] : ["--cap", "osd", osd])];
    await step("ceph-authtool", keyring, "--gen-key", "-n", name, ...caps);
  }
  const monmap = `${directory}/monmap`;
  await step("monmaptool", "--create", "--fsid", clusterId, "--addv", "a", monitor, monmap);
  await step("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring);
  daemon("ceph-mon", "-f", "-i", "a");
  const osdId = crypto.randomUUID();
  await step("ceph", "--connect-timeout", "30", "osd", "new", osdId);
  await step("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osdId);
  daemon("ceph-osd", "-f", "-i", "0");
  const user = ["--uid=penstock", "--display-name=penstock"]
    .concat([`--access-key=${keys.accessKey}`, `--secret-key=${keys.secretKey}`]);
  await step("radosgw-admin", "-n", "client.rgw", "user", "create", ...user);
  daemon("radosgw", "-f", "-n", "client.rgw");
  await waitUntil("radosgw", () => answersHttp(port), 60_000);
  return port;
}

const USERS: readonly (readonly [name: string, mon: string, osd: string | null])[] = [
  ["mon.", "allow *", null],
  ["client.admin", "allow *", "allow *"],
  ["osd.0", "allow profile osd", "allow *"],
  ["client.rgw", "allow rwx", "allow rwx"],
];

function configuration(directory: string, id: string, monitor: string, port: number): string {
  return `[global]
fsid = ${id}
mon host = ${monitor}
keyring = ${directory}/keyring
run dir = ${directory}/run
admin socket = ${directory}/run/$name.$pid.asok
log file = ${directory}/$name.log
pid file =
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth allow insecure global id reclaim = false
paxos propose interval = 0.02
paxos min wait = 0.01
mon allow pool size one = true
mon max pg per osd = 1000
mon cluster log to file = false
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
[mon.a]
mon data = ${directory}/mon
[osd.0]
osd data = ${directory}/osd
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw data = ${directory}/rgw
rgw thread pool size = 32
rgw run sync thread = false
`;
}

async function answersHttp(port: number): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(2_000);
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
