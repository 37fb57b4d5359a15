import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { alarmSink, generatorSource, type KeyedStream, type Stream } from "@shared/sdk/mod.ts";
import { ChainRig } from "../../../tests/support/chain_rig.ts";
import { LookupCache } from "./lookup_cache.ts";

interface Event {
  readonly key: string;
  readonly kind?: "row" | "gone";
  readonly value: number;
}

function rig<Out>(
  joined: (records: KeyedStream<Event>, rows: KeyedStream<Event>) => Stream<Out>,
): ChainRig {
  return new ChainRig((job) => {
    const all = job.source("in", generatorSource<Event>({ next: () => undefined }));
    const records = all.filter("records", (event) => event.kind === undefined);
    const rows = all.filter("rows", (event) => event.kind !== undefined);
    joined(records.keyByLocal((event) => event.key), rows.keyByLocal((event) => event.key))
      .sink("out", alarmSink({ priority: "low" }));
  });
}

const record = (key: string, value: number): Event => ({ key, value });
const row = (key: string, value: number): Event => ({ key, value, kind: "row" });
const gone = (key: string): Event => ({ key, value: 0, kind: "gone" });

Deno.test("lookupJoin: a record meets the latest row of its key; rows are in the snapshot (A5)", () => {
  const chain = rig((records, rows) =>
    records.lookupJoin("join", rows, {
      isRemoval: (row) => row.kind === "gone",
      join: (record, row, key) => `${key} ${record.value} ${row.value}`,
    })
  );
  chain.emit(record("a", 1), row("a", 10), record("a", 2), row("b", 20), row("a", 11));
  deepStrictEqual(chain.values(), ["a 2 10"]);
  const restored = chain.restored();
  for (const one of [chain, restored]) {
    one.emit(record("a", 3), record("b", 4), gone("a"), record("a", 5));
    deepStrictEqual(one.values().slice(-2), ["a 3 11", "b 4 20"]);
    strictEqual(one.stateEntries, 1);
  }
});

Deno.test("lookupJoin: a function is asked once while its answer is fresh; orElse takes what has no row", () => {
  const asked: string[] = [];
  const chain = rig((records) =>
    records.lookupJoin("join", {
      lookup: (key) => {
        asked.push(key);
        return key === "a" ? { limit: asked.length } : undefined;
      },
      cache: { ttl: "10s", max: 2 },
      join: (record, row) => `${record.key} below ${row.limit}`,
      orElse: (record, key) => `${key} has none, ${record.value}`,
    })
  );
  chain.emit(record("a", 1), record("a", 2), record("b", 3), record("b", 4));
  deepStrictEqual(asked, ["a", "b"]);
  deepStrictEqual(chain.values().slice(1), ["a below 1", "b has none, 3", "b has none, 4"]);
  chain.clock.advance(10_000);
  chain.emit(record("a", 5));
  deepStrictEqual(asked, ["a", "b", "a"]);
  deepStrictEqual(chain.values().slice(-1), ["a below 3"]);
});

Deno.test("lookupJoin: what a lookup throws sets its record aside under the policy dead-letter", () => {
  const chain = rig((records) =>
    records.lookupJoin("join", {
      lookup: (key) => {
        if (key === "bad") throw new Error("no such table");
        return { ok: true };
      },
      join: (record) => record.value,
      onError: "dead-letter",
    })
  );
  chain.emit(record("bad", 1), record("good", 2));
  deepStrictEqual(chain.values(), [2]);
  strictEqual(chain.deadLetters.length, 1);
});

Deno.test("lookup cache: keeps the rows used lately, and no more than allowed", () => {
  const cache = new LookupCache({ ttlMs: 1_000, max: 2 });
  const asked: string[] = [];
  const get = (key: string, nowMs: number) =>
    cache.get(key, nowMs, (of) => {
      asked.push(of);
      return of;
    });
  for (
    const [key, nowMs] of [["a", 0], ["b", 0], ["a", 1], ["c", 2], ["a", 3], ["b", 4]] as const
  ) {
    get(key, nowMs);
  }
  deepStrictEqual(asked, ["a", "b", "c", "b"]);
  strictEqual(cache.size, 2);
});
