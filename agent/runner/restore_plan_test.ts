import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import type { Digest } from "@shared/ids.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import type { StatefulSpec } from "@shared/sdk/operator.ts";
import type { RestoreRequest } from "./restore_plan.ts";
import { chainJob, SubtaskRig } from "./test_support.ts";

const count = (uid: string, codecVersion = 1, ttlMs: number | null = null): StatefulSpec => ({
  kind: "mapWithState",
  uid,
  onError: "fail",
  keyOf: () => "a",
  initial: () => 0,
  fn: (n: number) => [n + 1, n + 1],
  codecVersion,
  ttlMs,
});

async function taken(): Promise<{ request: RestoreRequest; pieces: Map<Digest, Uint8Array> }> {
  const rig = await new SubtaskRig(chainJob([count("count")])).start();
  rig.emit(0);
  const { request } = await rig.checkpoint(1);
  return { request, pieces: rig.pieces };
}

async function refusal(
  spec: StatefulSpec,
  request: RestoreRequest,
  pieces: ReadonlyMap<Digest, Uint8Array>,
): Promise<string> {
  const rig = new SubtaskRig(chainJob([spec]));
  await rig.start({ request, pieces });
  deepStrictEqual(rig.reports.map((report) => report.kind), ["failed"]);
  return rig.reportsOf("failed")[0]!.message;
}

Deno.test("restore: another key-group count, key hash or manifest version is refused (S1)", async () => {
  const { request, pieces } = await taken();
  const changes: readonly [
    change: Partial<Record<keyof SubtaskSnapshot, unknown>>,
    said: RegExp,
  ][] = [
    [{ keyGroupCount: 64 }, /key-group count is 64, want 128/],
    [{ keyHash: "crc32" }, /key hash is crc32, want murmur3/],
    [{ version: 2 }, /manifest version is 2, want 1/],
  ];
  for (const [change, said] of changes) {
    const snapshots = [{ ...request.snapshots[0], ...change } as SubtaskSnapshot];
    match(await refusal(count("count"), { ...request, snapshots }, pieces), said);
  }
});

Deno.test("restore: state of an operator that is gone is refused unless it may be left behind (S2)", async () => {
  const { request, pieces } = await taken();
  match(await refusal(count("renamed"), request, pieces), /no operator for the state of "count"/);
  const rig = new SubtaskRig(chainJob([count("renamed")]));
  await rig.start({ request: { ...request, allowNonRestoredState: true }, pieces });
  rig.emit(0);
  strictEqual(rig.sink.written[0]?.value, 1);
});

Deno.test("restore: state of another codec version is refused (S3)", async () => {
  const { request, pieces } = await taken();
  match(
    await refusal(count("count", 2), request, pieces),
    /operator "count": State "value" is value v1: want value v2, and a migration on the way is missing/,
  );
});

Deno.test("restore: a piece that is missing or changed is refused by name (C8)", async () => {
  const { request, pieces } = await taken();
  const [[digest, bytes]] = [...pieces] as [[Digest, Uint8Array]];
  const changed = bytes.slice();
  changed[changed.length - 1]! ^= 1;
  match(await refusal(count("count"), request, new Map()), new RegExp(`piece ${digest} did not`));
  match(
    await refusal(count("count"), request, new Map([[digest, changed]])),
    new RegExp(`digest [0-9a-f]{64}, want ${digest}`),
  );
});

Deno.test("restore: an operator that now has a time to live keeps its state, counted from the snapshot on (S4)", async () => {
  const { request, pieces } = await taken();
  const timed = new SubtaskRig(chainJob([count("count", 1, 1_000)]));
  await timed.start({ request, pieces });
  timed.emit(0);
  timed.clock.advance(1_001);
  timed.emit(0);
  deepStrictEqual(timed.sink.written.map(({ value }) => value), [2, 1]);
});

/** Counts records in its first state, whatever other states it has. */
const process = (...names: string[]): StatefulSpec => ({
  kind: "process",
  uid: "count",
  onError: "fail",
  keyOf: () => "a",
  states: names.map((name) => ({ name, kind: "value", codecVersion: 1 })),
  onRecord: (_record: unknown, ctx: Context) => {
    const n = Number(ctx.state.n!.get() ?? 0) + 1;
    ctx.state.n!.set(n);
    ctx.emit(n);
  },
  onTimer: null,
});

interface Context {
  readonly state: Record<string, { get(): unknown; set(value: unknown): void }>;
  emit(record: unknown): void;
}

Deno.test("restore: a snapshot taken behind a restore into more states can itself be restored (S3, P9)", async () => {
  const old = await new SubtaskRig(chainJob([process("n")])).start();
  old.emit(0);
  const grown = new SubtaskRig(chainJob([process("extra", "n")]), { pieces: old.pieces });
  await grown.start(await old.checkpoint(1));
  const next = await grown.checkpoint(2);
  const again = await new SubtaskRig(chainJob([process("extra", "n")])).start(next);
  deepStrictEqual(again.reportsOf("failed"), []);
  again.emit(0);
  strictEqual(again.sink.written[0]?.value, 2);
});
