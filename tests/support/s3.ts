/**
 * A throw-away S3 store.
 *
 * In this order: the store at PENSTOCK_TEST_S3_URL (`s3://KEY:SECRET@HOST:PORT/BUCKET?tls=0`); MinIO
 * on PATH; MinIO built by Go, where Go is; Ceph's radosgw, installed by Debian's package.
 */
import type { S3Credentials } from "@shared/platform/s3_object_store.ts";
import { installCeph, startCephGateway } from "./ceph.ts";
import {
  accepts,
  ended,
  findProgram,
  type Found,
  freePort,
  isFound,
  once,
  run,
  temporaryDirectory,
  theFound,
  waitUntil,
} from "./commands.ts";

export interface S3Server {
  readonly kind: "given" | "minio" | "radosgw";
  /** `s3://HOST:PORT/BUCKET?tls=0`, for `openObjectStore`; a bucket of this caller's own, not made yet. */
  readonly spec: string;
  readonly credentials: S3Credentials;
  /** With the credentials in it, for PENSTOCK_TEST_S3_URL. */
  readonly url: string;
  stop(): Promise<void>;
}

export const TEST_CREDENTIALS: S3Credentials = {
  accessKey: "penstock",
  secretKey: "penstock-secret",
};

const BUCKET = "penstock";
const MINIO_MODULE = "github.com/minio/minio@RELEASE.2025-10-15T17-29-55Z";
const MINIO_BUILD_TIMEOUT_MS = 300_000;

type Program = { readonly minio: string } | { readonly url: string } | { readonly kind: "ceph" };

const search = once(async (): Promise<Found<Program>> => {
  const url = Deno.env.get("PENSTOCK_TEST_S3_URL") ?? "";
  if (url !== "") return { kind: "found", value: { url } };
  const minio = findProgram("minio") ?? await buildMinio();
  if (minio !== null) return { kind: "found", value: { minio } };
  const failure = await installCeph();
  if (failure === null) return { kind: "found", value: { kind: "ceph" } };
  return { kind: "missing", service: "s3", reason: `no MinIO, and no radosgw: ${failure}` };
});

/** Whether there is one; a no is said aloud, and with CI=true it is an error. */
export async function hasS3(): Promise<boolean> {
  return isFound(await search());
}

/** @throws {Error} When there is none and none can be installed. */
export async function startS3(): Promise<S3Server> {
  const found = theFound(await search());
  if ("url" in found) return givenServer(found.url);
  if ("minio" in found) return await startMinio(found.minio);
  const { port, stop } = await startCephGateway(TEST_CREDENTIALS);
  return ownServer("radosgw", port, stop);
}

function givenServer(address: string): S3Server {
  const url = new URL(address);
  const credentials = {
    accessKey: decodeURIComponent(url.username),
    secretKey: decodeURIComponent(url.password),
  };
  const spec = `s3://${url.host}${url.pathname}-${newSuffix()}${url.search}`;
  return { kind: "given", spec, credentials, url: address, stop: () => Promise.resolve() };
}

function ownServer(kind: "minio" | "radosgw", port: number, stop: () => Promise<void>): S3Server {
  const { accessKey, secretKey } = TEST_CREDENTIALS;
  return {
    kind,
    spec: `s3://127.0.0.1:${port}/${BUCKET}-${newSuffix()}?tls=0`,
    credentials: TEST_CREDENTIALS,
    url: `s3://${accessKey}:${secretKey}@127.0.0.1:${port}/${BUCKET}?tls=0`,
    stop,
  };
}

function newSuffix(): string {
  return crypto.randomUUID().slice(0, 8);
}

/** Builds once per machine; a failure is remembered, so that later runs do not wait for it. */
async function buildMinio(): Promise<string | null> {
  const go = findProgram("go", ["/usr/local/go/bin"]);
  if (go === null) return null;
  const folder = `${Deno.env.get("TMPDIR") ?? "/tmp"}/penstock-test-minio`;
  const program = findProgram("minio", [folder]);
  if (program !== null) return program;
  if (findProgram("failed", [folder]) !== null) return null;
  await Deno.mkdir(folder, { recursive: true });
  const built = await run(go, ["install", MINIO_MODULE], {
    timeoutMs: MINIO_BUILD_TIMEOUT_MS,
    env: { GOBIN: folder },
  });
  if (built.code !== 0) await Deno.writeTextFile(`${folder}/failed`, built.stderr);
  return findProgram("minio", [folder]);
}

async function startMinio(program: string): Promise<S3Server> {
  const directory = await temporaryDirectory("minio");
  const port = freePort();
  const child = new Deno.Command(program, {
    args: ["server", "--quiet", "--address", `127.0.0.1:${port}`, directory.path],
    env: {
      MINIO_ROOT_USER: TEST_CREDENTIALS.accessKey,
      MINIO_ROOT_PASSWORD: TEST_CREDENTIALS.secretKey,
      MINIO_BROWSER: "off",
    },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  await waitUntil("MinIO", () => accepts(port));
  return ownServer("minio", port, async () => {
    child.kill("SIGTERM");
    await ended(child);
    await directory.remove();
  });
}
