/** PostgreSQL and the object store that a hub would be started with. Touches both, and changes neither. @module */
import { systemClock } from "@shared/platform/clock.ts";
import { openObjectStore } from "@shared/platform/open_object_store.ts";
import { createPostgresPool } from "../../../hub/db/postgres_pool.ts";
import { attempted, fail, type Finding, ok, warn } from "./finding.ts";

const POSTGRES_MAJOR_MIN = 14;
const TIMEOUT_MS = 10_000;

export function databaseFinding(databaseUrl: string): Promise<Finding> {
  const fix = "See address, credentials and pg_hba.conf; the hub takes --database-url";
  return attempted("PostgreSQL", fix, async () => {
    const pool = createPostgresPool(databaseUrl, systemClock);
    try {
      const rows = await within(
        pool.unsafe(
          "select current_setting('server_version'), " +
            "has_database_privilege(current_database(), 'CREATE')::text",
          [],
        ).values(),
      ) as string[][];
      const [version = "0", mayCreate = "false"] = rows[0] ?? [];
      return judgePostgres(version, mayCreate === "true");
    } finally {
      await pool.end();
    }
  });
}

export function judgePostgres(version: string, mayCreate: boolean): Finding {
  if (!mayCreate) {
    return fail(
      "PostgreSQL",
      `version ${version}, and this user may not create tables`,
      "GRANT CREATE ON DATABASE … TO the hub's user",
    );
  }
  return Number.parseInt(version) < POSTGRES_MAJOR_MIN
    ? warn("PostgreSQL", `version ${version}`, `Take ${POSTGRES_MAJOR_MIN} or newer`)
    : ok("PostgreSQL", `version ${version}`);
}

export function objectStoreFinding(
  spec: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Finding> {
  const accessKey = env["PENSTOCK_S3_ACCESS_KEY"];
  const secretKey = env["PENSTOCK_S3_SECRET_KEY"];
  const fix =
    "See address, bucket and the keys in PENSTOCK_S3_ACCESS_KEY and PENSTOCK_S3_SECRET_KEY";
  return attempted("object store", fix, async () => {
    const store = openObjectStore(spec, {
      publicUrl: "http://127.0.0.1",
      signingSecret: "none is signed here",
      clock: systemClock,
      s3Credentials: accessKey === undefined || secretKey === undefined
        ? null
        : { accessKey, secretKey },
    });
    await within(store.check());
    return ok("object store", `${spec} can be read and written`);
  });
}

async function within<T>(work: PromiseLike<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer in 10 s")), TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
