/**
 * The hub's routes and stores on a real PostgreSQL: statements that PGlite takes too, over another
 * driver, and requests that really run at the same time.
 *
 * @module
 */
import { deepEqual, equal } from "node:assert/strict";
import type { CreatedJoinToken, OperationView, Page } from "@shared/api.ts";
import type { AlarmView, SampleSeries } from "@shared/plant_api.ts";
import type { JobId } from "@shared/ids.ts";
import type { AlarmEdge } from "@shared/messages.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { lockDirectory } from "@shared/platform/directory_lock.ts";
import { recordEdges } from "../../hub/db/alarm_store.ts";
import { listAudit, verifyAudit } from "../../hub/db/audit_store.ts";
import { openDatabase } from "../../hub/db/client.ts";
import { updateOperation } from "../../hub/db/operation_store.ts";
import { openTestHub } from "../support/hub_app.ts";
import { hasPostgres, startPostgres } from "../support/postgres.ts";

const server = await hasPostgres() ? await startPostgres() : null;
Deno.test.afterAll(() => server?.stop());

/** Callers at the same time. */
const CALLERS = 8;
const RAISE = {
  edgeId: "raise",
  alarmId: "alarm",
  jobId: "job",
  operatorUid: "drift",
  sinkUid: "sink",
  key: "pump",
  isActive: true,
  priority: "high",
  text: "odd",
  response: "",
  atMs: Date.UTC(2026, 0, 1),
  value: 1,
  score: 5,
  threshold: 4,
} as unknown as AlarmEdge;

async function openHub() {
  const databaseUrl = await server!.createDatabase();
  const opened = await openDatabase({ databaseUrl }, { clock: systemClock, lockDirectory });
  return { opened, test: await openTestHub(opened) };
}

function together<T>(call: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: CALLERS }, (_, index) => call(index)));
}

Deno.test({
  name: "routes on PostgreSQL: one winner among equals, one chain of audit rows",
  ignore: server === null,
  async fn(t) {
    const { opened, test } = await openHub();

    await t.step("of callers with one join token one enrols (S1)", async () => {
      const { token } = await (await test.call("POST", "/api/v1/tokens", { body: {} }))
        .json() as CreatedJoinToken;
      const answers = await together((index) =>
        test.call("POST", "/api/v1/enrol", { token, address: `192.0.2.${index}` })
      );
      const statuses = answers.map(({ status }) => status).sort();
      deepEqual(statuses, [201, ...Array(CALLERS - 1).fill(401)]);
    });

    await t.step("of deployments with one name one is stored", async () => {
      const answers = await together(() =>
        test.call("POST", "/api/v1/jobs", { body: { name: "pump-watch", bundle: "x" } })
      );
      const statuses = answers.map(({ status }) => status).sort();
      deepEqual(statuses, [202, ...Array(CALLERS - 1).fill(409)]);
    });

    await t.step("of requests with one Idempotency-Key one takes effect (H2)", async () => {
      const send = () =>
        test.call("POST", "/api/v1/jobs", {
          body: { name: "other", bundle: "x" },
          headers: { "idempotency-key": "once" },
        });
      const statuses = (await together(send)).map(({ status }) => status);
      equal(statuses.filter((status) => status !== 202 && status !== 409).length, 0);
      const answer = await (await send()).json() as OperationView;
      const jobs = await (await test.call("GET", "/api/v1/jobs?name=other")).json() as Page<
        { id: string }
      >;
      deepEqual(jobs.items.map(({ id }) => id), [answer.jobId]);
    });

    await t.step("the audit chain holds through all of it (S26)", async () => {
      const rows = await listAudit(opened.db, { limit: 200, beforeId: null });
      const done = rows.filter(({ outcome }) => outcome !== "refused");
      equal(done.length, 4);
      equal(rows.length - done.length, CALLERS - 1, "and every join token refused to an address");
      deepEqual(await verifyAudit(opened.db), {
        rows: rows.length,
        isIntact: true,
        firstBrokenId: null,
      });
    });

    await t.step("samples and alarms come back as they went in", async () => {
      const atMs = test.clock.nowMs() - 1000;
      const sample = { operatorUid: "drift", key: "pump", atMs, value: 1.5, score: null };
      await test.hub.signals.recordSamples("job" as JobId, [sample]);
      await test.hub.signals.flush();
      await test.hub.signals.recordSamples("job" as JobId, [{ ...sample, value: 2.5 }]);
      await test.hub.signals.flush();
      const { items } = await (await test.call("GET", "/api/v1/equipment/pump/samples")).json() as {
        items: SampleSeries[];
      };
      deepEqual(items.map(({ at, value }) => ({ at, value })), [{ at: [atMs], value: [2.5] }]);
      const rounds = await together(() => recordEdges(opened.db, [RAISE], atMs));
      equal(rounds.flatMap(({ steps }) => steps).length, 1);
      await recordEdges(opened.db, [{ ...RAISE, edgeId: "clear", isActive: false }], atMs);
      const page = await (await test.call("GET", "/api/v1/alarms")).json() as Page<AlarmView>;
      deepEqual(page.items.map(({ isActive, score }) => ({ isActive, score })), [
        { isActive: false, score: 5 },
      ]);
    });
    await test.close();
  },
});

Deno.test({
  name: "routes on PostgreSQL: settings have one winner, waiting ends with the operation",
  ignore: server === null,
  async fn(t) {
    const { opened, test } = await openHub();

    await t.step("of changes of the settings on one view one is made", async () => {
      const etag = (await test.call("GET", "/api/v1/settings")).headers.get("etag") ?? "";
      const answers = await together((index) =>
        test.call("PATCH", "/api/v1/settings", {
          body: { staleAfterMs: 40_000 + index },
          headers: { "if-match": etag },
        })
      );
      const statuses = answers.map(({ status }) => status).sort();
      deepEqual(statuses, [200, ...Array(CALLERS - 1).fill(412)]);
      const winner = answers.find(({ status }) => status === 200)!;
      deepEqual(await winner.json(), test.hub.settings.current());
      const page = { limit: 200, beforeId: null, action: "settings.*" };
      const rows = await listAudit(opened.db, page);
      deepEqual(rows.map(({ action }) => action), ["settings.change"]);
    });

    await t.step("an operation that is waited for answers as soon as it has ended", async () => {
      await test.call("POST", "/api/v1/jobs", { body: { name: "pump-watch", bundle: "x" } });
      const listed = await (await test.call("GET", "/api/v1/operations?status=pending&limit=1"))
        .json() as Page<OperationView>;
      const { id, jobId } = listed.items[0]!;
      const waiting = test.call("GET", `/api/v1/operations/${id}?wait=30s`);
      await updateOperation(opened.db, id, { status: "succeeded", result: {} });
      test.events.publish("operation.ended", { jobId: jobId! }, {});
      const ended = await (await waiting).json() as OperationView;
      deepEqual([ended.status, ended.progress.phase, ended.createdByName], [
        "succeeded",
        "done",
        "admin",
      ]);
    });
    await test.close();
  },
});
